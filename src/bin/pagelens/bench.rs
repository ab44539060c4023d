//! `pagelens bench`.

use pagelens::Result;
use pagelens::engine::bench::{BenchOptions, Measurement, Shape, bench};
use pagelens::gpu::{Compute, DeviceChoice};
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
    /// Leave out the kernels by themselves.
    #[arg(long)]
    no_kernels: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let shipped = Checkpoint::open(Source::Folder(crate::shipped()?)).await?;
    let compute = Compute::open(args.device).await?;
    let device = compute.to_string();
    eprintln!("running on the {device}");
    let options = BenchOptions {
        repeats: args.repeats.into(),
        prompts: args.prompts.clone(),
        contexts: args.contexts.clone(),
        tokens: 8,
        page: !args.no_page,
        kernels: !args.no_kernels,
    };
    let mut all = Vec::new();
    let report = |measured| {
        if !args.json {
            print(&measured);
        }
        all.push(measured);
    };
    bench(shipped, args.shape, args.weights, compute, &options, report).await?;
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "device": device, "measurements": all })
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
        share,
    } = measured;
    let time = match *ms {
        0.0 => String::new(),
        ms if ms < 10.0 => format!("{ms:.3} ms"),
        ms => format!("{ms:.1} ms"),
    };
    let rate = match unit.is_empty() {
        true => String::new(),
        false => format!("{rate:.1} {unit}"),
    };
    let share = match *share {
        0.0 => String::new(),
        share => format!("{:.0} % of the peak", share * 100.0),
    };
    println!(
        "{}",
        format!("{name:36} {time:>12} {rate:>18} {share:>16}").trim_end()
    );
}
