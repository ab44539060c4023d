//! Writing packs.

use std::fs;
use std::path::Path;

use ::safetensors::Dtype;
use ::safetensors::tensor::TensorView;
use half::f16;

use super::import::TOKENIZER;
use super::pack::{FORMAT, File, MANIFEST, Manifest, SCALE, Shard, part, sha256};
use super::{Checkpoint, Weight};
use crate::error::{Error, Result};
use crate::quant::{BLOCK, Precision};

/// Most data bytes of a shard.
const SHARD: usize = 64 << 20;

/// Converts a Hugging Face checkpoint into a pack in the new or empty folder `out`, the encoder and projector at
/// precision `vision`, the decoder at `language`. `progress` gets bytes read and bytes in all after each tensor.
pub async fn write_pack(
    checkpoint: &Checkpoint,
    out: &Path,
    name: &str,
    vision: Precision,
    language: Precision,
    mut progress: impl FnMut(u64, u64),
) -> Result<()> {
    if let Some(name) = checkpoint.name() {
        return Err(Error::AlreadyPacked { name: name.into() });
    }
    fs::create_dir_all(out).map_err(|e| failed(out, &e))?;
    if fs::read_dir(out)
        .map_err(|e| failed(out, &e))?
        .next()
        .is_some()
    {
        return Err(Error::Io {
            path: out.display().to_string(),
            reason: "the folder is not empty".into(),
        });
    }
    let mut writer = Writer::new(out, SHARD);
    let before = checkpoint.bytes_read();
    for spec in checkpoint.config().tensors() {
        let precision = spec.precision(vision, language);
        let weight = checkpoint.weight(&spec.name, precision).await?;
        writer.add(&spec.name, &weight, precision)?;
        progress(checkpoint.bytes_read() - before, checkpoint.bytes());
    }
    writer.flush()?;
    let tokenizer = writer.write(TOKENIZER, &checkpoint.tokenizer().await?)?;
    let config = checkpoint.config().clone();
    let manifest = Manifest {
        format: FORMAT,
        name: name.into(),
        config,
        tokenizer,
        shards: writer.shards,
    };
    let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    let path = out.join(MANIFEST);
    fs::write(&path, json).map_err(|e| failed(&path, &e))
}

/// A tensor as it will be stored.
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Fills one shard after the other.
struct Writer<'a> {
    out: &'a Path,
    /// Most data bytes of a shard.
    limit: usize,
    /// What the next shard will hold, in load order.
    stored: Vec<Stored>,
    /// Its bytes.
    size: usize,
    shards: Vec<Shard>,
}

impl<'a> Writer<'a> {
    fn new(out: &'a Path, limit: usize) -> Self {
        let (stored, shards) = (Vec::new(), Vec::new());
        Self {
            out,
            limit,
            stored,
            size: 0,
            shards,
        }
    }

    /// Adds a weight, cut by rows where no shard could hold it.
    fn add(&mut self, name: &str, weight: &Weight, precision: Precision) -> Result<()> {
        let (rows, row_bytes) = match weight {
            Weight::Dense { shape, data } => (shape[0], size_of_val(data.as_slice()) / shape[0]),
            Weight::Quantized(matrix) => (matrix.rows, matrix.bytes() / matrix.rows),
        };
        let step = (self.limit / row_bytes).max(1);
        for (i, start) in (0..rows).step_by(step).enumerate() {
            let end = (start + step).min(rows);
            let stem = if rows > step {
                part(name, i)
            } else {
                name.to_owned()
            };
            let pieces = cut(stem, weight, precision, start, end);
            let size: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            if self.size + size > self.limit {
                self.flush()?;
            }
            self.size += size;
            self.stored.extend(pieces);
        }
        Ok(())
    }

    /// Writes what has been added as a shard.
    fn flush(&mut self) -> Result<()> {
        if self.stored.is_empty() {
            return Ok(());
        }
        let views = self.stored.iter().map(|s| {
            let view = TensorView::new(s.dtype, s.shape.clone(), &s.bytes)
                .expect("cut fills shapes exactly");
            (s.name.as_str(), view)
        });
        let bytes =
            ::safetensors::serialize(views, None).expect("distinct names and whole tensors");
        let file = self.write(
            &format!("weights-{:05}.safetensors", self.shards.len() + 1),
            &bytes,
        )?;
        let tensors = self.stored.drain(..).map(|stored| stored.name).collect();
        self.shards.push(Shard { file, tensors });
        self.size = 0;
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<File> {
        let path = self.out.join(name);
        fs::write(&path, bytes).map_err(|e| failed(&path, &e))?;
        Ok(File {
            name: name.into(),
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        })
    }
}

/// The rows `start..end` of a weight, as tensors.
fn cut(
    stem: String,
    weight: &Weight,
    precision: Precision,
    start: usize,
    end: usize,
) -> Vec<Stored> {
    match weight {
        Weight::Dense { shape, data } => {
            let row: usize = shape[1..].iter().product();
            let values = &data[start * row..end * row];
            let shape = [&[end - start], &shape[1..]].concat();
            let (dtype, bytes) = match precision {
                Precision::F16 => (
                    Dtype::F16,
                    values
                        .iter()
                        .flat_map(|&value| f16::from_f32(value).to_le_bytes())
                        .collect(),
                ),
                _ => (
                    Dtype::F32,
                    values
                        .iter()
                        .flat_map(|value| value.to_le_bytes())
                        .collect(),
                ),
            };
            vec![Stored {
                name: stem,
                dtype,
                shape,
                bytes,
            }]
        }
        Weight::Quantized(matrix) => {
            let (words, scales) = (
                matrix.cols / matrix.kind.elements_per_word(),
                matrix.cols / BLOCK,
            );
            let le_words = matrix.words[start * words..end * words]
                .iter()
                .flat_map(|word| word.to_le_bytes());
            let le_scales = matrix.scales[start * scales..end * scales]
                .iter()
                .flat_map(|scale| scale.to_le_bytes());
            let name = format!("{stem}.{}", matrix.kind.suffix());
            vec![
                Stored {
                    name,
                    dtype: Dtype::U32,
                    shape: vec![end - start, words],
                    bytes: le_words.collect(),
                },
                Stored {
                    name: format!("{stem}.{SCALE}"),
                    dtype: Dtype::F16,
                    shape: vec![end - start, scales],
                    bytes: le_scales.collect(),
                },
            ]
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Io {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::quant::{QuantKind, QuantizedMatrix};

    /// Tensors of each shard of a writer with 1 KiB shards that was given two matrices of 20 rows and a vector.
    fn listed(weight: &Weight, precision: Precision) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path(), 1 << 10);
        let vector = Weight::Dense {
            shape: vec![8],
            data: vec![1.0; 8],
        };
        writer.add("a", weight, precision).unwrap();
        writer.add("b", &vector, Precision::F32).unwrap();
        writer.add("c", weight, precision).unwrap();
        writer.flush().unwrap();
        writer
            .shards
            .into_iter()
            .map(|shard| shard.tensors)
            .collect()
    }

    #[test]
    fn tensors_above_the_shard_size_are_cut_by_rows() {
        let dense = Weight::Dense {
            shape: vec![20, 32],
            data: vec![0.5; 640],
        };
        let shards = [
            vec!["a.part0"],
            vec!["a.part1"],
            vec!["a.part2", "b"],
            vec!["c.part0"],
            vec!["c.part1"],
            vec!["c.part2"],
        ];
        assert_eq!(listed(&dense, Precision::F32), shards);
    }

    #[test]
    fn words_and_scales_of_a_piece_share_a_shard() {
        let matrix = QuantizedMatrix::quantize(QuantKind::Q8, 20, 32, &[0.5; 640]);
        let shards = [vec!["a.q8", "a.scale", "b"], vec!["c.q8", "c.scale"]];
        assert_eq!(listed(&Weight::Quantized(matrix), Precision::Q8), shards);
    }
}
