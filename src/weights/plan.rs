//! What loading a checkpoint reads, known before any of it is read: which bytes, in which order, and what is known of the
//! files they are in. A download works from this.

use serde::Serialize;

use super::pack::File;
use super::{Checkpoint, Store};

/// The bytes of a checkpoint's weights in load order, and the files they are in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Each byte of a weight once.
    pub spans: Vec<Span>,
    /// What a manifest says of its files; empty for a Hugging Face folder.
    pub files: Vec<Listed>,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its name.
    pub file: String,
    /// First byte.
    pub start: u64,
    /// First byte behind it.
    pub end: u64,
}

/// A file that a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Of the whole file, in lower-case hex.
    pub sha256: String,
    /// Of each chunk of 4 MiB, where there are more than one and the manifest says.
    pub chunks: Vec<String>,
}

impl Checkpoint {
    /// What [`Checkpoint::weight`] will read, called in the order of the config's list of tensors.
    pub fn plan(&self) -> Plan {
        match &self.store {
            Store::Folder(import) => {
                let specs = import.config.tensors();
                let recipes = specs.iter().map(|spec| &import.recipes[&spec.name]);
                let tensors = recipes.flat_map(|recipe| recipe.tensors(&import.tensors));
                let spans = tensors.map(|tensor| Span {
                    file: tensor.file.clone(),
                    start: tensor.range.start,
                    end: tensor.range.end,
                });
                Plan {
                    spans: spans.collect(),
                    files: Vec::new(),
                }
            }
            Store::Pack(pack) => {
                let manifest = &pack.manifest;
                let shards = manifest.shards.iter().map(|shard| &shard.file);
                let spans = shards.clone().map(|file| Span {
                    file: file.name.clone(),
                    start: 0,
                    end: file.size,
                });
                Plan {
                    spans: spans.collect(),
                    files: shards.chain([&manifest.tokenizer]).map(listed).collect(),
                }
            }
            Store::Noise(..) => Plan::default(),
        }
    }
}

fn listed(file: &File) -> Listed {
    let File {
        name,
        size,
        sha256,
        chunks,
    } = file.clone();
    Listed {
        name,
        size,
        sha256,
        chunks,
    }
}
