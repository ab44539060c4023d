//! `pagelens fit`.

use pagelens::Result;
use pagelens::engine::fit::{Fit, Use, Verdict};
use pagelens::gpu::{Compute, DeviceChoice};

use crate::model::{PlaceArgs, PrecisionArgs};

/// Say what a model needs and whether it fits here, before any of its weights is fetched.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder, the URL of one, or owner/name[@revision].
    model: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Tiles of a page, 1 to 40; otherwise as many as the model allows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=40))]
    max_tiles: Option<u8>,
    /// Positions of a conversation; otherwise what such a page needs.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let checkpoint = args.place.open(&args.model).await?;
    let compute = Compute::open(args.device).await?;
    let usage = Use {
        tiles: args.max_tiles.map(usize::from),
        context: args.context,
    };
    let precisions = args.precision.precisions();
    let fit = Fit::of(&checkpoint, precisions, compute.limits, usage);
    if args.json {
        println!("{}", serde_json::json!(fit));
        return Ok(());
    }
    let (cache, activations) = (
        format!("cache, {} positions", fit.context),
        format!("activations, {} tiles", fit.tiles),
    );
    for (what, bytes) in [
        ("download", fit.download),
        ("encoder", fit.vision),
        ("decoder", fit.language),
        (&cache, fit.cache),
        (&activations, fit.activations),
        ("memory in all", fit.memory),
        ("memory here", fit.available),
    ] {
        println!("{what:24} {:>10.1} MB", bytes as f64 / 1e6);
    }
    match fit.verdict {
        Verdict::Fits => println!("fits on the {compute}"),
        Verdict::Tight => println!("fits the {compute} only if you {}", fit.advice),
        Verdict::No => println!("does not fit the {compute}: {}; {}", fit.reason, fit.advice),
    }
    Ok(())
}
