//! Template, marker tokens and stop tokens, gathered from the files that know them and settled by content.

use serde::Deserialize;
use serde_json::Value;

use super::section::Section;
use super::tokenizer::{TOKENIZER, TOKENIZER_CONFIG};
use super::{Layout, optional};
use crate::config::{ChatConfig, Template};
use crate::error::{Error, Result};
use crate::weights::safetensors::json;
use crate::weights::source::Source;

const GENERATION_CONFIG: &str = "generation_config.json";
const TEMPLATE: &str = "chat_template.jinja";
const OLD_TEMPLATE: &str = "chat_template.json";

/// The part of tokenizer.json that names tokens outside the vocabulary proper.
#[derive(Deserialize)]
struct Tokenizer {
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u64,
    content: String,
}

impl Tokenizer {
    fn id(&self, content: &str) -> Option<u64> {
        self.added_tokens
            .iter()
            .find(|token| token.content == content)
            .map(|token| token.id)
    }

    fn content(&self, id: u64) -> Option<&str> {
        self.added_tokens
            .iter()
            .find(|token| token.id == id)
            .map(|token| token.content.as_str())
    }
}

/// The checkpoint's chat facts. `root` is config.json, `text` the language model's section of it, `tokenizer` a
/// tokenizer.json.
pub(super) async fn config(
    source: &Source,
    tokenizer: &[u8],
    layout: Layout,
    root: &Section<'_>,
    text: &Section<'_>,
) -> Result<ChatConfig> {
    let tokenizer: Tokenizer = json(TOKENIZER, tokenizer)?;
    let tokenizer_config = optional(source, TOKENIZER_CONFIG).await?;
    let tokenizer_config = Section::root(TOKENIZER_CONFIG, &tokenizer_config)?;
    let generation = optional(source, GENERATION_CONFIG).await?;
    let generation = Section::root(GENERATION_CONFIG, &generation)?;

    let template = template(source, root, &tokenizer_config).await?;
    let marker = |key: &str, usual: &str| -> Result<String> {
        let extra = tokenizer_config
            .get("extra_special_tokens")
            .and_then(|tokens| tokens.get(key));
        let token = content(extra.or(tokenizer_config.get(key))).unwrap_or_else(|| usual.into());
        if tokenizer.id(&token).is_some() {
            Ok(token)
        } else {
            Err(Error::MissingToken { token })
        }
    };
    let chat = ChatConfig {
        image_context: marker("context_image_token", "<IMG_CONTEXT>")?,
        image_start: marker("start_image_token", "<img>")?,
        image_end: marker("end_image_token", "</img>")?,
        system_message: root.text("system_message")?.map(str::to_owned),
        bos_token: content(tokenizer_config.get("bos_token")),
        eos_token: content(tokenizer_config.get("eos_token")),
        stop: Vec::new(),
        template,
    };
    if let (Layout::Hf { .. }, Some(id)) = (layout, root.size("image_token_id")?)
        && tokenizer.id(&chat.image_context) != Some(id as u64)
    {
        return Err(root.wrong(
            "image_token_id",
            format!("{id} is not the id of {}", chat.image_context),
        ));
    }
    let mut ids = generation.ids("eos_token_id")?;
    if ids.is_empty() {
        ids = [text.ids("eos_token_id")?, root.ids("eos_token_id")?].concat();
    }
    Ok(ChatConfig {
        stop: stop_tokens(&chat, &tokenizer, &ids)?,
        ..chat
    })
}

/// The chat facts in the metadata of a GGUF file, for a model that sees or does not.
pub(super) fn of_gguf(metadata: &Section, tokenizer: &[u8], sees: bool) -> Result<ChatConfig> {
    let tokenizer: Tokenizer = json(TOKENIZER, tokenizer)?;
    let ids = |name: &str| metadata.ids(&format!("tokenizer.ggml.{name}_token_id"));
    let token = |name: &str| -> Result<Option<String>> {
        let id = ids(name)?;
        Ok(id
            .first()
            .and_then(|&id| tokenizer.content(id))
            .map(str::to_owned))
    };
    let marker = |usual: &str| match tokenizer.id(usual) {
        _ if !sees => Ok(String::new()),
        Some(_) => Ok(usual.to_owned()),
        None => Err(Error::MissingToken {
            token: usual.into(),
        }),
    };
    let Some(template) = metadata.text("tokenizer.chat_template")? else {
        return Err(Error::MissingChatTemplate);
    };
    let chat = ChatConfig {
        template: Template::Jinja(template.into()),
        system_message: None,
        image_context: marker("<IMG_CONTEXT>")?,
        image_start: marker("<img>")?,
        image_end: marker("</img>")?,
        stop: Vec::new(),
        bos_token: token("bos")?,
        eos_token: token("eos")?,
    };
    let ends = [ids("eos")?, ids("eot")?, ids("eom")?].concat();
    Ok(ChatConfig {
        stop: stop_tokens(&chat, &tokenizer, &ends)?,
        ..chat
    })
}

/// The token that ends a turn of the template, then every end-of-text token the configs name. Ids of padding rows, which
/// the tokenizer has no content for, say nothing.
fn stop_tokens(chat: &ChatConfig, tokenizer: &Tokenizer, ids: &[u64]) -> Result<Vec<String>> {
    let mut stop: Vec<String> = Vec::new();
    let turn_end = |token: &'static str| match tokenizer.id(token) {
        Some(_) => Ok(vec![token]),
        None => Err(Error::MissingToken {
            token: token.into(),
        }),
    };
    let turn_ends = match &chat.template {
        Template::InternLm2Chat | Template::Hermes2 | Template::InternVl25 => {
            turn_end("<|im_end|>")?
        }
        Template::Phi3Chat => turn_end("<|end|>")?,
        Template::Jinja(text) => ["<|im_end|>", "<|end|>"]
            .into_iter()
            .filter(|token| text.contains(token))
            .collect(),
    };
    let configured = ids.iter().filter_map(|&id| tokenizer.content(id));
    for token in turn_ends
        .into_iter()
        .chain(configured)
        .chain(chat.eos_token.as_deref())
    {
        if tokenizer.id(token).is_some() && !stop.iter().any(|known| known == token) {
            stop.push(token.into());
        }
    }
    if stop.is_empty() {
        Err(Error::MissingStopToken)
    } else {
        Ok(stop)
    }
}

/// A template by name (original layout), or else the Jinja source from the places transformers has kept it.
async fn template(
    source: &Source,
    root: &Section<'_>,
    tokenizer_config: &Section<'_>,
) -> Result<Template> {
    match root.text("template")? {
        Some("internlm2-chat") => return Ok(Template::InternLm2Chat),
        Some("Hermes-2") => return Ok(Template::Hermes2),
        Some("phi3-chat") => return Ok(Template::Phi3Chat),
        Some("internvl2_5") => return Ok(Template::InternVl25),
        Some(_) => {
            return Err(root.unsupported(
                "template",
                "internlm2-chat, Hermes-2, phi3-chat, internvl2_5",
            ));
        }
        None => {}
    }
    if let Some(bytes) = source.read_all(TEMPLATE).await? {
        let text = String::from_utf8(bytes);
        return text.map(Template::Jinja).map_err(|e| Error::Json {
            file: TEMPLATE.into(),
            reason: e.to_string(),
        });
    }
    let old = optional(source, OLD_TEMPLATE).await?;
    if let Some(text) = Section::root(OLD_TEMPLATE, &old)?.text("chat_template")? {
        return Ok(Template::Jinja(text.into()));
    }
    match tokenizer_config.get("chat_template") {
        Some(Value::Array(named)) => named
            .iter()
            .find(|entry| entry["name"] == "default")
            .map(|entry| &entry["template"]),
        other => other,
    }
    .and_then(Value::as_str)
    .map(|text| Template::Jinja(text.into()))
    .ok_or(Error::MissingChatTemplate)
}

/// A token written as a string or as `{"content": ...}`.
fn content(token: Option<&Value>) -> Option<String> {
    let token = token?;
    token
        .as_str()
        .or_else(|| token.get("content")?.as_str())
        .map(str::to_owned)
}
