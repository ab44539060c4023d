//! One answer: how it is to be made, the choice of each token, and what it cost.

use std::collections::HashSet;

use burn::tensor::{Int, Tensor};
use web_time::Instant;

use crate::chat::StreamDecoder;
use crate::kernels::sample::MAX_TOP_K;
use crate::kernels::{SampleParams, sample};

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
    /// The token; `None` where the answer had ended before.
    pub id: Option<u32>,
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

/// An answer being made.
pub(super) struct Answer {
    pub(super) options: GenerateOptions,
    pub(super) stops: HashSet<u32>,
    pub(super) decoder: StreamDecoder,
    random: fastrand::Rng,
    pub(super) logits: Tensor<2>, // [1, V], of the next token
    seen: Vec<u32>,               // ids once each, for the repetition penalty
    began: Instant,
    first: Option<Instant>,
    last: Instant,
    pub(super) usage: Usage,
    pub(super) stop: Option<StopReason>,
}

impl Answer {
    /// An answer whose first token follows from `logits` [1, V]. `seen` lists the prompt's ids, `usage` counts the prompt.
    pub(super) fn new(
        options: GenerateOptions,
        stops: HashSet<u32>,
        decoder: StreamDecoder,
        logits: Tensor<2>,
        mut seen: Vec<u32>,
        usage: Usage,
        began: Instant,
    ) -> Self {
        seen.sort_unstable();
        seen.dedup();
        let random = fastrand::Rng::with_seed(options.seed);
        Self {
            options,
            stops,
            decoder,
            random,
            logits,
            seen,
            began,
            first: None,
            last: began,
            usage,
            stop: None,
        }
    }

    /// Chooses the next token, one of those `allowed`, on the device: its id, [1], to be [taken](Self::take).
    pub(super) fn choose(&mut self, allowed: Option<&[u32]>) -> Tensor<1, Int> {
        let GenerateOptions {
            temperature,
            top_k,
            top_p,
            repetition_penalty,
            ..
        } = self.options;
        let greedy = temperature <= 0.0;
        let how = SampleParams {
            temperature: if greedy { 1.0 } else { temperature },
            top_k: if greedy { 1 } else { top_k.clamp(1, MAX_TOP_K) },
            top_p,
            penalty: repetition_penalty,
            draw: self.random.f32(),
        };
        let seen: &[u32] = if repetition_penalty == 1.0 {
            &[]
        } else {
            &self.seen
        };
        sample(&self.logits, seen, allowed, how)
    }

    /// Counts what was chosen, or sets `stop` where it is a stop token.
    pub(super) fn take(&mut self, id: u32) {
        self.last = Instant::now();
        self.first.get_or_insert(self.last);
        if self.stops.contains(&id) {
            self.stop = Some(StopReason::Stop);
            return;
        }
        self.usage.completion_tokens += 1;
        if let Err(at) = self.seen.binary_search(&id) {
            self.seen.insert(at, id);
        }
    }

    /// Whether there will be a token after the next one.
    pub(super) fn goes_on(&self) -> bool {
        self.usage.completion_tokens + 1 < self.options.max_tokens
    }

    /// Counts and times so far.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = self.usage;
        if let Some(first) = self.first {
            usage.ttft_ms = (first - self.began).as_secs_f64() * 1e3;
            let seconds = (self.last - first).as_secs_f64();
            if seconds > 0.0 {
                usage.tokens_per_s = usage.completion_tokens.saturating_sub(1) as f64 / seconds;
            }
        }
        usage
    }
}
