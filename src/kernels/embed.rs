//! Token ids and visual tokens to the decoder's input rows.

use burn::tensor::{Device, Tensor};
use bytemuck::NoUninit;

use super::launch::{
    Fragment, Launch, Shader, cpu, elements, fragment, grid, is_gpu, upload, upload_words,
};
use super::product::{Block, Matrix};
use super::{GRID, WORKGROUP};

/// Where an input row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A token id: a row of the embedding table.
    Token(u32),
    /// A row of the visual tokens.
    Visual(u32),
}

/// Source words from here on name visual rows.
const VISUAL: u32 = 1 << 31;
/// The source word of a row that another block of the table has.
const NONE: u32 = u32::MAX;

impl Source {
    /// Where the shader finds the row, if it is to come from this block of the table; visual rows come with the first.
    fn word(self, block: &Block) -> u32 {
        match self {
            Self::Token(id) if block.holds(id as usize) => id - block.first as u32,
            Self::Visual(row) if block.first == 0 => VISUAL + row,
            _ => NONE,
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    width: u32,
}

pub(super) fn shader(weights: Fragment) -> Shader {
    Shader::new(&[GRID, weights, fragment!("embed")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("VISUAL", VISUAL as usize)
        .constant("NONE", NONE as usize)
        .constant("WEIGHTS", 3)
}

/// Gathers `sources` from `table` [vocabulary, width] and `visual` [visual tokens, width] -> [sources, width].
pub fn embed(
    sources: &[Source],
    table: &Matrix,
    visual: Option<&Tensor<2>>,
    device: &Device,
) -> Tensor<2> {
    let [vocabulary, width] = table.dims();
    let visual_rows = visual.map_or(0, |tensor| tensor.dims()[0]);
    for source in sources {
        match *source {
            Source::Token(id) => assert!(
                (id as usize) < vocabulary,
                "embed: id {id} in a vocabulary of {vocabulary}"
            ),
            Source::Visual(row) => assert!(
                (row as usize) < visual_rows,
                "embed: row {row} of {visual_rows} visual tokens"
            ),
        }
    }
    let rows = sources.len();
    if is_gpu(device) {
        let params = Params {
            rows: rows as u32,
            width: width as u32,
        };
        let mut out: Option<Tensor<2>> = None;
        for block in table.blocks() {
            let words = sources.iter().map(|source| source.word(block)).collect();
            let launch = Launch::new(shader(table.fragment())).ints(&upload_words(words, device));
            let launch = match visual {
                Some(visual) => launch.tensor(visual),
                None => launch.output([1, 4]),
            };
            let launch = match &out {
                Some(out) => launch.tensor(out),
                None => launch.output([rows, width]),
            };
            let workgroups = grid((rows * width.div_ceil(16)).div_ceil(WORKGROUP));
            out = Some(block.bind(launch).run_into(&params, workgroups, 2));
        }
        return out.expect("a table has rows");
    }
    let tokens = sources.iter().filter_map(|source| match source {
        Source::Token(id) => Some(*id as usize),
        Source::Visual(_) => None,
    });
    let token_rows = table.dequantized_rows(tokens);
    let mut token_rows = token_rows.chunks_exact(width);
    let visual = visual.map(cpu);
    let mut out = Vec::with_capacity(rows * width);
    for source in sources {
        match (source, &visual) {
            (Source::Visual(row), Some(visual)) => {
                out.extend_from_slice(&elements::<f32>(visual)[*row as usize * width..][..width]);
            }
            _ => out.extend_from_slice(token_rows.next().expect("one row a token")),
        }
    }
    upload(out, [rows, width], device)
}
