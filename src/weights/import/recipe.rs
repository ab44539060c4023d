//! How each canonical tensor is made from the tensors of a checkpoint, and making it, a few rows at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::Names;
use super::language::Qkv;
use crate::config::{ModelConfig, Part, TensorSpec};
use crate::error::{Error, Result, TensorDefect};
use crate::weights::SLICE;
use crate::weights::safetensors::{Dtype, Tensor};
use crate::weights::source::Source;

/// Where the rows of a canonical tensor come from.
#[derive(Debug)]
pub(crate) enum Recipe {
    /// The rows of these tensors, one after the other; mostly a single one.
    Stack(Vec<Piece>),
    /// InternLM2's wqkv, rows `[kv_head][group queries, key, value][head_dim]`, put in the order Q | K | V.
    Ungroup {
        /// The fused tensor.
        piece: Piece,
        kv_heads: usize,
        /// Query heads per key-value head.
        group: usize,
    },
}

/// A tensor of the checkpoint, with the shape it must have there.
#[derive(Debug)]
pub(crate) struct Piece {
    name: String,
    shape: Vec<usize>,
    /// Rows of a head, where they are stored for RoPE on neighbours: 0, hd / 2, 1, hd / 2 + 1, ...
    interleaved: Option<usize>,
}

/// One part of the model: canonical stems under a prefix.
pub(super) struct Naming {
    pub(super) prefix: String,
    /// What `layers.` is called, with its dot.
    pub(super) layers: &'static str,
    pub(super) names: Names,
}

/// The names of a whole checkpoint.
pub(super) struct Namings {
    pub(super) vision: Naming,
    pub(super) projector: Naming,
    pub(super) language: Naming,
    /// Full name of the untied head.
    pub(super) head: String,
    /// How the qkv projection is stored.
    pub(super) qkv: Qkv,
    /// The embeddings that are no matrices have leading dimensions of 1.
    pub(super) leading_ones: bool,
}

/// The recipe of every canonical tensor, checked against the tensors there are: none missing, none of another shape, and
/// none left over.
pub(super) fn plan(
    config: &ModelConfig,
    namings: &Namings,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Recipe>> {
    let mut recipes = BTreeMap::new();
    let mut used = BTreeSet::new();
    for spec in config.tensors() {
        let recipe = namings.recipe(config, &spec);
        for piece in recipe.pieces() {
            let name = &piece.name;
            let tensor = tensors.get(name).ok_or_else(|| Error::MissingTensor {
                tensor: name.clone(),
            })?;
            if tensor.dtype == Dtype::U32 {
                return Err(TensorDefect::Dtype("U32".into()).of(&tensor.file, name));
            }
            tensor.check_shape(&piece.name, &piece.shape)?;
            used.insert(piece.name.clone());
        }
        recipes.insert(spec.name, recipe);
    }
    // Buffers that follow from the config, and a token that only pre-training uses.
    let harmless = |name: &str| {
        name.ends_with("rotary_emb.inv_freq") || name.ends_with("embeddings.mask_token")
    };
    match tensors
        .iter()
        .find(|(name, _)| !used.contains(*name) && !harmless(name))
    {
        Some((name, tensor)) => Err(TensorDefect::Unexpected.of(&tensor.file, name)),
        None => Ok(recipes),
    }
}

impl Namings {
    fn recipe(&self, config: &ModelConfig, spec: &TensorSpec) -> Recipe {
        let l = &config.language;
        let name = spec.name.as_str();
        let (part, rest) = name
            .split_once('.')
            .expect("canonical names start with their part");
        if rest == "lm_head.weight" {
            return Recipe::Stack(vec![Piece::new(self.head.clone(), spec.shape.clone())]);
        }
        let naming = match spec.part {
            Part::Vision => &self.vision,
            Part::Projector => &self.projector,
            Part::Language => &self.language,
        };
        let sources = naming.sources(rest);
        let qkv = part == "language" && rest.contains(".attn.qkv.");
        if let (true, Qkv::Grouped, [name]) = (qkv, self.qkv, sources.as_slice()) {
            return Recipe::Ungroup {
                piece: Piece::new(name.clone(), spec.shape.clone()),
                kv_heads: l.kv_heads,
                group: l.heads / l.kv_heads,
            };
        }
        let rows = match sources.len() {
            3 if qkv => vec![
                l.heads * l.head_dim,
                l.kv_heads * l.head_dim,
                l.kv_heads * l.head_dim,
            ],
            n => vec![spec.shape[0] / n; n],
        };
        let shape = |rows: usize| match name {
            "vision.class_embedding" if self.leading_ones => vec![1, 1, spec.shape[0]],
            "vision.position_embedding" if self.leading_ones => {
                vec![1, spec.shape[0], spec.shape[1]]
            }
            "vision.patch_embedding.weight" => {
                vec![rows, 3, config.vision.patch_size, config.vision.patch_size]
            }
            _ => [&[rows], &spec.shape[1..]].concat(),
        };
        let mut pieces: Vec<Piece> = sources
            .into_iter()
            .zip(rows)
            .map(|(name, r)| Piece::new(name, shape(r)))
            .collect();
        if qkv && self.qkv == Qkv::Interleaved {
            // Queries and keys are rotated, values are not.
            for piece in &mut pieces[..2] {
                piece.interleaved = Some(l.head_dim);
            }
        }
        Recipe::Stack(pieces)
    }
}

impl Naming {
    /// Checkpoint names of `layers.{i}.{stem}[.weight|.bias]` or `{stem}[.weight|.bias]`.
    fn sources(&self, rest: &str) -> Vec<String> {
        let (layer, rest) = match rest
            .strip_prefix("layers.")
            .and_then(|rest| rest.split_once('.'))
        {
            Some((i, rest)) => (format!("{}{i}.", self.layers), rest),
            None => (String::new(), rest),
        };
        let suffix = [".weight", ".bias"]
            .into_iter()
            .find(|suffix| rest.ends_with(suffix))
            .unwrap_or("");
        let stem = &rest[..rest.len() - suffix.len()];
        let (_, stems) = self
            .names
            .iter()
            .find(|(canonical, _)| *canonical == stem)
            .expect("every stem is named");
        stems
            .iter()
            .map(|stem| format!("{}{layer}{stem}{suffix}", self.prefix))
            .collect()
    }
}

impl Recipe {
    fn pieces(&self) -> &[Piece] {
        match self {
            Self::Stack(pieces) => pieces,
            Self::Ungroup { piece, .. } => std::slice::from_ref(piece),
        }
    }

    /// The tensors this recipe reads, in that order.
    pub(crate) fn tensors<'a>(
        &'a self,
        tensors: &'a BTreeMap<String, Tensor>,
    ) -> impl Iterator<Item = &'a Tensor> {
        self.pieces().iter().map(|piece| &tensors[&piece.name])
    }

    /// Stored bytes of the tensors this recipe reads.
    pub(crate) fn bytes(&self, tensors: &BTreeMap<String, Tensor>) -> u64 {
        self.tensors(tensors)
            .map(|tensor| tensor.range.end - tensor.range.start)
            .sum()
    }

    /// Reads the rows in canonical order and hands them on as they are stored, some whole rows at a time. Each byte is read
    /// once; the fused tensor of [`Self::Ungroup`] is held as a whole meanwhile.
    pub(crate) async fn read(
        &self,
        source: &Source,
        tensors: &BTreeMap<String, Tensor>,
        mut sink: impl AsyncFnMut(Dtype, &[u8]) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Stack(pieces) => {
                for piece in pieces {
                    piece.read(source, &tensors[&piece.name], &mut sink).await?;
                }
            }
            Self::Ungroup {
                piece,
                kv_heads,
                group,
            } => {
                let mut grouped = Vec::new();
                let tensor = &tensors[&piece.name];
                let keep = &mut async |_, rows: &[u8]| {
                    grouped.extend_from_slice(rows);
                    Ok(())
                };
                piece.read(source, tensor, keep).await?;
                let slots = group + 2;
                let head = grouped.len() / (kv_heads * slots);
                for slots_of_part in [0..*group, *group..group + 1, group + 1..slots] {
                    for kv in 0..*kv_heads {
                        let at = |slot: usize| (kv * slots + slot) * head;
                        let rows = &grouped[at(slots_of_part.start)..at(slots_of_part.end)];
                        sink(tensor.dtype, rows).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Piece {
    fn new(name: String, shape: Vec<usize>) -> Self {
        Self {
            name,
            shape,
            interleaved: None,
        }
    }

    async fn read(
        &self,
        source: &Source,
        tensor: &Tensor,
        sink: &mut impl AsyncFnMut(Dtype, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let columns = match self.shape.as_slice() {
            [length] => *length,
            [_, row @ ..] => row.iter().product(),
            [] => unreachable!("every tensor of a config has dimensions"),
        };
        let (elements, bytes) = tensor.dtype.unit();
        let row_bytes = columns / elements * bytes;
        let head = self.interleaved.unwrap_or(1);
        let step = (SLICE / columns / head).max(1) * head * row_bytes;
        let mut at = tensor.range.start;
        while at < tensor.range.end {
            let end = (at + step as u64).min(tensor.range.end);
            let mut bytes = source.read(&tensor.file, at..end).await?;
            if (bytes.len() as u64) < end - at {
                let (end, size) = (tensor.range.end, at + bytes.len() as u64);
                return Err(TensorDefect::Truncated { end, size }.of(&tensor.file, &self.name));
            }
            if self.interleaved.is_some() {
                bytes = part_pairs(&bytes, head, row_bytes);
            }
            sink(tensor.dtype, &bytes).await?;
            at = end;
        }
        Ok(())
    }
}

/// Rows of heads that alternate between the halves of a head, put half after half.
fn part_pairs(bytes: &[u8], head: usize, row_bytes: usize) -> Vec<u8> {
    let mut parted = Vec::with_capacity(bytes.len());
    for head in bytes.chunks_exact(head * row_bytes) {
        for half in 0..2 {
            for pair in head.chunks_exact(2 * row_bytes) {
                parted.extend_from_slice(&pair[half * row_bytes..][..row_bytes]);
            }
        }
    }
    parted
}
