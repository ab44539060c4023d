//! Messages to token ids, and token ids back to text and boxes.
//!
//! A conversation is rendered to *segments*, not to one string: markup, where special tokens are recognised, text that a
//! user or a model wrote, where they are not, and pictures. Whatever someone types, it cannot end a turn or claim a picture.

pub mod grounding;
mod jinja;
pub mod prompt;
mod stream;
pub mod template;
pub mod tokenizer;

pub use prompt::{ImageSpan, Prompt};
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sets the scene; only as the first message.
    System,
    /// Asks.
    User,
    /// Answers.
    Assistant,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Words and pictures in reading order.
    pub content: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words, taken literally.
    Text(String),
    /// A picture: its index among the conversation's pictures.
    Image(usize),
}

impl Message {
    /// A message of words alone.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: vec![Part::Text(text.into())],
        }
    }

    /// The message's pictures in order.
    fn images(&self) -> impl Iterator<Item = usize> {
        self.content.iter().filter_map(|part| match part {
            Part::Image(image) => Some(*image),
            Part::Text(_) => None,
        })
    }
}
