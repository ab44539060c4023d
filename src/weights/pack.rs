//! The pack: a converted checkpoint, ready to be fetched by a page.
//!
//! A folder of `manifest.json`, `tokenizer.json` and safetensors shards of at most 64 MiB. The manifest holds the model's
//! name and config, and of every other file its size and SHA-256; each shard's entry lists its tensors in load order. A
//! canonical tensor X is stored as `X` (F32, or F16 for a matrix), or in blocks as `X.q8` or `X.q4` (U32 words) beside
//! `X.scale` (F16). A tensor too large for a shard is cut by rows into `X.part0`, `X.part1`, ..., each stored like a
//! tensor. A shard is read as a whole, verified, and kept only until the next one is needed. A file of more than
//! [`CHUNK`] bytes also has the SHA-256 of each of its chunks, so that a download knows which of them is wrong.
//!
//! Packing the same checkpoint twice gives the same bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::safetensors::{self, Dtype, Tensor, check_plain_name, elements};
use super::source::Source;
use super::{Weight, slice};
use crate::config::{ModelConfig, TensorSpec};
use crate::error::{Error, PackDefect, Result, TensorDefect};
use crate::quant::{BLOCK, Precision, QuantKind, QuantizedMatrix};

/// The file that makes a folder a pack.
pub(super) const MANIFEST: &str = "manifest.json";
/// Format number of this build.
pub(super) const FORMAT: u64 = 1;
/// Suffix of a block matrix's scales.
pub(super) const SCALE: &str = "scale";
/// Bytes of a file that are fetched, verified and kept as one.
pub(super) const CHUNK: usize = 4 << 20;

/// manifest.json.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u64,
    pub(super) name: String,
    pub(super) config: ModelConfig,
    pub(super) tokenizer: File,
    pub(super) shards: Vec<Shard>,
}

/// A file of the pack other than the manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) size: u64,
    /// 64 lower-case hex digits.
    pub(super) sha256: String,
    /// The same of each chunk; left out where the file is a single one, and in older packs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) chunks: Vec<String>,
}

/// A shard and what is in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shard {
    pub(super) file: File,
    pub(super) tensors: Vec<String>,
}

/// An opened pack: the manifest is checked, no shard has been read.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) manifest: Manifest,
    /// Canonical name to its pieces in row order.
    pieces: BTreeMap<String, Vec<Piece>>,
    held: Mutex<Option<Arc<Held>>>,
}

/// Rows of a tensor, complete in one shard.
#[derive(Debug)]
struct Piece {
    /// Stored name without `.q8`, `.q4`, `.scale`.
    stem: String,
    kind: Option<QuantKind>,
    shard: usize,
}

/// A verified shard in memory.
#[derive(Debug)]
struct Held {
    shard: usize,
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Tensor>,
}

impl Pack {
    /// Checks a manifest: format, config, file names, and that the shards hold every tensor in a form it can have.
    pub(super) fn open(manifest: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let Version { format } = safetensors::json(MANIFEST, manifest)?;
        if format != FORMAT {
            return Err(PackDefect::Format {
                found: format,
                supported: FORMAT,
            }
            .of(MANIFEST));
        }
        let manifest: Manifest = safetensors::json(MANIFEST, manifest)?;
        manifest.config.validate()?;
        manifest.tokenizer.check()?;

        let file = |shard: usize| &manifest.shards[shard].file.name;
        let mut stored = BTreeMap::new();
        for (i, shard) in manifest.shards.iter().enumerate() {
            shard.file.check()?;
            for tensor in &shard.tensors {
                if let Some(first) = stored.insert(tensor.as_str(), i) {
                    return Err(TensorDefect::Duplicate(file(first).clone()).of(file(i), tensor));
                }
            }
        }
        let mut pieces = BTreeMap::new();
        for spec in manifest.config.tensors() {
            let parts = |i| part(&spec.name, i);
            let found = match take(&mut stored, &spec, spec.name.clone()) {
                Some(whole) => vec![whole],
                None => (0..)
                    .map_while(|i| take(&mut stored, &spec, parts(i)))
                    .collect(),
            };
            let Some(first) = found.first() else {
                return Err(Error::MissingTensor { tensor: spec.name });
            };
            if let Some(odd) = found.iter().find(|piece| piece.kind != first.kind) {
                return Err(TensorDefect::Unexpected.of(file(odd.shard), &odd.stem));
            }
            pieces.insert(spec.name, found);
        }
        if let Some((tensor, &shard)) = stored.first_key_value() {
            return Err(TensorDefect::Unexpected.of(file(shard), tensor));
        }
        Ok(Self {
            manifest,
            pieces,
            held: Mutex::new(None),
        })
    }

    /// tokenizer.json, verified.
    pub(super) async fn tokenizer(&self, source: &Source) -> Result<Vec<u8>> {
        self.manifest.tokenizer.read(source).await
    }

    /// The block layout a tensor is stored in, or `None` where it is dense.
    pub(super) fn kind(&self, name: &str) -> Option<QuantKind> {
        self.pieces[name][0].kind
    }

    /// Hands on the rows of a tensor as they are stored, and says how many bytes had to be read for it.
    pub(super) async fn rows(
        &self,
        source: &Source,
        spec: &TensorSpec,
        take: &mut dyn FnMut(Weight),
    ) -> Result<u64> {
        let pieces = &self.pieces[&spec.name];
        // Who takes the first rows makes room for all: not for more than the shards could hold at half a byte an element.
        let shards = self.manifest.shards.iter();
        let stored: u64 = shards.map(|shard| shard.file.size).sum();
        let holds = spec.shape.iter().map(|&dim| dim as u64).product::<u64>() / 2 <= stored;
        let (mut rows, mut read) = (0, 0);
        for piece in pieces {
            let (held, bytes) = self.shard(source, piece.shard).await?;
            read += bytes;
            rows += held.hand_on(piece, spec, spec.shape[0] - rows, &mut |rows| {
                if holds {
                    take(rows);
                }
            })?;
        }
        match rows == spec.shape[0] {
            true => Ok(read),
            false => Err(Error::MissingTensor {
                tensor: part(&spec.name, pieces.len()),
            }),
        }
    }

    /// A shard: the one in memory, or else read and verified, in which case its size comes with it.
    async fn shard(&self, source: &Source, shard: usize) -> Result<(Arc<Held>, u64)> {
        let slot = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = slot().as_ref().filter(|held| held.shard == shard) {
            return Ok((held.clone(), 0));
        }
        *slot() = None;
        let Shard {
            file,
            tensors: listed,
        } = &self.manifest.shards[shard];
        let bytes = file.read(source).await?;
        let mut tensors = BTreeMap::new();
        safetensors::merge(&mut tensors, safetensors::parse_file(&file.name, &bytes)?)?;
        if let Some(tensor) = listed.iter().find(|name| !tensors.contains_key(*name)) {
            return Err(TensorDefect::NotInShard.of(&file.name, tensor));
        }
        let held = Arc::new(Held {
            shard,
            bytes,
            tensors,
        });
        *slot() = Some(held.clone());
        Ok((held, file.size))
    }
}

impl File {
    /// What the manifest says of a file of these bytes.
    pub(super) fn of(name: &str, bytes: &[u8]) -> Self {
        let chunks = match bytes.len() {
            0..=CHUNK => Vec::new(),
            _ => bytes.chunks(CHUNK).map(sha256).collect(),
        };
        Self {
            name: name.into(),
            size: bytes.len() as u64,
            sha256: sha256(bytes),
            chunks,
        }
    }

    /// Refuses a name outside the folder, digests that are none, and chunks that do not add up to the file.
    fn check(&self) -> Result<()> {
        check_plain_name(MANIFEST, &self.name)?;
        let digest = |text: &str| {
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut digests = self.chunks.iter().chain([&self.sha256]);
        if let Some(odd) = digests.find(|text| !digest(text)) {
            return Err(PackDefect::Digest(odd.clone()).of(&self.name));
        }
        let (expected, found) = (self.size.div_ceil(CHUNK as u64), self.chunks.len() as u64);
        match found == 0 || found == expected {
            true => Ok(()),
            false => Err(PackDefect::Chunks { expected, found }.of(&self.name)),
        }
    }

    /// The whole file, if it is the one the manifest was written for.
    async fn read(&self, source: &Source) -> Result<Vec<u8>> {
        let Some(bytes) = source.read_all(&self.name).await? else {
            return Err(Error::MissingFile {
                file: self.name.clone(),
            });
        };
        let (expected, found) = (self.size, bytes.len() as u64);
        if found != expected {
            return Err(PackDefect::Size { expected, found }.of(&self.name));
        }
        let (expected, found) = (self.sha256.clone(), sha256(&bytes));
        if found != expected {
            return Err(PackDefect::Hash { expected, found }.of(&self.name));
        }
        Ok(bytes)
    }
}

impl Held {
    /// Hands on a piece of at most `room` rows, some at a time, and says how many it had.
    fn hand_on(
        &self,
        piece: &Piece,
        spec: &TensorSpec,
        room: usize,
        take: &mut dyn FnMut(Weight),
    ) -> Result<usize> {
        let rows = |tensor: &Tensor| {
            let first = tensor.shape.first();
            first.map_or(0, |&n| n.min(room as u64) as usize)
        };
        let mut give = |weight: Weight, finite: bool| match finite {
            true => {
                take(weight);
                Ok(())
            }
            false => Err(Error::NotFinite {
                tensor: spec.name.clone(),
            }),
        };
        let step = slice(&spec.shape);
        let Some(kind) = piece.kind else {
            let tensor = &self.tensors[&piece.stem];
            let rows = rows(tensor);
            let shape = [&[rows], &spec.shape[1..]].concat();
            let bytes = self.read(&piece.stem, &[Dtype::F32, Dtype::F16], &shape)?;
            for bytes in bytes.chunks((bytes.len() / rows.max(1) * step).max(1)) {
                let mut weight = Weight::empty(spec, None);
                let finite = weight.push_stored(tensor.dtype, bytes, false);
                give(weight, finite)?;
            }
            return Ok(rows);
        };
        let cols = spec.shape[1];
        let (words, scale) = (
            format!("{}.{}", piece.stem, kind.suffix()),
            format!("{}.{SCALE}", piece.stem),
        );
        let rows = rows(&self.tensors[&words]);
        let (row_words, row_scales) = (cols / kind.elements_per_word(), cols / BLOCK);
        let words = self.read(&words, &[Dtype::U32], &[rows, row_words])?;
        let scales = self.read(&scale, &[Dtype::F16], &[rows, row_scales])?;
        let slices = scales.chunks(2 * row_scales * step);
        for (words, scales) in words.chunks(4 * row_words * step).zip(slices) {
            let matrix = QuantizedMatrix {
                kind,
                rows: scales.len() / (2 * row_scales),
                cols,
                words: elements(words).map(u32::from_le_bytes).collect(),
                scales: elements(scales).map(f16::from_le_bytes).collect(),
            };
            let finite = matrix.scales.iter().all(|scale| scale.is_finite());
            give(Weight::Quantized(matrix), finite)?;
        }
        Ok(rows)
    }

    /// The bytes of a tensor that has one of these dtypes and this shape.
    fn read(&self, name: &str, dtypes: &[Dtype], shape: &[usize]) -> Result<&[u8]> {
        let tensor = &self.tensors[name];
        if !dtypes.contains(&tensor.dtype) {
            let dtype = format!("{:?}", tensor.dtype).to_uppercase();
            return Err(TensorDefect::Dtype(dtype).of(&tensor.file, name));
        }
        tensor.check_shape(name, shape)?;
        Ok(&self.bytes[tensor.range.start as usize..tensor.range.end as usize])
    }
}

/// Takes the tensors of a whole tensor or of one part out of `stored`, if they are there in a form `spec` can have.
fn take(stored: &mut BTreeMap<&str, usize>, spec: &TensorSpec, stem: String) -> Option<Piece> {
    if let Some(shard) = stored.remove(stem.as_str()) {
        return Some(Piece {
            stem,
            kind: None,
            shard,
        });
    }
    let kinds = [Precision::Q8, Precision::Q4]
        .into_iter()
        .filter(|&precision| spec.storable(precision) == precision);
    for kind in kinds.filter_map(Precision::quant) {
        let (words, scale) = (
            format!("{stem}.{}", kind.suffix()),
            format!("{stem}.{SCALE}"),
        );
        if let (Some(&shard), Some(&other)) =
            (stored.get(words.as_str()), stored.get(scale.as_str()))
            && shard == other
        {
            stored.remove(words.as_str());
            stored.remove(scale.as_str());
            return Some(Piece {
                stem,
                kind: Some(kind),
                shard,
            });
        }
    }
    None
}

/// Name of the i-th part of a tensor that no shard can hold.
pub(super) fn part(name: &str, i: usize) -> String {
    format!("{name}.part{i}")
}

/// Lower-case hex digest.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_more_than_a_chunk_lists_each() {
        let mut bytes = vec![7; CHUNK];
        assert!(File::of("a", &bytes).chunks.is_empty());
        bytes.push(8);
        let file = File::of("a", &bytes);
        assert_eq!(file.chunks, [sha256(&bytes[..CHUNK]), sha256(&[8])]);
        assert_eq!(file.sha256, sha256(&bytes));
        assert!(file.check().is_ok());
    }
}
