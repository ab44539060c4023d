//! The whole model on one device.

use std::ops::Range;

use burn::tensor::{Int, Tensor};
use serde::Deserialize;

use super::fit::tiles_at_once;
use crate::chat::prompt::Markers;
use crate::chat::tokenizer::Tokenizer;
use crate::config::{ModelConfig, TilingConfig};
use crate::error::Result;
use crate::gpu::Compute;
use crate::kernels::embed::Source;
use crate::language::cache::{CachePrecision, KvCache};
use crate::language::decoder::Decoder;
use crate::nn::{Loader, Precisions};
use crate::page::Page;
use crate::vision::encoder::VisionEncoder;
use crate::vision::pixels::pixel_values;
use crate::vision::projector::Projector;
use crate::weights::Checkpoint;

/// Rows that go through the decoder at once: bounds the widest activation well below WebGPU's 128 MiB binding.
pub(super) const PREFILL_ROWS: usize = 1024;

/// The longest context that angles are made for, however many positions the checkpoint names.
pub(super) const CONTEXT_CEILING: usize = 32_768;

/// Encoder, projector, decoder and tokenizer of one checkpoint.
pub struct Model {
    /// What the checkpoint is.
    pub config: ModelConfig,
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// Where it runs.
    pub compute: Compute,
    eyes: Option<(VisionEncoder, Projector)>,
    decoder: Option<Decoder>,
    kv: CachePrecision,
}

/// What of a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parts {
    /// Everything.
    #[default]
    All,
    /// Encoder and projector: enough to encode tiles for another model of the same checkpoint.
    Vision,
}

impl Model {
    /// Brings a checkpoint's weights to the device, some rows at a time; `progress` is told (done, total) weights.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the checkpoint's files or its tokenizer.
    pub async fn load(
        checkpoint: &Checkpoint,
        compute: Compute,
        precisions: Precisions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self> {
        Self::load_parts(checkpoint, compute, precisions, Parts::All, progress).await
    }

    /// As [`Self::load`], but of the weights only those of `parts`.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub async fn load_parts(
        checkpoint: &Checkpoint,
        compute: Compute,
        precisions: Precisions,
        parts: Parts,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self> {
        let config = checkpoint.config().clone();
        let tokenizer = Tokenizer::from_json(&checkpoint.tokenizer().await?)?;
        let mut loader = Loader::new(checkpoint, precisions, &compute, progress);
        let eyes = match config.sees() {
            true => Some((
                VisionEncoder::load(&config.vision, &mut loader).await?,
                Projector::load(&config, &mut loader).await?,
            )),
            false => None,
        };
        let decoder = match parts {
            Parts::All => {
                Some(Decoder::load(&config.language, &mut loader, context(&config)).await?)
            }
            Parts::Vision => None,
        };
        Ok(Self {
            config,
            tokenizer,
            compute,
            eyes,
            decoder,
            kv: precisions.kv,
        })
    }

    /// Positions a conversation may fill.
    pub fn context(&self) -> usize {
        context(&self.config)
    }

    /// Tiles that [`Self::encode`] may be given at once.
    pub fn tiles_at_once(&self) -> usize {
        match self.compute.adapter {
            Some(_) => tiles_at_once(&self.config, self.compute.limits),
            None => 1,
        }
    }

    /// An empty KV cache for `context` positions.
    pub fn cache(&self, context: usize) -> KvCache {
        let device = &self.compute.device;
        KvCache::new(&self.config.language, context, self.kv, device)
    }

    /// Visual tokens of a tile.
    pub fn tokens_per_tile(&self) -> usize {
        self.config.projector.tokens_per_tile(&self.config.vision)
    }

    /// The ids that end an answer.
    ///
    /// # Errors
    ///
    /// A token that the conversation needs is not in the tokenizer.
    pub fn stops(&self) -> Result<Vec<u32>> {
        Ok(Markers::new(&self.config.chat, &self.tokenizer)?.stop)
    }

    /// What each id adds to an answer, in bytes: nothing, where it is a special token or none at all.
    pub fn words(&self) -> Vec<Vec<u8>> {
        self.tokenizer.words(self.config.language.vocab_size)
    }

    /// A page's tiles, [tiles, 3, S, S].
    pub fn pixel_values(&self, page: &Page, tiling: &TilingConfig) -> Tensor<4> {
        pixel_values(
            page,
            tiling,
            self.config.vision.image_size,
            &self.compute.device,
        )
    }

    /// Hidden states [tiles * (1 + N), C], the class token first, and visual tokens [tiles * tokens a tile, D] of some tiles,
    /// at most [`Self::tiles_at_once`]. Only for models that see.
    pub fn encode(&self, pixel_values: &Tensor<4>, tiles: Range<usize>) -> (Tensor<2>, Tensor<2>) {
        let (encoder, projector) = self.eyes.as_ref().expect("the model sees");
        let hidden = encoder.forward(pixel_values, tiles);
        let visual = projector.forward(&hidden);
        (hidden, visual)
    }

    /// Lets go of encoder and projector, whose work others do from now on.
    pub fn close_eyes(&mut self) {
        self.eyes = None;
    }

    /// Runs `sources` at the cache's end and returns the logits after the last of them, [1, V].
    pub fn forward(
        &self,
        sources: &[Source],
        visual: Option<&Tensor<2>>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        let decoder = self.decoder.as_ref().expect("loaded as a whole");
        let mut logits = None;
        for rows in sources.chunks(PREFILL_ROWS) {
            let x = decoder.embed(rows, visual, &self.compute.device);
            logits = Some(decoder.forward(x, cache));
        }
        logits.expect("at least one row")
    }

    /// Runs the token whose id is in `chosen` [1] at the cache's end and returns the logits after it, [1, V]: nothing waits
    /// for the id to be read.
    pub fn forward_chosen(&self, chosen: &Tensor<1, Int>, cache: &mut KvCache) -> Tensor<2> {
        let decoder = self.decoder.as_ref().expect("loaded as a whole");
        decoder.forward(decoder.embed_chosen(chosen), cache)
    }
}

fn context(config: &ModelConfig) -> usize {
    config.language.max_positions.min(CONTEXT_CEILING)
}
