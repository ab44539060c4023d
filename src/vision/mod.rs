//! Pages -> visual tokens: tiler, InternViT, pixel shuffle and projector.

pub mod encoder;
pub mod pixels;
pub mod projector;
pub mod tiles;
