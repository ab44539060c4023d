//! Tensors -> tensors: one function a shader, on the GPU through `shaders/<name>.wgsl`, on the CPU through its twin here.
//!
//! The contract of a kernel:
//! - one stem, three files: `shaders/x.wgsl`, `src/kernels/x.rs`, `tests/kernels/x.rs`;
//! - the wrapper takes tensors, returns a tensor and asserts the shapes, naming the dims;
//! - only [`launch`] touches the GPU API; a shader's constants are its pipeline key;
//! - the CPU twin computes the same from contiguous slices; it is what runs where there is no usable GPU; the four kernels of
//!   [`product()`](product::product) share one, those of a single row's attention another;
//! - tests compare both with a naive f64 loop that shares no code with either.

pub mod attention;
pub mod attention_causal;
pub mod attention_decode;
pub mod attention_merge;
pub mod copy;
mod cpu;
pub mod embed;
pub mod launch;
pub mod layer_norm;
pub mod matmul;
pub mod matmul_blocks;
pub mod matmul_registers;
pub mod matvec;
pub mod multiply_add;
pub mod normalise;
pub mod patches;
pub mod pixel_shuffle;
pub mod positions;
pub mod product;
pub mod qk_norm;
pub mod resize;
pub mod rms_norm;
pub mod rope;
pub mod sample;

pub use attention::attention;
pub use attention_causal::attention_causal;
pub use attention_decode::attention_decode;
pub use attention_merge::attention_merge;
pub use copy::{copy, rows, stack};
pub use embed::embed;
pub use layer_norm::layer_norm;
pub use matmul::matmul;
pub use matmul_blocks::matmul_blocks;
pub use matmul_registers::matmul_registers;
pub use matvec::matvec;
pub use multiply_add::multiply_add;
pub use normalise::normalise;
pub use patches::patches;
pub use pixel_shuffle::pixel_shuffle;
pub use positions::positions;
pub use product::{Epilogue, Filling, Matrix, Prologue, product};
pub use qk_norm::qk_norm;
pub use resize::resize;
pub use rms_norm::rms_norm;
pub use rope::{HeadNorms, rope};
pub use sample::{SampleParams, sample};

use launch::{Fragment, fragment};

use crate::language::cache::CachePrecision;

/// Invocations a workgroup in kernels that have no better reason.
const WORKGROUP: usize = 64;
const GRID: Fragment = fragment!("shared/grid");
const REDUCE: Fragment = fragment!("shared/reduce");

/// Every shader in every variant that a model can ask for, for the lint; each paired with its workgroup size.
pub fn all_shaders() -> Vec<(launch::Shader, usize)> {
    let mut all = Vec::new();
    for parts in product::Parts::all() {
        let mut product = |shader| all.push((shader, product::WORKGROUP));
        product(matmul::shader(&parts));
        if parts.packed() {
            for factors in matmul_blocks::FACTORS {
                product(matmul_blocks::shader(factors, &parts));
            }
        }
        product(matmul_registers::shader(1, &parts));
        product(matmul_registers::shader(matmul_registers::ROWS, &parts));
        if parts.fits_matvec() {
            product(matvec::shader(&parts));
        }
    }
    for weights in product::WEIGHTS {
        all.push((embed::shader(weights), WORKGROUP));
    }
    for head_dim in [8, 16, 32, 64, 96, 128] {
        all.push((attention::shader(head_dim), attention::BLOCK));
        all.push((attention_merge::shader(head_dim), WORKGROUP));
        for cells in CachePrecision::ALL {
            all.push((attention_causal::shader(head_dim, cells), attention::BLOCK));
            let decode = attention_decode::shader(head_dim, cells);
            all.push((decode, attention_decode::BLOCK));
            for norm in [false, true] {
                let rope = rope::shader(head_dim, norm, cells);
                all.push((rope, rope::workgroup(head_dim)));
            }
        }
    }
    for flag in [0, 1] {
        all.push((pixel_shuffle::shader(flag), WORKGROUP));
        all.push((resize::shader(flag), WORKGROUP));
    }
    all.push((layer_norm::shader(), layer_norm::WORKGROUP));
    all.push((rms_norm::shader(), layer_norm::WORKGROUP));
    all.push((qk_norm::shader(), WORKGROUP));
    all.push((patches::shader(14), WORKGROUP));
    all.push((positions::shader(), WORKGROUP));
    all.push((normalise::shader(), WORKGROUP));
    all.push((sample::shader(), sample::WORKGROUP));
    all.push((copy::shader(), WORKGROUP));
    all.push((multiply_add::shader(), WORKGROUP));
    all
}
