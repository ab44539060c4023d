//! The checkpoint's own chat template, in the environment transformers gives it (`utils/chat_template_utils.py`).
//!
//! What people wrote never enters the template. A stand-in made of private-use characters does, with the text's leading
//! and trailing white space outside it, so that a template can trim, and the output is cut at the stand-ins afterwards.

use std::io::Write;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Value as Json, json};

use super::template::{Segment, Segments};
use super::{Message, Part, Role};
use crate::config::ChatConfig;
use crate::error::{Error, Result};

/// Before a stand-in's number.
const OPEN: char = '\u{f0000}';
/// After a stand-in's number.
const CLOSE: char = '\u{f0001}';
/// Template instructions before we call it endless; a turn takes some dozens.
const FUEL: u64 = 1_000_000;

/// How a message's content is handed over. Templates differ in what they take, and tell only by what they print.
#[derive(Clone, Copy)]
enum Form {
    /// A string, or a list of parts where there is a picture.
    Mixed,
    /// A list of parts.
    Parts,
    /// A string with the pictures in it, for templates that know none.
    Inline,
}

/// Renders with the first form of which nothing gets lost. A template may drop a system message or an old answer, so
/// otherwise with the form that loses least, but never a picture or the user's words.
pub(super) fn render(
    source: &str,
    config: &ChatConfig,
    messages: &[Message],
) -> Result<Vec<Segment>> {
    let mut messages = messages.to_vec();
    if let Some(system) = &config.system_message
        && messages
            .first()
            .is_none_or(|first| first.role != Role::System)
    {
        messages.insert(0, Message::text(Role::System, system));
    }
    if source.contains([OPEN, CLOSE]) {
        return Err(failed("contains private-use characters"));
    }
    let mut env = environment().map_err(failed)?;
    env.add_template("chat", source).map_err(failed)?;

    let mut best: Option<Cut> = None;
    let mut first_error = None;
    for form in [Form::Mixed, Form::Parts, Form::Inline] {
        let mut stand_ins = Vec::new();
        let turns = hand_over(&messages, form, &mut stand_ins);
        match print(&env, config, &turns) {
            Ok(output) => {
                let cut = cut(&output, config, &messages, &stand_ins);
                best = [best, cut].into_iter().flatten().min_by_key(|cut| cut.lost);
                if best.as_ref().is_some_and(|best| best.lost == 0) {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::OutOfFuel => {
                return Err(failed("does not come to an end"));
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    match best {
        Some(best) => Ok(best.segments),
        None => Err(first_error.map_or_else(
            || failed("does not print all of the user's words and pictures"),
            failed,
        )),
    }
}

fn failed(reason: impl ToString) -> Error {
    Error::ChatTemplate {
        reason: reason.to_string(),
    }
}

fn environment() -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut env = Environment::new();
    env.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    env.set_fuel(Some(FUEL));
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.add_filter("tojson", to_json);
    env.add_function(
        "raise_exception",
        |message: String| -> std::result::Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    Ok(env)
}

fn print(
    env: &Environment<'_>,
    config: &ChatConfig,
    turns: &[Json],
) -> std::result::Result<String, minijinja::Error> {
    env.get_template("chat")?.render(context! {
        messages => Serde(turns),
        add_generation_prompt => true,
        bos_token => config.bos_token.as_deref().unwrap_or_default(),
        eos_token => config.eos_token.as_deref().unwrap_or_default(),
        tools => (),
        documents => (),
    })
}

/// What a stand-in in the template's output stands for.
struct StandIn {
    segment: Segment,
    /// The template must print it: the user's own words.
    required: bool,
}

/// The messages as the template sees them.
fn hand_over(messages: &[Message], form: Form, stand_ins: &mut Vec<StandIn>) -> Vec<Json> {
    let mut shown = 0;
    let mut turns = Vec::with_capacity(messages.len());
    for message in messages {
        let mut stand_in = |segment: Segment| {
            let text = match &segment {
                Segment::Markup(markup) => return markup.clone(),
                Segment::Text(text) if text.trim().is_empty() => return text.clone(),
                Segment::Text(text) => text.clone(),
                Segment::Image(_) => String::new(),
            };
            let core = text.trim();
            let (before, after) = text.split_once(core).unwrap_or_default();
            let number = stand_ins.len();
            let (segment, required) = match segment {
                Segment::Text(_) => (Segment::Text(core.into()), message.role == Role::User),
                other => (other, false),
            };
            stand_ins.push(StandIn { segment, required });
            format!("{before}{OPEN}{number}{CLOSE}{after}")
        };
        let as_parts = match form {
            Form::Mixed => message.images().next().is_some(),
            Form::Parts => true,
            Form::Inline => false,
        };
        let content: Json = if as_parts {
            let parts = message.content.iter().map(|part| match part {
                Part::Text(text) => {
                    json!({"type": "text", "text": stand_in(Segment::Text(text.clone()))})
                }
                Part::Image(_) => json!({"type": "image"}),
            });
            parts.collect()
        } else {
            let mut segments = Segments::default();
            segments.content(&message.content, &mut shown);
            segments
                .0
                .into_iter()
                .map(stand_in)
                .collect::<String>()
                .into()
        };
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        turns.push(json!({"role": role, "content": content}));
    }
    turns
}

/// A template's output in segments.
struct Cut {
    segments: Vec<Segment>,
    /// Texts the template did not print.
    lost: usize,
}

/// Cuts the output at stand-ins and picture markers; `None` where a picture or the user's words are not in it.
fn cut(
    output: &str,
    config: &ChatConfig,
    messages: &[Message],
    stand_ins: &[StandIn],
) -> Option<Cut> {
    let context = &config.image_context;
    let framed = format!("{}{context}{}", config.image_start, config.image_end);
    let markers: &[&str] = match context.as_str() {
        "" => &[],
        context => &[&framed, context, "<image>"],
    };
    let images: Vec<usize> = messages.iter().flat_map(Message::images).collect();

    let mut out = Segments::default();
    let mut printed = vec![false; stand_ins.len()];
    let mut cut_images = Vec::new();
    let mut rest = output;
    while let Some((at, marker)) = next_marker(rest, markers) {
        out.markup(&rest[..at]);
        rest = &rest[at + marker.len()..];
        let segment = if marker.starts_with(OPEN) {
            let (number, after) = rest.split_once(CLOSE)?;
            rest = after;
            let number: usize = number.parse().ok()?;
            *printed.get_mut(number)? = true;
            stand_ins[number].segment.clone()
        } else {
            Segment::Image(*images.get(cut_images.len())?)
        };
        match segment {
            Segment::Image(image) => {
                cut_images.push(image);
                out.image(image);
            }
            Segment::Text(text) | Segment::Markup(text) => out.text(&text),
        }
    }
    out.markup(rest);
    let lost = || {
        stand_ins
            .iter()
            .zip(&printed)
            .filter(|(_, printed)| !**printed)
            .map(|(stand_in, _)| stand_in)
    };
    let acceptable = cut_images == images && !lost().any(|stand_in| stand_in.required);
    acceptable.then(|| Cut {
        segments: out.0,
        lost: lost().count(),
    })
}

/// The first of the markers or of a stand-in in the output; of two at one place the longer.
fn next_marker<'a>(output: &str, markers: &[&'a str]) -> Option<(usize, &'a str)> {
    let found = markers
        .iter()
        .chain(&["\u{f0000}"])
        .filter_map(|&marker| Some((output.find(marker)?, marker)));
    found.min_by_key(|(at, marker)| (*at, usize::MAX - marker.len()))
}

/// Python's `json.dumps(value, ensure_ascii=False)`: a space after each comma and colon, nothing escaped for HTML.
fn to_json(value: Value) -> std::result::Result<String, minijinja::Error> {
    let mut out = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut out, Spaced,
    ));
    let invalid = |error: String| minijinja::Error::new(ErrorKind::BadSerialization, error);
    written.map_err(|error| invalid(error.to_string()))?;
    String::from_utf8(out).map_err(|error| invalid(error.to_string()))
}

/// Python's separators.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}
