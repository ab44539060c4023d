//! Messages to segments, by the family's own templates (OpenGVLab/InternVL, `conversation.py`) or the checkpoint's Jinja.
//!
//! **System message.** A system message at the start of the conversation wins, even an empty one, which renders the empty
//! system turn as the reference does. Then the checkpoint's `system_message`. Then the template's default: the name alone
//! does not tell the era, so `internlm2-chat`, `Hermes-2` and `phi3-chat` stand for InternVL2, `internvl2_5` for 2.5 on.
//!
//! **Pictures** stand where the message has them, each with a line break after it. The conversation's only picture so far
//! has no number; from then on, and where one message brings several, they are `Image-1: `, `Image-2: `, counted through
//! the conversation. What a message looks like depends on earlier messages only, never on later ones: the prompt of the
//! next turn extends this turn's prompt, and the cached prefix stays valid.

use super::jinja;
use super::{Message, Part, Role};
use crate::config::{ChatConfig, Template};
use crate::error::{Error, Result};

/// A stretch of a rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Written by the template: special tokens are recognised.
    Markup(String),
    /// Written by a person or a model: only ever plain text.
    Text(String),
    /// A picture of the conversation.
    Image(usize),
}

/// Renders a conversation up to the point where the assistant speaks.
pub fn render(config: &ChatConfig, messages: &[Message]) -> Result<Vec<Segment>> {
    if messages
        .iter()
        .skip(1)
        .any(|message| message.role == Role::System)
    {
        return Err(Error::ChatTemplate {
            reason: "a system message can only be the first message".into(),
        });
    }
    match Renderer::of(&config.template) {
        Renderer::BuiltIn(style) => Ok(style.render(config, messages)),
        Renderer::Jinja(source) => jinja::render(source, config, messages),
    }
}

/// The tokens a built-in template cannot do without; a Jinja template knows its own.
pub fn markers(template: &Template) -> &'static [&'static str] {
    match Renderer::of(template) {
        Renderer::BuiltIn(style) => style.markers,
        Renderer::Jinja(_) => &[],
    }
}

enum Renderer<'a> {
    BuiltIn(&'static Style),
    Jinja(&'a str),
}

impl<'a> Renderer<'a> {
    fn of(template: &'a Template) -> Self {
        match template {
            Template::InternLm2Chat | Template::Hermes2 => Self::BuiltIn(&CHATML),
            Template::Phi3Chat => Self::BuiltIn(&PHI3),
            Template::InternVl25 => Self::BuiltIn(&INTERNVL2_5),
            Template::Jinja(source) => Self::Jinja(source),
        }
    }
}

/// InternVL2's system message.
const SYSTEM_2: &str = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。";
/// The system message of InternVL 2.5 and 3.
const SYSTEM_2_5: &str = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。";

/// A template of the reference's `MPT` style: what opens each turn, and what closes it.
struct Style {
    system: &'static str,
    user: &'static str,
    assistant: &'static str,
    close: &'static str,
    default_system: &'static str,
    markers: &'static [&'static str],
}

const CHATML: Style = Style {
    system: "<|im_start|>system\n",
    user: "<|im_start|>user\n",
    assistant: "<|im_start|>assistant\n",
    close: "<|im_end|>",
    default_system: SYSTEM_2,
    markers: &["<|im_start|>", "<|im_end|>"],
};

const PHI3: Style = Style {
    system: "<|system|>\n",
    user: "<|user|>\n",
    assistant: "<|assistant|>\n",
    close: "<|end|>",
    default_system: SYSTEM_2,
    markers: &["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
};

const INTERNVL2_5: Style = Style {
    close: "<|im_end|>\n",
    default_system: SYSTEM_2_5,
    ..CHATML
};

impl Style {
    /// `get_prompt`: a turn without content stays open, as it does there.
    fn render(&self, config: &ChatConfig, messages: &[Message]) -> Vec<Segment> {
        let mut out = Segments::default();
        out.markup(self.system);
        let mut turns = messages;
        match messages {
            [first, rest @ ..] if first.role == Role::System => {
                turns = rest;
                out.content(&first.content, &mut 0);
            }
            _ => match &config.system_message {
                Some(system) => out.text(system),
                None => out.markup(self.default_system),
            },
        }
        out.markup(self.close);
        let mut shown = 0;
        for message in turns {
            out.markup(if message.role == Role::User {
                self.user
            } else {
                self.assistant
            });
            if out.content(&message.content, &mut shown) {
                out.markup(self.close);
            }
        }
        out.markup(self.assistant);
        out.0
    }
}

/// Segments in the making; neighbours of one kind become one.
#[derive(Default)]
pub(super) struct Segments(pub(super) Vec<Segment>);

impl Segments {
    pub(super) fn markup(&mut self, markup: &str) {
        match self.0.last_mut() {
            _ if markup.is_empty() => {}
            Some(Segment::Markup(last)) => last.push_str(markup),
            _ => self.0.push(Segment::Markup(markup.into())),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Segment::Text(last)) => last.push_str(text),
            _ => self.0.push(Segment::Text(text.into())),
        }
    }

    pub(super) fn image(&mut self, image: usize) {
        self.0.push(Segment::Image(image));
    }

    /// A message's words and pictures; `shown` counts the conversation's pictures before it. Says whether it wrote any.
    pub(super) fn content(&mut self, content: &[Part], shown: &mut usize) -> bool {
        let numbered = *shown
            + content
                .iter()
                .filter(|part| matches!(part, Part::Image(_)))
                .count()
            > 1;
        let mut written = "";
        for part in content {
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) => {
                    self.text(text);
                    written = text;
                }
                Part::Image(image) => {
                    *shown += 1;
                    if !written.is_empty() && !written.ends_with('\n') {
                        self.markup("\n");
                    }
                    if numbered {
                        self.markup(&format!("Image-{shown}: "));
                    }
                    self.image(*image);
                    self.markup("\n");
                    written = "\n";
                }
            }
        }
        !written.is_empty()
    }
}
