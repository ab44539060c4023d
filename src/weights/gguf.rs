//! GGUF files, read by range: the header first, then one tensor at a time.
//!
//! A file is, all little-endian: the magic `GGUF`, a u32 version (2 or 3), u64 counts of tensors and of metadata entries;
//! the entries, each a string key, a u32 type and a value; the tensors, each a string name, a u32 number of dimensions,
//! that many u64 sizes with the columns first, a u32 type and a u64 offset; padding to the alignment (`general.alignment`,
//! else 32); the data that the offsets count from, each tensor at a multiple of the alignment, none over another. A string
//! is a u64 length and UTF-8, an array a u32 type, a u64 length and the values. Arrays do not nest.
//!
//! A large model is split into `NAME-00001-of-00003.gguf` and so on. Each part is a whole file that says which it is
//! (`split.no`, from 0) and of how many (`split.count`); the first has the metadata, and how many tensors there are in all.
//!
//! Metadata becomes a JSON object, keys as they are, so that it is read like a config.json. JSON has no NaN and no
//! infinities: they become `null`, which counts as absent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::ggml::Blocks;
use super::safetensors::{Dtype, Tensor, merge};
use super::source::Source;
use crate::error::{Error, GgufDefect, Result, TensorDefect};

const MAGIC: &[u8; 4] = b"GGUF";
/// Read first; four times as much while the header goes on.
const FIRST: u64 = 1 << 20;
/// Largest accepted header: a vocabulary of 256k tokens with its merges takes about 12 MiB.
const HEADER_LIMIT: u64 = 64 << 20;
/// Most entries and most tensors.
const COUNT_LIMIT: u64 = 1 << 16;
/// Most elements of all arrays; vocabularies have up to a million, scores, types and merges counted.
const ELEMENT_LIMIT: u64 = 1 << 22;
const DIMENSION_LIMIT: u32 = 4;
const ALIGNMENT: u64 = 32;
const ALIGNMENT_LIMIT: u64 = 1 << 16;
const SPLIT_LIMIT: u64 = 1 << 10;

/// The metadata of a file, or of the first of a split file, and every tensor of all parts.
#[derive(Debug)]
pub(crate) struct Gguf {
    pub(crate) metadata: Map<String, Value>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

/// Reads the header of `file` and those of its other parts.
pub(crate) async fn open(source: &Source, file: &str) -> Result<Gguf> {
    let (metadata, found) = read_header(source, file).await?;
    let mut tensors = BTreeMap::new();
    merge(&mut tensors, found)?;
    let number = |metadata: &Map<String, Value>, key: &str| metadata.get(key)?.as_u64();
    let count = number(&metadata, "split.count").unwrap_or(1);
    if count > 1 {
        let stem = file.strip_suffix(&format!("-00001-of-{count:05}.gguf"));
        let Some(stem) = stem.filter(|_| count <= SPLIT_LIMIT) else {
            return Err(GgufDefect::SplitName { count }.of(file));
        };
        for part in 1..count {
            let name = format!("{stem}-{:05}-of-{count:05}.gguf", part + 1);
            let (metadata, found) = read_header(source, &name).await?;
            let (no, of) = (
                number(&metadata, "split.no"),
                number(&metadata, "split.count"),
            );
            if (no, of) != (Some(part), Some(count)) {
                return Err(GgufDefect::SplitPart { part, count }.of(&name));
            }
            merge(&mut tensors, found)?;
        }
    }
    let found = tensors.len() as u64;
    match number(&metadata, "split.tensors.count").filter(|&expected| expected != found) {
        Some(expected) => Err(GgufDefect::SplitTensors { expected, found }.of(file)),
        None => Ok(Gguf { metadata, tensors }),
    }
}

type Header = (Map<String, Value>, Vec<(String, Tensor)>);

async fn read_header(source: &Source, file: &str) -> Result<Header> {
    let mut length = FIRST;
    loop {
        let bytes = source.read(file, 0..length).await?;
        let whole = (bytes.len() as u64) < length;
        match parse(file, &bytes, source.size(file)) {
            Err(Error::Gguf {
                defect: GgufDefect::Truncated { needed, .. },
                ..
            }) if !whole => {
                if needed > HEADER_LIMIT || length >= HEADER_LIMIT {
                    let limit = HEADER_LIMIT;
                    return Err(GgufDefect::TooLarge { limit }.of(file));
                }
                length = (length * 4).max(needed).min(HEADER_LIMIT);
            }
            done => return done,
        }
    }
}

/// Checks a header completely. `size` is the file's, where known; otherwise a truncation shows when a tensor is read.
fn parse(file: &str, bytes: &[u8], size: Option<u64>) -> Result<Header> {
    let mut reader = Reader {
        bytes,
        at: 0,
        elements: 0,
    };
    let (metadata, infos) = header(&mut reader).map_err(|defect| defect.of(file))?;
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT,
        Some(value) => value
            .as_u64()
            .filter(|n| n.is_power_of_two() && *n <= ALIGNMENT_LIMIT)
            .ok_or_else(|| GgufDefect::Alignment(value.to_string()).of(file))?,
    };
    let data = (reader.at as u64).next_multiple_of(alignment);
    let mut tensors = Vec::with_capacity(infos.len());
    for info in infos {
        let name = info.name.clone();
        let tensor = info.check(file, data, alignment, size);
        tensors.push((
            name.clone(),
            tensor.map_err(|defect| defect.of(file, &name))?,
        ));
    }
    tensors.sort_by_key(|(_, t)| t.range.start);
    for pair in tensors.windows(2) {
        let [(before, first), (name, second)] = pair else {
            continue;
        };
        if second.range.start < first.range.end {
            return Err(TensorDefect::Overlap(before.clone()).of(file, name));
        }
    }
    Ok((metadata, tensors))
}

type Parsed<T> = std::result::Result<T, GgufDefect>;

fn header(reader: &mut Reader) -> Parsed<(Map<String, Value>, Vec<Info>)> {
    if reader.take(4)? != MAGIC {
        return Err(GgufDefect::Magic);
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(GgufDefect::Version(version));
    }
    let (tensors, entries) = (reader.u64()?, reader.u64()?);
    for count in [tensors, entries] {
        if count > COUNT_LIMIT {
            let limit = COUNT_LIMIT;
            return Err(GgufDefect::Count { count, limit });
        }
    }
    let mut metadata = Map::new();
    for _ in 0..entries {
        let key = reader.text()?;
        let kind = reader.u32()?;
        let value = reader.value(kind)?;
        if metadata.contains_key(&key) {
            return Err(GgufDefect::DuplicateKey(key));
        }
        metadata.insert(key, value);
    }
    let mut names = BTreeSet::new();
    let mut infos = Vec::new();
    for _ in 0..tensors {
        let info = reader.info()?;
        if !names.insert(info.name.clone()) {
            return Err(GgufDefect::DuplicateTensor(info.name));
        }
        infos.push(info);
    }
    Ok((metadata, infos))
}

/// A tensor as the header describes it.
struct Info {
    name: String,
    /// Columns first.
    sizes: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl Info {
    fn check(
        self,
        file: &str,
        data: u64,
        alignment: u64,
        size: Option<u64>,
    ) -> std::result::Result<Tensor, TensorDefect> {
        let dtype = match self.kind {
            0 => Dtype::F32,
            1 => Dtype::F16,
            30 => Dtype::Bf16,
            2 => Dtype::Ggml(Blocks::Q4_0),
            3 => Dtype::Ggml(Blocks::Q4_1),
            6 => Dtype::Ggml(Blocks::Q5_0),
            8 => Dtype::Ggml(Blocks::Q8_0),
            12 => Dtype::Ggml(Blocks::Q4K),
            13 => Dtype::Ggml(Blocks::Q5K),
            14 => Dtype::Ggml(Blocks::Q6K),
            other => return Err(TensorDefect::Dtype(format!("ggml type {other}"))),
        };
        let (elements, bytes) = dtype.unit();
        let columns = self.sizes[0];
        if !columns.is_multiple_of(elements as u64) {
            return Err(TensorDefect::Blocks { columns, elements });
        }
        if !self.offset.is_multiple_of(alignment) {
            let offset = self.offset;
            return Err(TensorDefect::Misaligned { offset, alignment });
        }
        let stored = self.sizes[1..]
            .iter()
            .try_fold(columns / elements as u64, |n, &size| n.checked_mul(size))
            .and_then(|blocks| blocks.checked_mul(bytes as u64));
        let start = data.saturating_add(self.offset);
        let end = stored.map_or(u64::MAX, |stored| start.saturating_add(stored));
        let size = size.unwrap_or(u64::MAX - 1);
        if end > size {
            return Err(TensorDefect::Truncated { end, size });
        }
        let mut shape = self.sizes;
        shape.reverse();
        Ok(Tensor {
            file: file.into(),
            dtype,
            shape,
            range: start..end,
        })
    }
}

/// The bytes of a header, from the front.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of all arrays so far.
    elements: u64,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Parsed<&'a [u8]> {
        let (at, found) = (self.at as u64, self.bytes.len() as u64);
        let needed = at.saturating_add(length);
        if needed > found {
            return Err(GgufDefect::Truncated { needed, found });
        }
        let taken = &self.bytes[self.at..needed as usize];
        self.at = needed as usize;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn u32(&mut self) -> Parsed<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Parsed<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Parsed<String> {
        let length = self.u64()?;
        let at = self.at;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| GgufDefect::Utf8 { at })
    }

    fn value(&mut self, kind: u32) -> Parsed<Value> {
        const ARRAY: u32 = 9;
        if kind != ARRAY {
            return self.scalar(kind);
        }
        let (kind, length) = (self.u32()?, self.u64()?);
        if kind == ARRAY {
            return Err(GgufDefect::NestedArray);
        }
        self.elements = self.elements.saturating_add(length);
        if self.elements > ELEMENT_LIMIT {
            let (count, limit) = (self.elements, ELEMENT_LIMIT);
            return Err(GgufDefect::Count { count, limit });
        }
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.scalar(kind)?);
        }
        Ok(Value::Array(values))
    }

    fn scalar(&mut self, kind: u32) -> Parsed<Value> {
        Ok(match kind {
            0 => self.array::<1>()?[0].into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => self.u32()?.into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            6 => f32::from_le_bytes(self.array()?).into(),
            7 => match self.array()? {
                [byte @ 0..=1] => (byte == 1).into(),
                [byte] => return Err(GgufDefect::Bool(byte)),
            },
            8 => self.text()?.into(),
            10 => self.u64()?.into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            12 => f64::from_le_bytes(self.array()?).into(),
            other => return Err(GgufDefect::ValueType(other)),
        })
    }

    fn info(&mut self) -> Parsed<Info> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if !(1..=DIMENSION_LIMIT).contains(&dimensions) {
            return Err(GgufDefect::Dimensions {
                tensor: name,
                dimensions,
            });
        }
        let sizes = (0..dimensions).map(|_| self.u64()).collect::<Parsed<_>>()?;
        Ok(Info {
            name,
            sizes,
            kind: self.u32()?,
            offset: self.u64()?,
        })
    }
}
