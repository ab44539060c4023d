//! `pagelens fit`.

use pagelens::Result;
use pagelens::engine::fit::Verdict;

use crate::model::SetupArgs;

/// Say what a model needs and whether it fits here, before any of its weights is fetched.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder, the URL of one, or owner/name[@revision].
    model: String,
    #[command(flatten)]
    setup: SetupArgs,
    /// Positions of a conversation; otherwise what such a page needs.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let (_, compute, fit) = args.setup.weigh(Some(&args.model), args.context).await?;
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
