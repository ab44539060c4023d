//! `pagelens bench`.

use pagelens::Result;
use pagelens::engine::Model;
use pagelens::engine::bench::{BenchOptions, Measurement, Shape, bench};
use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};

/// Measure how fast a model of published sizes runs here, with noise for weights.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// tiny, internvl2_5-1b or internvl2-2b.
    #[arg(long, default_value = "internvl2_5-1b")]
    shape: Shape,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Hold the weights as f32, q8 or q4.
    #[arg(long, default_value = "q8", value_parser = str::parse::<Precision>)]
    weights: Precision,
    /// Times that each thing is done; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    repeats: u8,
    /// Prompts to prefill, in tokens.
    #[arg(long, value_delimiter = ',', default_values_t = [512, 2048, 4096])]
    prompts: Vec<usize>,
    /// Contexts to decode at, in tokens.
    #[arg(long, value_delimiter = ',', default_values_t = [512, 4096])]
    contexts: Vec<usize>,
    /// Leave out the page of seven tiles.
    #[arg(long)]
    no_page: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let shipped = Checkpoint::open(Source::Folder(crate::shipped()?)).await?;
    let checkpoint = match args.shape {
        Shape::Tiny => shipped,
        shape => {
            let config = shape.apply(shipped.config());
            shipped.with_noise(config)
        }
    };
    let compute = Compute::open(args.device).await?;
    eprintln!("running on the {compute}");
    let (bar, mut progress) = crate::bar("making weights");
    let model = Model::load(
        &checkpoint,
        compute,
        Precisions::all(args.weights),
        &mut progress,
    )
    .await?;
    bar.finish_and_clear();
    let options = BenchOptions {
        repeats: args.repeats.into(),
        prompts: args.prompts.clone(),
        contexts: args.contexts.clone(),
        tokens: 8,
        page: !args.no_page,
    };
    let mut all = Vec::new();
    bench(&model, &options, |measured| {
        if !args.json {
            print(&measured);
        }
        all.push(measured);
    })
    .await?;
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "device": model.compute.to_string(), "measurements": all })
        );
    }
    Ok(())
}

fn print(measured: &Measurement) {
    let Measurement {
        name,
        ms,
        rate,
        unit,
    } = measured;
    if unit.is_empty() {
        println!("{name:30} {ms:12.1} ms");
    } else {
        println!("{name:30} {ms:12.1} ms {rate:10.1} {unit}");
    }
}
