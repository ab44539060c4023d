//! Safetensors files, read by range: the header first, then one tensor at a time.
//!
//! A file is a little-endian u64 n, n bytes of JSON, and the data. The JSON maps each tensor's name to its dtype, shape
//! and byte range in the data; `__metadata__` maps strings to strings. Ranges cover the data without gap or overlap.
//! A checkpoint is one `model.safetensors`, or shards named by `model.safetensors.index.json`.
//!
//! The `safetensors` crate writes our packs; it cannot read here, since it wants offsets in usize (32 bits in wasm, where
//! it refuses tensors above 512 MiB) and reports no tensor names for most defects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use half::{bf16, f16};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::ggml::Blocks;
use super::source::Source;
use crate::error::{Error, HeaderDefect, Result, TensorDefect};

/// Largest accepted header; the crate's own limit is 100 MB, real headers stay below 1 MiB.
const HEADER_LIMIT: u64 = 16 << 20;
const LENGTH_BYTES: u64 = 8;
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const METADATA: &str = "__metadata__";

/// Element types that occur: the three float types of checkpoints, the words of our packs, and the blocks of GGUF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
    U32,
    Ggml(Blocks),
}

impl Dtype {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            "U32" => Some(Self::U32),
            _ => None,
        }
    }

    /// (elements, bytes) of the smallest stored unit.
    pub(crate) const fn unit(self) -> (usize, usize) {
        match self {
            Self::F32 | Self::U32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Ggml(blocks) => blocks.size(),
        }
    }

    /// Appends the values that `bytes` hold to `values`.
    pub(crate) fn widen(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => values.extend(elements(bytes).map(f32::from_le_bytes)),
            Self::F16 => values.extend(elements(bytes).map(|b| f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => values.extend(elements(bytes).map(|b| bf16::from_le_bytes(b).to_f32())),
            Self::Ggml(blocks) => blocks.widen(bytes, values),
            Self::U32 => unreachable!("packed words are not values"),
        }
    }
}

/// `bytes` as arrays of N.
pub(crate) fn elements<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// A tensor and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    /// Shard.
    pub(crate) file: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    /// Bytes in the file, header included.
    pub(crate) range: Range<u64>,
}

impl Tensor {
    /// Refuses a shape other than `expected`.
    pub(crate) fn check_shape(&self, name: &str, expected: &[usize]) -> Result<()> {
        if self
            .shape
            .iter()
            .copied()
            .eq(expected.iter().map(|&n| n as u64))
        {
            return Ok(());
        }
        let (expected, found) = (expected.to_vec(), self.shape.clone());
        Err(TensorDefect::Shape { expected, found }.of(&self.file, name))
    }
}

/// Every tensor of a checkpoint folder, from one file or from all its shards.
pub(crate) async fn open(source: &Source) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    match read_header(source, SINGLE).await {
        Err(Error::MissingFile { .. }) => {}
        found => {
            merge(&mut tensors, found?)?;
            return Ok(tensors);
        }
    }
    let Some(index) = source.read_all(INDEX).await? else {
        return Err(Error::MissingFile {
            file: SINGLE.into(),
        });
    };
    let Index {
        weight_map: Pairs(placed),
    } = json(INDEX, &index)?;
    let shards: BTreeSet<&String> = placed.iter().map(|(_, shard)| shard).collect();
    for shard in shards {
        check_plain_name(INDEX, shard)?;
        merge(&mut tensors, read_header(source, shard).await?)?;
    }
    let mut seen = BTreeMap::new();
    for (tensor, file) in &placed {
        if tensors.get(tensor).is_none_or(|t| t.file != *file) {
            return Err(TensorDefect::NotInShard.of(file, tensor));
        }
        if let Some(first) = seen.insert(tensor, file) {
            return Err(TensorDefect::Duplicate(first.clone()).of(INDEX, tensor));
        }
    }
    Ok(tensors)
}

/// A file name that stays inside its folder, in URLs as on disk.
pub(crate) fn check_plain_name(file: &str, name: &str) -> Result<()> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if !name.is_empty() && name.bytes().all(plain) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::ShardName {
        file: file.into(),
        name: name.into(),
    })
}

/// Parses a JSON file.
pub(crate) fn json<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::Json {
        file: file.into(),
        reason: e.to_string(),
    })
}

/// Adds a file's tensors to those of other files.
pub(crate) fn merge(
    all: &mut BTreeMap<String, Tensor>,
    found: Vec<(String, Tensor)>,
) -> Result<()> {
    for (name, tensor) in found {
        if let Some(earlier) = all.get(&name) {
            return Err(TensorDefect::Duplicate(earlier.file.clone()).of(&tensor.file, &name));
        }
        all.insert(name, tensor);
    }
    Ok(())
}

async fn read_header(source: &Source, file: &str) -> Result<Vec<(String, Tensor)>> {
    let length = header_len(file, &source.read(file, 0..LENGTH_BYTES).await?)?;
    let header = source
        .read(file, LENGTH_BYTES..LENGTH_BYTES + length)
        .await?;
    parse(file, length, &header, source.size(file))
}

/// The tensors of a file that is in memory as a whole.
pub(crate) fn parse_file(file: &str, bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let start = bytes.len().min(LENGTH_BYTES as usize);
    let length = header_len(file, &bytes[..start])?;
    let end = bytes.len().min(start + length as usize);
    parse(file, length, &bytes[start..end], Some(bytes.len() as u64))
}

fn header_len(file: &str, bytes: &[u8]) -> Result<u64> {
    let Ok(length) = <[u8; LENGTH_BYTES as usize]>::try_from(bytes) else {
        let found = bytes.len() as u64;
        return Err(HeaderDefect::Truncated {
            needed: LENGTH_BYTES,
            found,
        }
        .of(file));
    };
    match u64::from_le_bytes(length) {
        bytes if bytes > HEADER_LIMIT => Err(HeaderDefect::TooLarge {
            bytes,
            limit: HEADER_LIMIT,
        }
        .of(file)),
        length => Ok(length),
    }
}

/// Checks a header completely. `size` is the file's, where known; otherwise a truncation shows when a tensor is read.
fn parse(
    file: &str,
    length: u64,
    header: &[u8],
    size: Option<u64>,
) -> Result<Vec<(String, Tensor)>> {
    let data = LENGTH_BYTES + length;
    if (header.len() as u64) < length {
        let found = LENGTH_BYTES + header.len() as u64;
        return Err(HeaderDefect::Truncated {
            needed: data,
            found,
        }
        .of(file));
    }
    let malformed = |reason: String| HeaderDefect::Json(reason).of(file);
    let Pairs(entries) =
        serde_json::from_slice::<Pairs<Value>>(header).map_err(|e| malformed(e.to_string()))?;
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let in_entry = |e: serde_json::Error| malformed(format!("{name}: {e}"));
        if name == METADATA {
            serde_json::from_value::<BTreeMap<String, String>>(entry).map_err(in_entry)?;
            continue;
        }
        let entry: RawTensor = serde_json::from_value(entry).map_err(in_entry)?;
        let tensor = entry
            .check(file, data, size)
            .map_err(|defect| defect.of(file, &name))?;
        tensors.push((name, tensor));
    }
    check_cover(file, data, &mut tensors, size)?;
    Ok(tensors)
}

/// The tensors, sorted by position, must cover the data exactly.
fn check_cover(
    file: &str,
    data: u64,
    tensors: &mut [(String, Tensor)],
    size: Option<u64>,
) -> Result<()> {
    tensors.sort_by_key(|(_, t)| (t.range.start, t.range.end));
    let gap = |start, end| {
        Err(HeaderDefect::Gap {
            start: start - data,
            end: end - data,
        }
        .of(file))
    };
    let (mut covered, mut before) = (data, "");
    for (name, Tensor { range, .. }) in tensors.iter() {
        if range.start < covered {
            return Err(TensorDefect::Overlap(before.into()).of(file, name));
        }
        if range.start > covered {
            return gap(covered, range.start);
        }
        (covered, before) = (range.end, name);
    }
    match size {
        Some(size) if size > covered => gap(covered, size),
        _ => Ok(()),
    }
}

impl RawTensor {
    /// The tensor in a file whose data begin at `data`.
    fn check(
        self,
        file: &str,
        data: u64,
        size: Option<u64>,
    ) -> std::result::Result<Tensor, TensorDefect> {
        let [start, end] = self.data_offsets;
        let Some(dtype) = Dtype::parse(&self.dtype) else {
            return Err(TensorDefect::Dtype(self.dtype));
        };
        let Some(found) = end.checked_sub(start) else {
            return Err(TensorDefect::Offsets);
        };
        let expected = self
            .shape
            .iter()
            .try_fold(dtype.unit().1 as u64, |bytes, &n| bytes.checked_mul(n));
        if expected != Some(found) {
            return Err(TensorDefect::Bytes {
                expected: expected.unwrap_or(u64::MAX),
                found,
            });
        }
        let end = end.saturating_add(data);
        let size = size.unwrap_or(u64::MAX - 1);
        if end > size {
            return Err(TensorDefect::Truncated { end, size });
        }
        Ok(Tensor {
            file: file.into(),
            dtype,
            shape: self.shape,
            range: start + data..end,
        })
    }
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: Pairs<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// A JSON object with all its pairs, repeated keys included, which a map would hide.
struct Pairs<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct PairsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}
