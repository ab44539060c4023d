//! The matrix product with dense or block-quantized weights, a norm before and an epilogue after: where nearly all the
//! arithmetic is. Four kernels make it on a GPU; [`product`] chooses one.

mod epilogue;
mod factors;
mod filling;
mod matrix;
mod prologue;

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Tensor;
use bytemuck::NoUninit;

pub use super::cpu::processor::{Integers, in_bytes, multiply_in};
pub use epilogue::Epilogue;
pub use factors::{Factors, Trial, fastest, multiply_on_gpu_in};
pub use filling::Filling;
pub(super) use matrix::Block;
pub use matrix::Matrix;
pub(super) use matrix::WEIGHTS;
pub use prologue::Prologue;

use self::matrix::Values;
use super::cpu::float;
use super::cpu::stored::{self, Stored};
use super::launch::{Fragment, Launch, Shader, cpu, cpu_words, elements, fragment, on_gpu, upload};
use super::{GRID, matmul_registers, matvec};

/// Invocations a workgroup, in every kernel of the family.
pub(super) const WORKGROUP: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
pub(super) struct Params {
    rows: u32,
    cols: u32,
    depth: u32,
    eps: f32,
    start: u32,
    width: u32,
}

/// Whether products avoid barriers: set where the adapter is software, which pays for one what a GPU pays for hundreds of
/// multiplications.
static WITHOUT_BARRIERS: AtomicBool = AtomicBool::new(false);

/// Chooses the kernels of products on the GPU from now on: those in registers alone, or those with workgroup memory.
pub fn avoid_barriers(yes: bool) {
    WITHOUT_BARRIERS.store(yes, Ordering::Relaxed);
}

/// `epilogue(prologue(x) . weights^T)`: `x` [rows, depth], `weights` [cols, depth] -> [rows, cols], or [rows, cols / 2] with
/// [`Epilogue::SwiGlu`].
pub fn product(
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
) -> Tensor<2> {
    if on_gpu(x) {
        return match (x.dims()[0], prologue) {
            _ if WITHOUT_BARRIERS.load(Ordering::Relaxed) => {
                matmul_registers(x, prologue, weights, epilogue)
            }
            (1, Prologue::None | Prologue::RmsNorm { .. }) => {
                matvec(x, prologue, weights, epilogue)
            }
            _ => factors::in_tiles(x, prologue, weights, epilogue, factors::chosen()),
        };
    }
    checked(x, weights);
    let x = prologue.apply(x);
    let parts = weights.blocks().iter().map(|block| on_cpu(&x, block));
    match epilogue {
        // Columns that meet in one output share a block.
        Epilogue::SwiGlu => joined(parts.map(|part| epilogue.apply(part)).collect()),
        _ => epilogue.apply(joined(parts.collect())),
    }
}

/// `x . block^T` on the CPU device.
fn on_cpu(x: &Tensor<2>, block: &Block) -> Tensor<2> {
    let ([rows, depth], device, x) = (x.dims(), x.device(), cpu(x));
    let x = elements(&x);
    let product = match &block.values {
        Values::Dense { values, .. } => float::product(x, elements(&cpu(values)), depth),
        Values::Packed {
            kind,
            words,
            scales,
        } => {
            let (words, scales) = (cpu_words(words), cpu_words(scales));
            let weights = Stored {
                kind: *kind,
                depth,
                words: elements(&words),
                scales: bytemuck::cast_slice(elements::<u32>(&scales)),
            };
            stored::product(x, weights, block.cols)
        }
    };
    upload(product, [rows, block.cols], &device)
}

/// Columns beside columns.
fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let (rows, device) = (parts[0].dims()[0], parts[0].device());
    let parts: Vec<_> = parts.iter().map(cpu).collect();
    let mut out = Vec::new();
    for row in 0..rows {
        for part in &parts {
            let all = elements::<f32>(part);
            let cols = all.len() / rows;
            out.extend_from_slice(&all[row * cols..][..cols]);
        }
    }
    let cols = out.len() / rows;
    upload(out, [rows, cols], &device)
}

/// The dims of `weights`, [cols, depth], where they fit `x`.
fn checked(x: &Tensor<2>, weights: &Matrix) -> [usize; 2] {
    let ([rows, depth], [cols, weights_depth]) = (x.dims(), weights.dims());
    assert!(
        depth == weights_depth && depth % 4 == 0,
        "product: x [{rows}, {depth}] against weights [{cols}, {weights_depth}]"
    );
    [cols, depth]
}

/// Rows and columns of the tile of a workgroup, in the kernels with workgroup memory for many rows.
const TILE: usize = 64;
/// Columns that are written together stand so far apart in such a tile.
const TILE_PAIR: usize = 8;

/// A kernel with workgroup memory for many rows.
pub(super) fn tiled(main: &[Fragment], parts: &Parts) -> Shader {
    let fragments = [&[fragment!("shared/patch")], main].concat();
    shader(&fragments, TILE_PAIR, parts)
}

/// Dispatches such a kernel.
pub(super) fn launch_tiled(
    shader: &Shader,
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
) -> Tensor<2> {
    let grid = |cols| {
        let columns = tile_columns(cols, epilogue, TILE_PAIR);
        [columns.div_ceil(TILE), x.dims()[0].div_ceil(TILE), 1]
    };
    launch(shader, x, prologue, weights, epilogue, grid)
}

/// A kernel of the family: x at 0, out at 1, the weights and scales at 2 and 3, then the prologue's and the epilogue's tensors.
/// `pair` is how far apart in a tile the columns stand that are written together.
pub(super) fn shader(main: &[Fragment], pair: usize, parts: &Parts) -> Shader {
    let mut fragments = vec![
        GRID,
        fragment!("shared/product"),
        parts.weights,
        parts.prologue,
    ];
    fragments.extend_from_slice(parts.epilogue);
    fragments.extend_from_slice(main);
    Shader::new(&fragments)
        .constant("WORKGROUP", WORKGROUP)
        .constant("PAIR", pair)
        .constant("WEIGHTS", 2)
        .constant("PROLOGUE", 4)
        .constant("EPILOGUE", 4 + parts.prologue_tensors)
}

/// What a kernel is composed with.
pub(super) struct Parts {
    weights: Fragment,
    prologue: Fragment,
    prologue_tensors: usize,
    epilogue: &'static [Fragment],
}

impl Parts {
    pub(super) fn new(weights: &Matrix, prologue: Prologue<'_>, epilogue: Epilogue<'_>) -> Self {
        Self {
            weights: weights.fragment(),
            prologue: prologue.fragment(),
            prologue_tensors: prologue.tensors(),
            epilogue: epilogue.fragments(),
        }
    }

    /// Whether [`matvec`] can be composed so.
    pub(super) fn fits_matvec(&self) -> bool {
        self.prologue_tensors < 2
    }

    /// Whether [`matmul_blocks`](super::matmul_blocks) can be composed so.
    pub(super) fn packed(&self) -> bool {
        self.weights.name != WEIGHTS[0].name
    }

    /// Every composition, for the lint; a norm comes before a bias, GELU or SwiGLU, never before a residual.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let compositions = WEIGHTS.into_iter().flat_map(|weights| {
            let prologues = prologue::FRAGMENTS.into_iter().enumerate();
            prologues.flat_map(move |(tensors, prologue)| {
                epilogue::FRAGMENTS.into_iter().map(move |epilogue| Self {
                    weights,
                    prologue,
                    prologue_tensors: tensors,
                    epilogue,
                })
            })
        });
        compositions.filter(|parts| {
            parts.prologue_tensors == 0
                || !parts.epilogue[1..]
                    .iter()
                    .any(|f| f.name.ends_with("residual"))
        })
    }
}

/// Dispatches a kernel of the family for each block of the weights, over the `grid` for so many columns.
pub(super) fn launch(
    shader: &Shader,
    x: &Tensor<2>,
    prologue: Prologue<'_>,
    weights: &Matrix,
    epilogue: Epilogue<'_>,
    grid: impl Fn(usize) -> [usize; 3],
) -> Tensor<2> {
    let [cols, depth] = checked(x, weights);
    let (rows, width) = (x.dims()[0], epilogue.width(cols));
    let mut out: Option<Tensor<2>> = None;
    for block in weights.blocks() {
        let params = Params {
            rows: rows as u32,
            cols: block.cols as u32,
            depth: depth as u32,
            eps: prologue.eps(),
            start: block.first as u32,
            width: width as u32,
        };
        let launch = Launch::new(shader.clone()).tensor(x);
        let launch = match &out {
            None => launch.output([rows, width]),
            Some(out) => launch.tensor(out),
        };
        let launch = epilogue.bind(prologue.bind(block.bind(launch)));
        out = Some(launch.run_into(&params, grid(block.cols), 1));
    }
    out.expect("a matrix has rows")
}

/// Columns of the tiles that make `cols` outputs, where pairs stand `pair` apart.
pub(super) fn tile_columns(cols: usize, epilogue: Epilogue<'_>, pair: usize) -> usize {
    match epilogue {
        Epilogue::SwiGlu => (cols / 2).next_multiple_of(pair) * 2,
        _ => cols,
    }
}
