//! PageLens reads private documents inside a web page: the InternVL family of vision-language models on WebGPU, or on the
//! CPU where there is none. A page goes in, a streamed answer comes out:
//!
//! ```text
//! image bytes --page/decode--> RGB page --vision/tiles--> grid --vision/pixels (kernels/resize)--> [n, 3, 448, 448]
//!    --vision/encoder--> [n, 1025, C] --vision/projector--> [n * 256, D] --.
//! messages --chat/template--> segments --chat/prompt, chat/tokenizer--> ids + image spans --language/decoder (embed)--> [T, D]
//!    --language/decoder (prefill)--> KV cache + logits --kernels/sample--> id
//!    --engine/session (the one decode loop)--> text pieces --web--> worker message --www--> DOM
//! ```
//!
//! Weights come from Hugging Face folders or from our packs ([`weights`]); whatever differs between families is settled
//! there, and the run-time code knows one encoder and one decoder. Every arithmetic step is one function in [`kernels`],
//! with a WGSL shader for the GPU and a twin for the CPU.

pub mod config;
pub mod error;
pub mod gpu;

pub mod page;
pub mod vision;

pub mod chat;
pub mod language;

pub mod engine;

pub mod kernels;
pub mod nn;
pub mod quant;
pub mod weights;

#[cfg(target_arch = "wasm32")]
mod web;

pub use error::{Error, Result};
