//! A conversation to the ids the language model reads, with the places the visual tokens go to.
//!
//! A picture becomes `<img>`, one `<IMG_CONTEXT>` for each visual token, `</img>`. The reference puts these into the
//! rendered string; here they are ids from the start, so that nothing else in the string can be taken for them.

use super::Message;
use super::template::{self, Segment};
use super::tokenizer::{Piece, Tokenizer};
use crate::config::ChatConfig;
use crate::error::{Error, Result};

/// A prompt, ready to embed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// All ids, `[T]`.
    pub ids: Vec<u32>,
    /// Where each picture's visual tokens go, in order.
    pub images: Vec<ImageSpan>,
}

/// The context ids of one picture: `ids[start..start + len]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSpan {
    /// Which of the conversation's pictures.
    pub image: usize,
    /// Index of the first context id.
    pub start: usize,
    /// Context ids: tiles times tokens a tile.
    pub len: usize,
}

/// The ids of the tokens a conversation needs, looked up by content because they differ between generations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// Around and in place of pictures; `None` where the model reads none.
    pub image: Option<ImageMarkers>,
    /// Ids that end an answer.
    pub stop: Vec<u32>,
}

/// The ids a picture is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageMarkers {
    /// `<img>`.
    pub start: u32,
    /// `<IMG_CONTEXT>`.
    pub context: u32,
    /// `</img>`.
    pub end: u32,
}

impl Markers {
    /// Looks them up, and the template's turn markers with them; the error names the first that is missing.
    pub fn new(config: &ChatConfig, tokenizer: &Tokenizer) -> Result<Self> {
        for marker in template::markers(&config.template) {
            tokenizer.marker(marker)?;
        }
        let stop = |token: &String| {
            tokenizer.id_of(token).ok_or_else(|| Error::MissingToken {
                token: token.clone(),
            })
        };
        let image = match config.image_context.as_str() {
            "" => None,
            context => Some(ImageMarkers {
                start: tokenizer.marker(&config.image_start)?,
                context: tokenizer.marker(context)?,
                end: tokenizer.marker(&config.image_end)?,
            }),
        };
        Ok(Self {
            image,
            stop: config.stop.iter().map(stop).collect::<Result<_>>()?,
        })
    }
}

/// The prompt up to the point where the assistant speaks. `tiles_per_image` counts each picture's tiles, thumbnail
/// included.
pub fn build(
    config: &ChatConfig,
    tokenizer: &Tokenizer,
    messages: &[Message],
    tiles_per_image: &[usize],
    tokens_per_tile: usize,
) -> Result<Prompt> {
    let markers = Markers::new(config, tokenizer)?;
    let segments = template::render(config, messages)?;
    let mut images = Vec::new();
    let mut pieces = Vec::with_capacity(segments.len());
    for segment in &segments {
        pieces.push(match segment {
            Segment::Markup(markup) => Piece::Markup(markup),
            Segment::Text(text) => Piece::Text(text),
            &Segment::Image(image) => {
                let missing = Error::ImageIndex {
                    number: image + 1,
                    images: tiles_per_image.len(),
                };
                let len = tiles_per_image.get(image).ok_or(missing)? * tokens_per_tile;
                images.push(ImageSpan {
                    image,
                    start: 0,
                    len,
                });
                let marker = markers.image.ok_or(Error::NoEncoder)?;
                let mut ids = vec![marker.context; len + 2];
                ids[0] = marker.start;
                ids[len + 1] = marker.end;
                Piece::Ids(ids)
            }
        });
    }
    let encoded = tokenizer.encode(&pieces)?;
    for (image, start) in images.iter_mut().zip(encoded.starts) {
        image.start = start + 1; // past `<img>`
    }
    Ok(Prompt {
        ids: encoded.ids,
        images,
    })
}
