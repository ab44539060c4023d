//! Every stage of one answer, for comparison with a reference implementation stage by stage.

use burn::tensor::Tensor;
use web_time::Instant;

use super::answer::GenerateOptions;
use super::model::Model;
use super::pictures::tiling;
use super::session::Session;
use crate::chat::{Message, Part, Role, prompt};
use crate::error::{Error, Result};
use crate::gpu::Compute;
use crate::kernels::launch::read;
use crate::kernels::{rows, stack};
use crate::nn::Precisions;
use crate::page::{DecodeOptions, decode};
use crate::quant::Precision;
use crate::vision::tiles::Plan;
use crate::weights::Checkpoint;

/// One user turn with one picture.
pub struct TraceRequest {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Where to run.
    pub compute: Compute,
    /// How to hold the weights; a pack keeps its own.
    pub precision: Precision,
    /// The picture file's bytes. Its EXIF orientation is not applied, as in the reference.
    pub image: Vec<u8>,
    /// The question.
    pub prompt: String,
    /// The system message, in place of the checkpoint's.
    pub system: Option<String>,
    /// The limit of tiles, in place of the checkpoint's.
    pub max_tiles: Option<usize>,
    /// Greedy tokens to make.
    pub max_tokens: usize,
}

/// The stages, each row-major with its shape.
pub struct Trace {
    /// [n, 3, S, S].
    pub pixel_values: (Vec<usize>, Vec<f32>),
    /// The encoder's output without the class token, [n, N, C].
    pub vision: (Vec<usize>, Vec<f32>),
    /// Visual tokens, [n * tokens a tile, D].
    pub projected: (Vec<usize>, Vec<f32>),
    /// The prompt, [T].
    pub input_ids: Vec<u32>,
    /// After the prompt's last position, [V].
    pub logits: Vec<f32>,
    /// Greedy ids, the stop token included.
    pub generated: Vec<u32>,
}

/// Runs `request` and keeps every stage.
///
/// # Errors
///
/// Whatever is wrong with the checkpoint, the picture or the device.
pub async fn trace(request: TraceRequest) -> Result<Trace> {
    if !request.checkpoint.config().sees() {
        return Err(Error::NoEncoder);
    }
    let model = Model::load(
        &request.checkpoint,
        request.compute,
        Precisions::all(request.precision),
        &mut |_, _| {},
    )
    .await?;
    let page = decode(
        &request.image,
        &DecodeOptions {
            apply_exif: false,
            ..DecodeOptions::default()
        },
    )?;
    let tiling = tiling(&model.config.tiling, request.max_tiles);
    let pixel_values = model.pixel_values(&page, &tiling);
    let [tiles, _, side, _] = pixel_values.dims();
    let (hidden, visual): (Vec<_>, Vec<_>) = (0..tiles)
        .map(|tile| model.encode(&pixel_values, tile..tile + 1))
        .unzip();
    let visual = stack(&visual);

    let mut messages = Vec::new();
    if let Some(system) = &request.system {
        messages.push(Message::text(Role::System, system));
    }
    let content = vec![Part::Image(0), Part::Text(request.prompt.clone())];
    messages.push(Message {
        role: Role::User,
        content,
    });
    let tokens_per_tile = model.tokens_per_tile();
    let prompt = prompt::build(
        &model.config.chat,
        &model.tokenizer,
        &messages,
        &[tiles],
        tokens_per_tile,
    )?;
    let input_ids = prompt.ids.clone();

    let mut session = Session::new();
    let options = GenerateOptions {
        max_tokens: request.max_tokens,
        ..GenerateOptions::default()
    };
    let plan = Plan::new(page.width, page.height, &tiling, side);
    let key = ([0; 32], plan);
    session.pictures.show(key, visual.clone());
    session.prefill(&model, prompt, &[key], options, Instant::now())?;
    let logits = read(session.logits().expect("a started answer")).await?;
    let mut generated = Vec::new();
    while let Some(id) = session.next_id(&model, None).await? {
        generated.push(id);
    }

    let width = model.config.vision.hidden_size;
    let positions = model.config.vision.positions();
    let patches: Vec<_> = hidden.iter().map(|tile| rows(tile, 1..positions)).collect();
    Ok(Trace {
        pixel_values: shaped(&pixel_values).await?,
        vision: (
            vec![tiles, positions - 1, width],
            read(&stack(&patches)).await?,
        ),
        projected: shaped(&visual).await?,
        input_ids,
        logits,
        generated,
    })
}

async fn shaped<const D: usize>(tensor: &Tensor<D>) -> Result<(Vec<usize>, Vec<f32>)> {
    Ok((tensor.dims().to_vec(), read(tensor).await?))
}
