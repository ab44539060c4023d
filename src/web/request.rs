//! What the page asks: a conversation, and how to answer it.

use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::parse;
use crate::chat::{Message, Part, Role};
use crate::engine::GenerateOptions;
use crate::error::Result;

/// A message as the page sends it; images are indices.
#[derive(Deserialize)]
struct WireMessage {
    role: WireRole,
    content: Vec<WirePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    System,
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum WirePart {
    Text { text: String },
    Image { index: usize },
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WireOptions {
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    repetition_penalty: Option<f32>,
    seed: Option<u64>,
    max_tiles: Option<usize>,
}

/// A conversation.
pub(super) fn messages(value: &JsValue) -> Result<Vec<Message>> {
    let messages = parse::<Vec<WireMessage>>(value, "messages")?;
    Ok(messages.into_iter().map(message).collect())
}

fn message(wire: WireMessage) -> Message {
    let role = match wire.role {
        WireRole::System => Role::System,
        WireRole::User => Role::User,
        WireRole::Assistant => Role::Assistant,
    };
    let content = wire.content.into_iter().map(|part| match part {
        WirePart::Text { text } => Part::Text(text),
        WirePart::Image { index } => Part::Image(index),
    });
    Message {
        role,
        content: content.collect(),
    }
}

/// How to answer it; what is not given is as usual.
pub(super) fn options(value: &JsValue) -> Result<GenerateOptions> {
    let wire = parse::<WireOptions>(value, "options")?;
    let default = GenerateOptions::default();
    Ok(GenerateOptions {
        max_tokens: wire.max_tokens.unwrap_or(default.max_tokens),
        temperature: wire.temperature.unwrap_or(default.temperature),
        top_p: wire.top_p.unwrap_or(default.top_p),
        top_k: wire.top_k.unwrap_or(default.top_k),
        repetition_penalty: wire
            .repetition_penalty
            .unwrap_or(default.repetition_penalty),
        seed: wire.seed.unwrap_or(default.seed),
        max_tiles: wire.max_tiles,
    })
}
