//! Whether a model fits a device, from its config alone: the one formula, for the page and for the command line.
//!
//! What is counted, in bytes on the device:
//!
//! | part | formula |
//! |---|---|
//! | weights | blocks as stored (18 or 34 bytes per 32), everything else 4 bytes a value |
//! | cache | keys and values, f16 or f32, for the context; RoPE angles, f32 |
//! | activations | the wider of one tile in the encoder and one run of rows in the decoder, f32; the page's pixels and its visual tokens |
//!
//! The context is the page's visual tokens, [`TEXT`] tokens of question and answer, and what rounding up to the steps in
//! which a cache grows adds.

use serde::Serialize;

use super::model::{CONTEXT_CEILING, PREFILL_ROWS};
use super::session::CONTEXT_STEP;
use crate::config::{ModelConfig, Part};
use crate::error::{Error, Result};
use crate::gpu::Limits;
use crate::language::cache::{CachePrecision, KvCache};
use crate::nn::Precisions;
use crate::quant::BLOCK;
use crate::weights::Checkpoint;

/// Tokens of question and answer that a page is expected to need beside its own.
const TEXT: usize = 1536;

/// More tiles at once would not fill a GPU any better.
const MOST_TILES: usize = 4;

/// What a conversation is expected to hold; `None` is the checkpoint's own limit of tiles, and the context that follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Tiles of a page, thumbnail not counted.
    pub tiles: Option<usize>,
    /// Positions of a conversation.
    pub context: Option<usize>,
}

/// What a model needs and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Bytes of the weights where they are published.
    pub download: u64,
    /// Encoder and projector.
    pub vision: u64,
    /// Decoder.
    pub language: u64,
    /// KV cache and angles for [`Self::context`].
    pub cache: u64,
    /// Intermediate results.
    pub activations: u64,
    /// All four.
    pub memory: u64,
    /// What the device has.
    pub available: u64,
    /// Tiles that this is for, thumbnail not counted.
    pub tiles: usize,
    /// Positions that this is for.
    pub context: usize,
    /// Whether it fits.
    pub verdict: Verdict,
    /// What to do where it does not, or empty.
    pub advice: String,
    /// Why it does not fit, or empty.
    pub reason: String,
}

/// Whether a model fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// With this many tiles and this context.
    Fits,
    /// Only with fewer tiles or a shorter context.
    Tight,
    /// Not at all.
    No,
}

/// A model's need, before anything is compared with it.
struct Need {
    vision: u64,
    language: u64,
    cache: u64,
    activations: u64,
}

impl Need {
    fn total(&self) -> u64 {
        self.vision + self.language + self.cache + self.activations
    }
}

impl Fit {
    /// Weighs `checkpoint` against `limits`.
    pub fn of(checkpoint: &Checkpoint, precisions: Precisions, limits: Limits, usage: Use) -> Self {
        let config = checkpoint.config();
        let weights = weights(checkpoint, precisions);
        let tiles = usage.tiles.unwrap_or(config.tiling.max_tiles);
        let context = usage.context.unwrap_or_else(|| context(config, tiles));
        let need = |tiles, context| Need {
            vision: weights[0],
            language: weights[1],
            cache: cache(config, context, precisions.kv),
            activations: activations(config, tiles, context),
        };
        let wanted = need(tiles, context);
        let fits = |need: &Need| need.total() <= limits.memory;
        let smaller = (1..tiles).rev().find(|&tiles| {
            let room = self::context(config, tiles).min(context);
            fits(&need(tiles, room))
        });
        let (verdict, reason, advice) = if fits(&wanted) {
            (Verdict::Fits, String::new(), String::new())
        } else {
            let reason = format!(
                "it needs {} of memory ({} of it weights), this device has {}",
                megabytes(wanted.total()),
                megabytes(wanted.vision + wanted.language),
                megabytes(limits.memory)
            );
            match smaller {
                Some(tiles) => {
                    let advice = format!(
                        "use at most {tiles} tiles and {} tokens of context",
                        self::context(config, tiles).min(context)
                    );
                    (Verdict::Tight, reason, advice)
                }
                None => (Verdict::No, reason, "take a smaller model".to_owned()),
            }
        };
        Self {
            download: checkpoint.bytes(),
            vision: wanted.vision,
            language: wanted.language,
            cache: wanted.cache,
            activations: wanted.activations,
            memory: wanted.total(),
            available: limits.memory,
            tiles,
            context,
            verdict,
            advice,
            reason,
        }
    }

    /// Refuses a model that does not fit at all.
    pub fn check(&self) -> Result<()> {
        match self.verdict {
            Verdict::Fits | Verdict::Tight => Ok(()),
            Verdict::No => Err(Error::DoesNotFit {
                reason: self.reason.clone(),
                advice: self.advice.clone(),
            }),
        }
    }
}

/// Bytes of encoder with projector, and of the decoder.
fn weights(checkpoint: &Checkpoint, precisions: Precisions) -> [u64; 2] {
    let mut parts = [0, 0];
    for spec in checkpoint.config().tensors() {
        let count: u64 = spec.shape.iter().map(|&dim| dim as u64).product();
        parts[usize::from(spec.part == Part::Language)] +=
            match checkpoint.layout(&spec, precisions.vision, precisions.language) {
                None => 4 * count,
                Some(kind) => count / BLOCK as u64 * kind.bytes_per_block() as u64,
            };
    }
    parts
}

/// Positions that a page of `tiles` and a question need.
fn context(config: &ModelConfig, tiles: usize) -> usize {
    let thumbnail = usize::from(config.tiling.thumbnail && tiles > 1);
    let visual = (tiles + thumbnail) * config.projector.tokens_per_tile(&config.vision);
    let ceiling = config.language.max_positions.min(CONTEXT_CEILING);
    (visual + TEXT).next_multiple_of(CONTEXT_STEP).min(ceiling)
}

fn cache(config: &ModelConfig, context: usize, precision: CachePrecision) -> u64 {
    let angles = config.language.max_positions.min(CONTEXT_CEILING) * config.language.head_dim * 4;
    KvCache::bytes(&config.language, context, precision) + angles as u64
}

fn activations(config: &ModelConfig, tiles: usize, context: usize) -> u64 {
    let v = &config.vision;
    let thumbnail = usize::from(config.tiling.thumbnail && tiles > 1);
    let visual = config.projector.tokens_per_tile(v) * config.language.hidden_size;
    let page = (tiles + thumbnail) * (3 * v.image_size.pow(2) + visual);
    let decoder = decoder_activations(config, PREFILL_ROWS.min(context));
    4 * (encoder_activations(config).max(decoder) + page) as u64
}

/// Values of one tile: input, its norm and the output are C wide; between them is the MLP's hidden row or q | k | v with the
/// mixed heads.
fn encoder_activations(config: &ModelConfig) -> usize {
    let (v, c) = (&config.vision, config.vision.hidden_size);
    v.positions() * (3 * c + v.intermediate_size.max(4 * c))
}

/// Values of a run of rows.
fn decoder_activations(config: &ModelConfig, rows: usize) -> usize {
    let l = &config.language;
    let (d, queries) = (l.hidden_size, l.heads * l.head_dim);
    let qkv = queries + 2 * l.kv_heads * l.head_dim;
    rows * (3 * d + (3 * l.intermediate_size).max(qkv + queries)) + l.vocab_size
}

/// Tiles that are encoded together on a GPU at most: as many as take no more room than a prefill does, in buffers that it has.
pub(super) fn tiles_at_once(config: &ModelConfig, limits: Limits) -> usize {
    let v = &config.vision;
    let prefill = decoder_activations(config, PREFILL_ROWS.min(config.language.max_positions));
    let widest = 4 * v.positions() * v.intermediate_size.max(3 * v.hidden_size);
    (prefill / encoder_activations(config))
        .min(limits.tensor as usize / widest)
        .clamp(1, MOST_TILES)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
