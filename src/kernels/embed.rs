//! Token ids and visual tokens to the decoder's input rows.

use burn::tensor::{Device, Int, Tensor};
use bytemuck::NoUninit;

use super::launch::{
    Fragment, Launch, Shader, cpu, cpu_words, elements, fragment, grid, is_gpu, upload,
    upload_words,
};
use super::product::Matrix;
use super::{GRID, WORKGROUP};

/// Where an input row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A token id: a row of the embedding table.
    Token(u32),
    /// A row of the visual tokens.
    Visual(u32),
}

/// Words from here on name visual rows.
const VISUAL: u32 = 1 << 31;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    rows: u32,
    width: u32,
    first: u32,
    block: u32,
}

pub(super) fn shader(weights: Fragment) -> Shader {
    Shader::new(&[GRID, weights, fragment!("embed")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("VISUAL", VISUAL as usize)
        .constant("WEIGHTS", 3)
}

/// `sources` as [`embed`] takes them, on the device, [sources]. A token's word is its id, so that what
/// [`sample`](super::sample()) chooses can be embedded as it is.
pub fn words(
    sources: &[Source],
    table: &Matrix,
    visual: Option<&Tensor<2>>,
    device: &Device,
) -> Tensor<1, Int> {
    let [vocabulary, _] = table.dims();
    let visual_rows = visual.map_or(0, |tensor| tensor.dims()[0]);
    let word = |source: &Source| match *source {
        Source::Token(id) => {
            let known = (id as usize) < vocabulary;
            assert!(known, "embed: id {id} in a vocabulary of {vocabulary}");
            id
        }
        Source::Visual(row) => {
            let known = (row as usize) < visual_rows;
            assert!(known, "embed: row {row} of {visual_rows} visual tokens");
            VISUAL + row
        }
    };
    upload_words(sources.iter().map(word).collect(), device)
}

/// Gathers rows from `table` [vocabulary, width] and `visual` [visual tokens, width], as many as there are `words`, each of
/// which names one that is there -> [words, width].
pub fn embed(words: &Tensor<1, Int>, table: &Matrix, visual: Option<&Tensor<2>>) -> Tensor<2> {
    let ([rows], [_, width], device) = (words.dims(), table.dims(), words.device());
    if is_gpu(&device) {
        let mut out: Option<Tensor<2>> = None;
        for block in table.blocks() {
            let params = Params {
                rows: rows as u32,
                width: width as u32,
                first: block.first as u32,
                block: block.cols as u32,
            };
            let launch = Launch::new(shader(table.fragment())).ints(words);
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
    let words = cpu_words(words);
    let words: &[u32] = elements(&words);
    let tokens = words.iter().filter(|&&word| word < VISUAL);
    let token_rows = table.dequantized_rows(tokens.map(|&id| id as usize));
    let mut token_rows = token_rows.chunks_exact(width);
    let visual = visual.map(cpu);
    let visual: &[f32] = visual.as_ref().map_or(&[], elements);
    let mut out = Vec::with_capacity(rows * width);
    for &word in words {
        out.extend_from_slice(match word.checked_sub(VISUAL) {
            Some(row) => &visual[row as usize * width..][..width],
            None => token_rows.next().expect("one row a token"),
        });
    }
    upload(out, [rows, width], &device)
}
