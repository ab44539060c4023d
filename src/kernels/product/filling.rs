//! Bringing a weight matrix to a device some rows at a time, so that it is never whole in memory beside the device.

use burn::tensor::{DType, Device, Tensor};
use half::f16;

use super::matrix::{Block, Matrix, Values};
use crate::kernels::launch::{fill, fill_words, upload};
use crate::quant::{BLOCK, QuantKind, QuantizedMatrix};

/// A matrix whose rows arrive in order, any number at a time. It is cut into blocks of rows where a buffer cannot hold it.
pub struct Filling {
    kind: Option<QuantKind>,
    cols: usize,
    depth: usize,
    device: Device,
    blocks: Vec<Block>,
    /// Where the rows to come go, the next ones last.
    runs: Vec<Run>,
    /// A scale that shares its word with one to come.
    odd: Option<f16>,
}

/// Rows that come, and lie, one after the other.
struct Run {
    block: usize,
    /// The first of the product's columns that are made of the block.
    first: usize,
    /// Rows of the block.
    cols: usize,
    /// The next row, within the block.
    at: usize,
    /// How many there are to come.
    rows: usize,
}

impl Filling {
    /// A matrix [cols, depth] in blocks of `kind`, or dense, in buffers of at most `limit` bytes. `halves` is 2 where a
    /// row of the first half and its counterpart in the second make one output (gate | up), and so must share a block;
    /// else 1.
    pub fn new(
        kind: Option<QuantKind>,
        [cols, depth]: [usize; 2],
        halves: usize,
        device: &Device,
        limit: u64,
    ) -> Self {
        let row_bytes = 4 * depth / kind.map_or(1, QuantKind::elements_per_word);
        let most = usize::try_from(limit / row_bytes as u64).unwrap_or(usize::MAX);
        let run = |block, first, cols, at, rows| Run {
            block,
            first,
            cols,
            at,
            rows,
        };
        let mut runs = Vec::new();
        if cols <= most {
            runs.push(run(0, 0, cols, 0, cols));
        } else {
            // Even, since two scales share a word.
            let (width, step) = (cols / halves, (most / halves / 2 * 2).max(2));
            assert!(
                halves == 1 || width.is_multiple_of(2),
                "halves of {width} rows cannot be cut by two"
            );
            for half in 0..halves {
                for (block, first) in (0..width).step_by(step).enumerate() {
                    let rows = step.min(width - first);
                    runs.push(run(block, first, halves * rows, half * rows, rows));
                }
            }
        }
        runs.reverse();
        Self {
            kind,
            cols,
            depth,
            device: device.clone(),
            blocks: Vec::new(),
            runs,
            odd: None,
        }
    }

    /// Takes the next rows of a dense matrix.
    pub fn push_dense(&mut self, rows: &[f32]) {
        let depth = self.depth;
        self.push(rows.len() / depth, |values, at, part, _| match values {
            Values::Dense { values, .. } => {
                fill(
                    values,
                    at * depth,
                    &rows[part.start * depth..part.end * depth],
                );
            }
            Values::Packed { .. } => panic!("dense rows for a packed matrix"),
        });
    }

    /// Takes the next rows of a packed matrix.
    pub fn push_packed(&mut self, rows: &QuantizedMatrix) {
        let blocks = self.depth / BLOCK;
        let row_words = self.depth / rows.kind.elements_per_word();
        let mut odd = self.odd.take();
        self.push(rows.rows, |values, at, part, last| match values {
            Values::Packed {
                kind,
                words,
                scales,
            } => {
                assert_eq!(*kind, rows.kind, "rows of another kind");
                let of_part = &rows.words[part.start * row_words..part.end * row_words];
                fill_words(words, at * row_words, of_part);
                let first = at * blocks - usize::from(odd.is_some());
                let of_part = &rows.scales[part.start * blocks..part.end * blocks];
                let mut halves: Vec<f16> = odd
                    .take()
                    .into_iter()
                    .chain(of_part.iter().copied())
                    .collect();
                if halves.len() % 2 == 1 {
                    match last {
                        true => halves.push(f16::ZERO),
                        false => odd = halves.pop(),
                    }
                }
                let pair = |two: &[f16; 2]| {
                    u32::from(two[0].to_bits()) | u32::from(two[1].to_bits()) << 16
                };
                let pairs: Vec<u32> = halves.as_chunks().0.iter().map(pair).collect();
                fill_words(scales, first / 2, &pairs);
            }
            Values::Dense { .. } => panic!("packed rows for a dense matrix"),
        });
        self.odd = odd;
    }

    /// The matrix, once all its rows are there.
    pub fn finish(self) -> Matrix {
        assert!(self.runs.is_empty(), "rows are missing");
        Matrix::new([self.cols, self.depth], self.blocks)
    }

    /// Hands `count` rows to `put` run by run: the buffers, the first row there, which of the rows these are, and whether
    /// they end the run.
    fn push(
        &mut self,
        count: usize,
        mut put: impl FnMut(&mut Values, usize, std::ops::Range<usize>, bool),
    ) {
        let mut taken = 0;
        while taken < count {
            let run = self
                .runs
                .last_mut()
                .expect("no more rows than the matrix has");
            if run.block == self.blocks.len() {
                let (first, cols) = (run.first, run.cols);
                let values = values(self.kind, [cols, self.depth], &self.device);
                self.blocks.push(Block {
                    first,
                    cols,
                    values,
                });
            }
            let rows = run.rows.min(count - taken);
            let last = rows == run.rows;
            put(
                &mut self.blocks[run.block].values,
                run.at,
                taken..taken + rows,
                last,
            );
            (run.at, run.rows) = (run.at + rows, run.rows - rows);
            if last {
                self.runs.pop();
            }
            taken += rows;
        }
    }
}

/// Buffers without content.
fn values(kind: Option<QuantKind>, [cols, depth]: [usize; 2], device: &Device) -> Values {
    let words = |len: usize| Tensor::empty([len], (device, DType::U32));
    match kind {
        None => Values::Dense {
            values: Tensor::empty([cols, depth], device),
            one: upload(vec![1.0], [1], device),
        },
        Some(kind) => Values::Packed {
            kind,
            words: words(cols * depth / kind.elements_per_word()),
            scales: words((cols * depth / BLOCK).div_ceil(2)),
        },
    }
}
