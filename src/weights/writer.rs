//! Writing packs, a shard at a time.

use std::ops::Range;

use ::safetensors::Dtype;
use ::safetensors::tensor::TensorView;
use half::f16;

use super::Weight;
use super::import::TOKENIZER;
use super::pack::{FORMAT, File, MANIFEST, Manifest, SCALE, Shard, part};
use super::sink::Sink;
use crate::config::{ModelConfig, TensorSpec};
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
        checkpoint.rows(&spec.name, precision, &mut |_| ()).await?;
        progress(checkpoint.bytes_read() - before, checkpoint.bytes());
    }
    checkpoint.finish(name).await
}

/// A tensor as it will be stored, once all its bytes are there.
#[derive(Debug)]
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Bytes in all.
    size: usize,
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

    /// Adds rows of a tensor, those from `at` on; it is cut by rows where no shard could hold it. A tensor's rows come in
    /// order, and all of them before those of the next.
    pub(super) async fn add(
        &mut self,
        spec: &TensorSpec,
        at: usize,
        rows: &Weight,
        precision: Precision,
    ) -> Result<()> {
        let all = spec.shape[0];
        let columns: usize = spec.shape[1..].iter().product();
        let row_bytes = match rows {
            Weight::Dense { .. } => columns * size_of::<f32>(),
            Weight::Quantized(matrix) => columns / BLOCK * matrix.kind.bytes_per_block(),
        };
        let step = (self.limit / row_bytes).max(1);
        let end = at + rows.rows();
        let mut next = at;
        while next < end {
            let first = next / step * step;
            let count = step.min(all - first);
            if next == first {
                let stem = match all > step {
                    true => part(&spec.name, first / step),
                    false => spec.name.clone(),
                };
                let begun = begin(stem, rows, spec, precision, count);
                let size: usize = begun.iter().map(|stored| stored.size).sum();
                if self.size + size > self.limit {
                    self.flush().await?;
                }
                self.size += size;
                self.stored.extend(begun);
            }
            let until = end.min(first + count);
            extend(&mut self.stored, rows, next - at..until - at);
            next = until;
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
            let view =
                TensorView::new(s.dtype, s.shape.clone(), &s.bytes).expect("all rows have come");
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

/// `count` rows of a tensor, none of which is there yet.
fn begin(
    stem: String,
    rows: &Weight,
    spec: &TensorSpec,
    precision: Precision,
    count: usize,
) -> Vec<Stored> {
    let stored = |name, dtype: Dtype, row: &[usize]| {
        let shape = [&[count], row].concat();
        let size = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        Stored {
            name,
            dtype,
            shape,
            size,
            bytes: Vec::with_capacity(size),
        }
    };
    match rows {
        Weight::Dense { .. } if precision == Precision::F16 => {
            vec![stored(stem, Dtype::F16, &spec.shape[1..])]
        }
        Weight::Dense { .. } => vec![stored(stem, Dtype::F32, &spec.shape[1..])],
        Weight::Quantized(matrix) => {
            let words = matrix.cols / matrix.kind.elements_per_word();
            let name = format!("{stem}.{}", matrix.kind.suffix());
            vec![
                stored(name, Dtype::U32, &[words]),
                stored(
                    format!("{stem}.{SCALE}"),
                    Dtype::F16,
                    &[matrix.cols / BLOCK],
                ),
            ]
        }
    }
}

/// Adds the rows `range` of a weight to the tensors begun last.
fn extend(stored: &mut [Stored], rows: &Weight, range: Range<usize>) {
    match (stored, rows) {
        ([.., stored], Weight::Dense { shape, data }) => {
            let row: usize = shape[1..].iter().product();
            let values = &data[range.start * row..range.end * row];
            match stored.dtype {
                Dtype::F16 => {
                    let halves = values.iter().map(|&value| f16::from_f32(value));
                    stored.bytes.extend(halves.flat_map(f16::to_le_bytes));
                }
                _ => stored
                    .bytes
                    .extend(values.iter().flat_map(|value| value.to_le_bytes())),
            }
        }
        ([.., integers, scales], Weight::Quantized(matrix)) => {
            let of = |row: usize| range.start * row..range.end * row;
            let words = &matrix.words[of(matrix.cols / matrix.kind.elements_per_word())];
            let le_words = words.iter().flat_map(|word| word.to_le_bytes());
            integers.bytes.extend(le_words);
            let halves = &matrix.scales[of(matrix.cols / BLOCK)];
            let le_halves = halves.iter().flat_map(|scale| scale.to_le_bytes());
            scales.bytes.extend(le_halves);
        }
        _ => unreachable!("a tensor is begun before it has rows"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::config::{Part, Role};

    /// Tensors of each shard of a writer with 1 KiB shards that was given two matrices of 20 rows, some rows at a time, and a
    /// vector; and the first shard's bytes.
    fn written(precision: Precision, rows: usize) -> (Vec<Vec<String>>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(Sink::Folder(folder.path().to_owned()), 1 << 10);
        let spec = |name: &str, shape: &[usize]| TensorSpec {
            name: name.into(),
            shape: shape.into(),
            part: Part::Language,
            role: Role::Matrix,
        };
        let values: Vec<f32> = (0..640).map(|value| value as f32 / 64.0).collect();
        let vector = Weight::Dense {
            shape: vec![8],
            data: vec![1.0; 8],
        };
        let matrix = async |writer: &mut Writer, name| {
            let spec = spec(name, &[20, 32]);
            for at in (0..20).step_by(rows) {
                let count = rows.min(20 - at);
                let mut weight = Weight::empty(&spec, precision.quant());
                weight.push(&values[at * 32..(at + count) * 32], false);
                writer.add(&spec, at, &weight, precision).await.unwrap();
            }
        };
        pollster::block_on(async {
            matrix(&mut writer, "a").await;
            let spec = spec("b", &[8]);
            let added = writer.add(&spec, 0, &vector, Precision::F32);
            added.await.unwrap();
            matrix(&mut writer, "c").await;
            writer.flush().await.unwrap();
        });
        let shards = writer.shards.into_iter().map(|shard| shard.tensors);
        let first = std::fs::read(folder.path().join("weights-00001.safetensors")).unwrap();
        (shards.collect(), first)
    }

    #[test]
    fn tensors_above_the_shard_size_are_cut_by_rows() {
        let shards = [
            vec!["a.part0"],
            vec!["a.part1"],
            vec!["a.part2", "b"],
            vec!["c.part0"],
            vec!["c.part1"],
            vec!["c.part2"],
        ];
        assert_eq!(written(Precision::F32, 20).0, shards);
    }

    #[test]
    fn words_and_scales_of_a_piece_share_a_shard() {
        let shards = [vec!["a.q8", "a.scale", "b"], vec!["c.q8", "c.scale"]];
        assert_eq!(written(Precision::Q8, 20).0, shards);
    }

    #[test]
    fn it_does_not_matter_how_many_rows_come_at_a_time() {
        for precision in [Precision::F32, Precision::F16, Precision::Q8, Precision::Q4] {
            let whole = written(precision, 20);
            for rows in [1, 3, 11] {
                assert_eq!(written(precision, rows), whole, "{precision} by {rows}");
            }
        }
    }
}
