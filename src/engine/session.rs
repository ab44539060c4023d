//! A conversation, and the one decode loop: [`Session::start`] prefills what is new, [`Session::next`] makes a token.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use burn::tensor::{Int, Tensor};
use web_time::Instant;

use super::answer::{Answer, GenerateOptions, Step, StopReason, Usage};
use super::model::Model;
use super::pictures::{Encode, Picture, PictureKey, Pictures, tiling};
use crate::chat::Message;
use crate::chat::prompt::{self, Prompt};
use crate::error::{Error, Result};
use crate::kernels::embed::Source;
use crate::kernels::launch::{read_words, submit};
use crate::kernels::stack;
use crate::language::cache::KvCache;

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

/// What stands at a position of the cache: equal slots have equal keys and values if all before them are equal too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Token(u32),
    Visual { picture: PictureKey, row: u32 },
}

/// A conversation on one model. The KV cache and the encoded pictures outlive a turn, so that the next turn pays only for
/// what is new.
#[derive(Default)]
pub struct Session {
    cache: Option<KvCache>,
    slots: Vec<Slot>,
    pub(super) pictures: Pictures,
    answer: Option<Answer>,
}

/// Cache positions are allocated in steps of this many.
pub(super) const CONTEXT_STEP: usize = 1024;

impl Session {
    /// An empty conversation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes new pictures, renders the conversation and prefills what the cache does not hold yet. `messages` is the
    /// whole conversation, `pictures` what its parts point at. `encode` is given the tiles of each new picture: a closure that
    /// is asked before each tile, with the number of tiles done and in all, whether to go on, has them encoded here.
    ///
    /// # Errors
    ///
    /// A picture that cannot be read, a conversation the template refuses, or one that exceeds the context; those of `encode`.
    pub async fn start(
        &mut self,
        model: &Model,
        messages: &[Message],
        pictures: &[Picture],
        options: GenerateOptions,
        mut encode: impl Encode,
    ) -> Result<Started> {
        let began = Instant::now();
        self.answer = None;
        if !pictures.is_empty() && !model.config.sees() {
            return Err(Error::NoEncoder);
        }
        let tiling = tiling(&model.config.tiling, options.max_tiles);
        let mut keys: Vec<PictureKey> = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let key = self.pictures.look(model, picture, &tiling, &mut encode);
            keys.push(key.await?);
        }
        self.pictures.keep(&keys);
        let tokens_per_tile = model.tokens_per_tile();
        let tiles: Vec<_> = keys
            .iter()
            .map(|key| self.pictures.visual(key).dims()[0] / tokens_per_tile)
            .collect();
        let prompt = prompt::build(
            &model.config.chat,
            &model.tokenizer,
            messages,
            &tiles,
            tokens_per_tile,
        )?;
        let cached_tokens = self.prefill(model, prompt, &keys, options, began)?;
        let usage = self.usage();
        Ok(Started {
            tiles,
            prompt_tokens: usage.prompt_tokens,
            image_tokens: usage.image_tokens,
            cached_tokens,
        })
    }

    /// Prefills `prompt`, whose pictures are known by `keys`, and readies the answer; returns how many positions the cache
    /// still held.
    pub(super) fn prefill(
        &mut self,
        model: &Model,
        prompt: Prompt,
        keys: &[PictureKey],
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
        let mut slots: Vec<Slot> = prompt.ids.iter().map(|&id| Slot::Token(id)).collect();
        for span in &prompt.images {
            for row in 0..span.len {
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
        let room = needed
            .saturating_add(options.max_tokens)
            .min(model.context());
        self.slots = slots;
        let shared = self.reserve(model, room, shared);
        let logits = self.run(model, shared);

        let stops = model.stops()?.into_iter().collect();
        let usage = Usage {
            prompt_tokens: prompt.ids.len(),
            image_tokens: prompt.images.iter().map(|span| span.len).sum(),
            ..Usage::default()
        };
        let decoder = model.tokenizer.stream().keep_boxes();
        self.answer = Some(Answer::new(
            options, stops, decoder, logits, prompt.ids, usage, began,
        ));
        Ok(shared)
    }

    /// Makes a cache with room for `room` positions that keeps the first `shared`, or none where the slots' number asks for
    /// the other of LongRoPE's factors. Returns how many it keeps.
    fn reserve(&mut self, model: &Model, room: usize, shared: usize) -> usize {
        let long = model.config.language.is_long(self.slots.len());
        let kept = self.cache.take().filter(|cache| cache.long == long);
        let kept = kept.map(|mut cache| {
            cache.truncate(shared);
            cache
        });
        let cache = match kept {
            Some(cache) if cache.context >= room => cache,
            kept => {
                let context = room.next_multiple_of(CONTEXT_STEP).min(model.context());
                let mut cache = model.cache(context);
                if let Some(kept) = kept {
                    cache.adopt(kept);
                }
                cache
            }
        };
        let cache = self.cache.insert(cache);
        cache.long = long;
        cache.length
    }

    /// Runs the slots from `first` on and returns the logits after the last, [1, V].
    fn run(&mut self, model: &Model, first: usize) -> Tensor<2> {
        let mut first_rows = HashMap::new();
        let (mut visuals, mut rows) = (Vec::new(), 0);
        let mut source = |slot: &Slot| match slot {
            Slot::Token(id) => Source::Token(*id),
            Slot::Visual { picture, row } => {
                let first = *first_rows.entry(*picture).or_insert_with(|| {
                    let visual = self.pictures.visual(picture);
                    visuals.push(visual.clone());
                    rows += visual.dims()[0];
                    rows - visual.dims()[0]
                });
                Source::Visual(first as u32 + row)
            }
        };
        let sources: Vec<Source> = self.slots[first..].iter().map(&mut source).collect();
        let visual = (!visuals.is_empty()).then(|| stack(&visuals));
        let cache = self.cache.as_mut().expect("reserved before");
        model.forward(&sources, visual.as_ref(), cache)
    }

    /// Makes the next token's id; `None` once the answer has ended. Of `allowed`, where it is given, one bit an id says
    /// which may be chosen, one at least.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceLost`] where the device fails to hand back the id.
    pub async fn next_id(&mut self, model: &Model, allowed: Option<&[u32]>) -> Result<Option<u32>> {
        let Some(answer) = self.answer.as_mut().filter(|answer| answer.stop.is_none()) else {
            return Ok(None);
        };
        let max_tokens = answer.options.max_tokens;
        if answer.usage.completion_tokens >= max_tokens || self.slots.len() >= model.context() {
            answer.stop = Some(StopReason::Length);
            return Ok(None);
        }
        let goes_on = answer.goes_on();
        let chosen = answer.choose(allowed);
        // A GPU has all up to the choice once the id is asked for. While the id is on its way it works on what follows.
        let mut reading = pin!(read_words(&chosen));
        let read = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
        let (ids, ahead) = match read {
            Poll::Ready(ids) => (ids?, None),
            Poll::Pending => {
                let ahead = goes_on.then(|| self.run_ahead(model, &chosen)).flatten();
                (reading.await?, ahead)
            }
        };
        let (Some(&id), Some(answer)) = (ids.first(), self.answer.as_mut()) else {
            return Err(Error::DeviceLost);
        };
        answer.take(id);
        if answer.stop.is_some() || !goes_on {
            return Ok(Some(id));
        }
        self.slots.push(Slot::Token(id));
        let logits = ahead.unwrap_or_else(|| {
            let room = self.cache.as_ref().map_or(0, |cache| cache.context);
            let shared = self.reserve(model, room, self.slots.len() - 1);
            self.run(model, shared)
        });
        if let Some(answer) = &mut self.answer {
            answer.logits = logits;
        }
        Ok(Some(id))
    }

    /// Has the device begin with what follows the slots and `chosen` [1], unless all of them have to be run again; the logits
    /// after it, [1, V]. Where `chosen` turns out to end the answer the cache is one position ahead of the slots.
    fn run_ahead(&mut self, model: &Model, chosen: &Tensor<1, Int>) -> Option<Tensor<2>> {
        let long = model.config.language.is_long(self.slots.len() + 1);
        let cache = self.cache.as_mut().filter(|cache| cache.long == long)?;
        let logits = model.forward_chosen(chosen, cache);
        submit(&logits);
        Some(logits)
    }

    /// One step of the answer: a token and its worth of text, or the end. `allowed` is as for [`Self::next_id`].
    ///
    /// # Errors
    ///
    /// As [`Self::next_id`].
    pub async fn next(&mut self, model: &Model, allowed: Option<&[u32]>) -> Result<Step> {
        let id = self.next_id(model, allowed).await?;
        let Some(answer) = self.answer.as_mut() else {
            return Ok(Step {
                id,
                text: String::new(),
                stop: Some(StopReason::Stop),
            });
        };
        let text = match (id, answer.stop) {
            (Some(id), None) => answer.decoder.push(id),
            _ => answer.decoder.flush(),
        };
        Ok(Step {
            id,
            text,
            stop: answer.stop,
        })
    }

    /// The logits of the next token, [1, V], before it is sampled.
    pub(super) fn logits(&self) -> Option<&Tensor<2>> {
        self.answer.as_ref().map(|answer| &answer.logits)
    }

    /// Lets the answer go on to its limit whatever the model says: a bench counts tokens.
    pub(super) fn forget_stops(&mut self) {
        if let Some(answer) = &mut self.answer {
            answer.stops.clear();
        }
    }

    /// Counts and times so far.
    pub fn usage(&self) -> Usage {
        self.answer
            .as_ref()
            .map_or_else(Usage::default, Answer::usage)
    }
}
