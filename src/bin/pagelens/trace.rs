//! `pagelens trace`.

use std::path::PathBuf;

use pagelens::engine::trace::{Trace, TraceRequest, trace};
use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::quant::Precision;
use pagelens::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::model::{PlaceArgs, fetch};

/// Write every stage of one answer to a safetensors file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder, the URL of one, or owner/name[@revision]: a checkpoint or a pack; or a GGUF file.
    #[arg(long, value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// The picture; its EXIF orientation is not applied, as in the reference.
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// The question.
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The system message, in place of the checkpoint's.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Most tiles, in place of the checkpoint's own limit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=40))]
    max_tiles: Option<u8>,
    /// Greedy tokens to make.
    #[arg(long, value_name = "N", default_value_t = 16)]
    max_tokens: usize,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Hold the weights as f32, q8 or q4; a pack keeps its own.
    #[arg(long, default_value = "f32", value_parser = str::parse::<Precision>)]
    weights: Precision,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let checkpoint = args.place.open(&args.model).await?;
    fetch(&checkpoint)?;
    let request = TraceRequest {
        checkpoint,
        compute: Compute::open(args.device).await?,
        precision: args.weights,
        image: crate::read(&args.image)?,
        prompt: args.prompt,
        system: args.system,
        max_tiles: args.max_tiles.map(usize::from),
        max_tokens: args.max_tokens,
    };
    let Trace {
        pixel_values,
        vision,
        projected,
        input_ids,
        logits,
        generated,
    } = trace(request).await?;
    let vocabulary = logits.len();
    let stages: [(&str, Dtype, Vec<usize>, &[u8]); 6] = [
        (
            "pixel_values",
            Dtype::F32,
            pixel_values.0,
            bytemuck::cast_slice(&pixel_values.1),
        ),
        (
            "vision",
            Dtype::F32,
            vision.0,
            bytemuck::cast_slice(&vision.1),
        ),
        (
            "projected",
            Dtype::F32,
            projected.0,
            bytemuck::cast_slice(&projected.1),
        ),
        (
            "input_ids",
            Dtype::I32,
            vec![input_ids.len()],
            bytemuck::cast_slice(&input_ids),
        ),
        (
            "logits",
            Dtype::F32,
            vec![vocabulary],
            bytemuck::cast_slice(&logits),
        ),
        (
            "generated",
            Dtype::I32,
            vec![generated.len()],
            bytemuck::cast_slice(&generated),
        ),
    ];
    let failed = |reason: String| Error::Io {
        path: args.out.display().to_string(),
        reason,
    };
    let views = stages
        .into_iter()
        .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(dtype, shape, bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| failed(error.to_string()))?;
    safetensors::serialize_to_file(views, None, &args.out)
        .map_err(|error| failed(error.to_string()))
}
