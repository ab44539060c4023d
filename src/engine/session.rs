//! A conversation, and the one decode loop: [`Session::start`] prefills what is new, [`Session::next`] makes a token.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use burn::tensor::Tensor;
use sha2::{Digest, Sha256};
use web_time::Instant;

use super::model::Model;
use crate::chat::Message;
use crate::chat::StreamDecoder;
use crate::chat::prompt::{self, Prompt};
use crate::config::TilingConfig;
use crate::error::{Error, Result};
use crate::kernels::embed::Source;
use crate::kernels::sample::MAX_TOP_K;
use crate::kernels::{SampleParams, sample};
use crate::language::cache::KvCache;
use crate::page::{DecodeOptions, decode};

/// How to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Most tokens of an answer.
    pub max_tokens: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// Candidates, at most [`MAX_TOP_K`]; transformers' default is 50.
    pub top_k: usize,
    /// Probability mass of the candidates to keep.
    pub top_p: f32,
    /// 1 is none.
    pub repetition_penalty: f32,
    /// Same seed, same question, same answer.
    pub seed: u64,
    /// Most tiles of a page, thumbnail not counted; `None` is the checkpoint's own limit.
    pub max_tiles: Option<usize>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            max_tokens: 1024,
            temperature: 0.0,
            top_k: 50,
            top_p: 1.0,
            repetition_penalty: 1.0,
            seed: 0,
            max_tiles: None,
        }
    }
}

/// A picture of the conversation, as the user gave it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The file's name, for messages.
    pub name: String,
    /// The file's bytes.
    pub bytes: Rc<[u8]>,
}

/// What a prompt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Tiles of each picture, thumbnail included.
    pub tiles: Vec<usize>,
    /// Ids of the prompt, visual tokens included.
    pub prompt_tokens: usize,
    /// Visual tokens of the prompt.
    pub image_tokens: usize,
    /// Prompt tokens that were still in the KV cache.
    pub cached_tokens: usize,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The model's own stop token.
    Stop,
    /// `max_tokens`, or the end of the context.
    Length,
}

impl StopReason {
    /// OpenAI's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// One step of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Newly complete text; may be empty.
    pub text: String,
    /// Set on the last step.
    pub stop: Option<StopReason>,
}

/// Counts and times of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Ids of the prompt, visual tokens included.
    pub prompt_tokens: usize,
    /// Visual tokens of the prompt.
    pub image_tokens: usize,
    /// Tokens made, the stop token not counted.
    pub completion_tokens: usize,
    /// From the start of the call to the first token, in milliseconds.
    pub ttft_ms: f64,
    /// Tokens a second after the first.
    pub tokens_per_s: f64,
}

/// What stands at a position of the cache: equal slots have equal keys and values if all before them are equal too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Token(u32),
    Visual { picture: PictureKey, row: u32 },
}

/// A picture's content and the number of tiles it was allowed.
type PictureKey = ([u8; 32], usize);

/// An answer being made.
struct Answer {
    options: GenerateOptions,
    stops: HashSet<u32>,
    decoder: StreamDecoder,
    random: fastrand::Rng,
    logits: Tensor<2>, // [1, V], of the next token
    seen: Vec<u32>,    // ids once each, for the repetition penalty
    began: Instant,
    first: Option<Instant>,
    last: Instant,
    usage: Usage,
    stop: Option<StopReason>,
}

/// A conversation on one model. The KV cache and the encoded pictures outlive a turn, so that the next turn pays only for
/// what is new.
#[derive(Default)]
pub struct Session {
    cache: Option<KvCache>,
    slots: Vec<Slot>,
    pictures: HashMap<PictureKey, Tensor<2>>,
    answer: Option<Answer>,
}

/// Cache positions are allocated in steps of this many.
const CONTEXT_STEP: usize = 1024;

impl Session {
    /// An empty conversation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes new pictures, renders the conversation and prefills what the cache does not hold yet. `messages` is the
    /// whole conversation, `pictures` what its parts point at. `go_on` is asked before each tile, with the number of tiles
    /// done and in all; where it answers no, the call ends with [`Error::Stopped`].
    ///
    /// # Errors
    ///
    /// A picture that cannot be read, a conversation the template refuses, or one that exceeds the context.
    pub async fn start(
        &mut self,
        model: &Model,
        messages: &[Message],
        pictures: &[Picture],
        options: GenerateOptions,
        mut go_on: impl AsyncFnMut(usize, usize) -> bool,
    ) -> Result<Started> {
        let began = Instant::now();
        self.answer = None;
        let tiling = tiling(&model.config.tiling, options.max_tiles);
        let mut keys: Vec<PictureKey> = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let key = (Sha256::digest(&picture.bytes).into(), tiling.max_tiles);
            if !self.pictures.contains_key(&key) {
                let options = DecodeOptions {
                    name: picture.name.clone(),
                    ..DecodeOptions::default()
                };
                let pixel_values = model.pixel_values(&decode(&picture.bytes, &options)?, &tiling);
                let tiles = pixel_values.dims()[0];
                let mut visual = Vec::with_capacity(tiles);
                for tile in 0..tiles {
                    if !go_on(tile, tiles).await {
                        return Err(Error::Stopped);
                    }
                    visual.push(model.encode(&pixel_values, tile).1);
                }
                self.pictures.insert(key, Tensor::cat(visual, 0));
            }
            keys.push(key);
        }
        self.pictures.retain(|key, _| keys.contains(key));
        let visuals: Vec<_> = keys.iter().map(|key| self.pictures[key].clone()).collect();
        let tokens_per_tile = model.tokens_per_tile();
        let tiles: Vec<_> = visuals
            .iter()
            .map(|visual| visual.dims()[0] / tokens_per_tile)
            .collect();
        let prompt = prompt::build(
            &model.config.chat,
            &model.tokenizer,
            messages,
            &tiles,
            tokens_per_tile,
        )?;
        let (prompt_tokens, image_tokens) = (
            prompt.ids.len(),
            prompt.images.iter().map(|span| span.len).sum(),
        );
        let cached_tokens = self
            .prefill(model, prompt, &keys, &visuals, options, began)
            .await?;
        Ok(Started {
            tiles,
            prompt_tokens,
            image_tokens,
            cached_tokens,
        })
    }

    /// Prefills `prompt` and readies the answer; returns how many positions the cache still held.
    pub(super) async fn prefill(
        &mut self,
        model: &Model,
        prompt: Prompt,
        keys: &[PictureKey],
        visuals: &[Tensor<2>],
        options: GenerateOptions,
        began: Instant,
    ) -> Result<usize> {
        let needed = prompt.ids.len() + 1;
        if needed > model.context() {
            return Err(Error::ContextFull {
                needed,
                context: model.context(),
            });
        }
        let mut sources: Vec<Source> = prompt.ids.iter().map(|&id| Source::Token(id)).collect();
        let mut slots: Vec<Slot> = prompt.ids.iter().map(|&id| Slot::Token(id)).collect();
        let first_rows: Vec<_> = visuals
            .iter()
            .scan(0, |next, visual| {
                Some(std::mem::replace(next, *next + visual.dims()[0]))
            })
            .collect();
        for span in &prompt.images {
            for row in 0..span.len {
                sources[span.start + row] = Source::Visual((first_rows[span.image] + row) as u32);
                slots[span.start + row] = Slot::Visual {
                    picture: keys[span.image],
                    row: row as u32,
                };
            }
        }
        // The last row is always run again: its logits are what the answer begins with.
        let shared = self
            .slots
            .iter()
            .zip(&slots)
            .take_while(|(a, b)| a == b)
            .count()
            .min(slots.len() - 1);
        let room = (needed + options.max_tokens).min(model.context());
        let cache = self.reserve(model, room, shared);
        let visual = (!visuals.is_empty()).then(|| Tensor::cat(visuals.to_vec(), 0));
        let logits = model.forward(&sources[shared..], visual.as_ref(), cache);
        self.slots = slots;

        let chat = &model.config.chat;
        let stops = prompt::Markers::new(chat, &model.tokenizer)?
            .stop
            .into_iter()
            .collect();
        let mut seen: Vec<u32> = prompt.ids.clone();
        seen.sort_unstable();
        seen.dedup();
        self.answer = Some(Answer {
            stops,
            decoder: model.tokenizer.stream().keep_boxes(),
            random: fastrand::Rng::with_seed(options.seed),
            options,
            logits,
            seen,
            began,
            first: None,
            last: began,
            usage: Usage {
                prompt_tokens: prompt.ids.len(),
                image_tokens: prompt.images.iter().map(|span| span.len).sum(),
                ..Usage::default()
            },
            stop: None,
        });
        Ok(shared)
    }

    /// The cache, with room for `room` positions, of which the first `shared` are kept.
    fn reserve(&mut self, model: &Model, room: usize, shared: usize) -> &mut KvCache {
        let kept = self.cache.take().map(|mut cache| {
            cache.truncate(shared);
            cache
        });
        let cache = match kept {
            Some(cache) if cache.context >= room => cache,
            kept => {
                let context = room.next_multiple_of(CONTEXT_STEP).min(model.context());
                let mut cache =
                    KvCache::new(&model.config.language, context, &model.compute.device);
                if let Some(kept) = kept {
                    cache.adopt(kept);
                }
                cache
            }
        };
        self.cache.insert(cache)
    }

    /// Makes the next token's id; `None` once the answer has ended.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceLost`] where the device fails to hand back the id.
    pub async fn next_id(&mut self, model: &Model) -> Result<Option<u32>> {
        let Some(answer) = self.answer.as_mut().filter(|answer| answer.stop.is_none()) else {
            return Ok(None);
        };
        let GenerateOptions {
            temperature,
            top_k,
            top_p,
            repetition_penalty,
            max_tokens,
            ..
        } = answer.options;
        if answer.usage.completion_tokens >= max_tokens || self.slots.len() >= model.context() {
            answer.stop = Some(StopReason::Length);
            return Ok(None);
        }
        let greedy = temperature <= 0.0;
        let how = SampleParams {
            temperature: if greedy { 1.0 } else { temperature },
            top_k: if greedy { 1 } else { top_k.clamp(1, MAX_TOP_K) },
            top_p,
            penalty: repetition_penalty,
            draw: answer.random.f32(),
        };
        let seen: &[u32] = if repetition_penalty == 1.0 {
            &[]
        } else {
            &answer.seen
        };
        let data = sample(&answer.logits, seen, how).into_data_async().await;
        let id = data
            .ok()
            .and_then(|data| {
                data.convert::<u32>()
                    .try_to_vec::<u32>()
                    .ok()?
                    .first()
                    .copied()
            })
            .ok_or(Error::DeviceLost)?;
        answer.last = Instant::now();
        answer.first.get_or_insert(answer.last);
        if answer.stops.contains(&id) {
            answer.stop = Some(StopReason::Stop);
            return Ok(Some(id));
        }
        answer.usage.completion_tokens += 1;
        if let Err(at) = answer.seen.binary_search(&id) {
            answer.seen.insert(at, id);
        }
        if answer.usage.completion_tokens < max_tokens {
            let cache = self.cache.as_mut().expect("a started answer has a cache");
            answer.logits = model.forward(&[Source::Token(id)], None, cache);
            self.slots.push(Slot::Token(id));
        }
        Ok(Some(id))
    }

    /// One step of the answer: a token's worth of text, or its end.
    ///
    /// # Errors
    ///
    /// As [`Self::next_id`].
    pub async fn next(&mut self, model: &Model) -> Result<Step> {
        let id = self.next_id(model).await?;
        let Some(answer) = self.answer.as_mut() else {
            return Ok(Step {
                text: String::new(),
                stop: Some(StopReason::Stop),
            });
        };
        let text = match (id, answer.stop) {
            (Some(id), None) => answer.decoder.push(id),
            _ => answer.decoder.flush(),
        };
        Ok(Step {
            text,
            stop: answer.stop,
        })
    }

    /// The logits of the next token, [1, V], before it is sampled.
    pub(super) fn logits(&self) -> Option<&Tensor<2>> {
        self.answer.as_ref().map(|answer| &answer.logits)
    }

    /// Counts and times so far.
    pub fn usage(&self) -> Usage {
        let Some(answer) = &self.answer else {
            return Usage::default();
        };
        let mut usage = answer.usage;
        if let Some(first) = answer.first {
            usage.ttft_ms = (first - answer.began).as_secs_f64() * 1e3;
            let seconds = (answer.last - first).as_secs_f64();
            if seconds > 0.0 {
                usage.tokens_per_s = usage.completion_tokens.saturating_sub(1) as f64 / seconds;
            }
        }
        usage
    }
}

/// The checkpoint's tiling under the user's limit.
pub(super) fn tiling(config: &TilingConfig, max_tiles: Option<usize>) -> TilingConfig {
    let max_tiles = max_tiles.unwrap_or(config.max_tiles).max(1);
    TilingConfig {
        min_tiles: config.min_tiles.min(max_tiles),
        max_tiles,
        thumbnail: config.thumbnail,
    }
}
