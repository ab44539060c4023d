//! Writing packs, a shard at a time.

use ::safetensors::Dtype;
use ::safetensors::tensor::TensorView;
use half::f16;

use super::Weight;
use super::import::TOKENIZER;
use super::pack::{FORMAT, File, MANIFEST, Manifest, SCALE, Shard, part};
use super::sink::Sink;
use crate::config::ModelConfig;
use crate::error::Result;
use crate::quant::{BLOCK, Precision};

/// Most data bytes of a shard on disk.
#[cfg(not(target_arch = "wasm32"))]
const SHARD: usize = 64 << 20;

/// Converts a Hugging Face checkpoint into a pack in the new or empty folder `out`, the encoder and projector at
/// precision `vision`, the decoder at `language`. `progress` gets bytes read and bytes in all after each tensor.
#[cfg(not(target_arch = "wasm32"))]
pub async fn write_pack(
    checkpoint: &super::Checkpoint,
    out: &std::path::Path,
    name: &str,
    vision: Precision,
    language: Precision,
    mut progress: impl FnMut(u64, u64),
) -> Result<()> {
    let failed = |reason: String| crate::error::Error::Io {
        path: out.display().to_string(),
        reason,
    };
    std::fs::create_dir_all(out).map_err(|e| failed(e.to_string()))?;
    let mut entries = std::fs::read_dir(out).map_err(|e| failed(e.to_string()))?;
    if entries.next().is_some() {
        return Err(failed("the folder is not empty".into()));
    }
    checkpoint.keep(Sink::Folder(out.to_owned()), SHARD)?;
    let before = checkpoint.bytes_read();
    for spec in checkpoint.config().tensors() {
        let precision = spec.precision(vision, language);
        checkpoint.weight(&spec.name, precision).await?;
        progress(checkpoint.bytes_read() - before, checkpoint.bytes());
    }
    checkpoint.finish(name).await
}

/// A tensor as it will be stored.
#[derive(Debug)]
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Fills one shard after the other.
#[derive(Debug)]
pub(super) struct Writer {
    out: Sink,
    /// Most data bytes of a shard.
    limit: usize,
    /// What the next shard will hold, in load order.
    stored: Vec<Stored>,
    /// Its bytes.
    size: usize,
    shards: Vec<Shard>,
}

impl Writer {
    pub(super) fn new(out: Sink, limit: usize) -> Self {
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
    pub(super) async fn add(
        &mut self,
        name: &str,
        weight: &Weight,
        precision: Precision,
    ) -> Result<()> {
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
                self.flush().await?;
            }
            self.size += size;
            self.stored.extend(pieces);
        }
        Ok(())
    }

    /// Writes the last shard, the tokenizer and, last of all, the manifest: a folder without one is no pack.
    pub(super) async fn finish(
        mut self,
        name: &str,
        config: &ModelConfig,
        tokenizer: &[u8],
    ) -> Result<()> {
        self.flush().await?;
        self.out.write(TOKENIZER, tokenizer).await?;
        let manifest = Manifest {
            format: FORMAT,
            name: name.into(),
            config: config.clone(),
            tokenizer: File::of(TOKENIZER, tokenizer),
            shards: self.shards,
        };
        let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        self.out.write(MANIFEST, &json).await
    }

    /// Writes what has been added as a shard.
    async fn flush(&mut self) -> Result<()> {
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
        let tensors = self.stored.drain(..).map(|stored| stored.name).collect();
        self.size = 0;
        let name = format!("weights-{:05}.safetensors", self.shards.len() + 1);
        self.out.write(&name, &bytes).await?;
        let file = File::of(&name, &bytes);
        self.shards.push(Shard { file, tensors });
        Ok(())
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::quant::{QuantKind, QuantizedMatrix};

    /// Tensors of each shard of a writer with 1 KiB shards that was given two matrices of 20 rows and a vector.
    fn listed(weight: &Weight, precision: Precision) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(Sink::Folder(folder.path().to_owned()), 1 << 10);
        let vector = Weight::Dense {
            shape: vec![8],
            data: vec![1.0; 8],
        };
        pollster::block_on(async {
            writer.add("a", weight, precision).await.unwrap();
            writer.add("b", &vector, Precision::F32).await.unwrap();
            writer.add("c", weight, precision).await.unwrap();
            writer.flush().await.unwrap();
        });
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
