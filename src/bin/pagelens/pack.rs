//! `pagelens pack`.

use std::path::PathBuf;

use pagelens::Result;
use pagelens::quant::Precision;
use pagelens::weights::write_pack;

use crate::model::{PlaceArgs, fetch};

/// Turn a checkpoint, or GGUF files, into a pack.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The checkpoint: a folder, the URL of one, owner/name[@revision], or a GGUF file.
    input: String,
    /// The folder to write.
    output: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Encoder and projector: q8, q4 or f16.
    #[arg(long, value_name = "PRECISION", default_value = "q8", value_parser = str::parse::<Precision>)]
    vision: Precision,
    /// Decoder: q4, q8 or f16; embeddings and head stay at 8 bits or more.
    #[arg(long, value_name = "PRECISION", default_value = "q4", value_parser = str::parse::<Precision>)]
    language: Precision,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let checkpoint = args.place.open(&args.input).await?;
    fetch(&checkpoint)?;
    let (bar, mut progress) = crate::bar("packing");
    let name = args
        .output
        .file_name()
        .map_or_else(|| "model".into(), |name| name.to_string_lossy());
    write_pack(
        &checkpoint,
        &args.output,
        &name,
        args.vision,
        args.language,
        &mut progress,
    )
    .await?;
    bar.finish_and_clear();
    eprintln!("packed {} into {}", args.input, args.output.display());
    Ok(())
}
