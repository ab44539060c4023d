//! `pagelens pack`.

use std::path::PathBuf;

use pagelens::Result;
use pagelens::quant::Precision;
use pagelens::weights::write_pack;

/// Turn a Hugging Face checkpoint folder, or GGUF files, into a pack.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The checkpoint's folder, or a GGUF file.
    input: PathBuf,
    /// The folder to write.
    output: PathBuf,
    /// The encoder that belongs to a GGUF file.
    #[arg(long, value_name = "FILE.gguf")]
    mmproj: Option<PathBuf>,
    /// Encoder and projector: q8, q4 or f16.
    #[arg(long, value_name = "PRECISION", default_value = "q8", value_parser = str::parse::<Precision>)]
    vision: Precision,
    /// Decoder: q4, q8 or f16; embeddings and head stay at 8 bits or more.
    #[arg(long, value_name = "PRECISION", default_value = "q4", value_parser = str::parse::<Precision>)]
    language: Precision,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let checkpoint = crate::checkpoint(&args.input, args.mmproj.as_deref()).await?;
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
    eprintln!(
        "packed {} into {}",
        args.input.display(),
        args.output.display()
    );
    Ok(())
}
