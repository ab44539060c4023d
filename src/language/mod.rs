//! Token and visual embeddings -> logits: the one decoder.

pub mod cache;
pub mod decoder;
pub mod rope;
