//! The kernel checks as a WebAssembly module: `tests/e2e/kernels.test.js` runs them in a browser. The library's own start
//! function bridges panics and the log to the console.
#![cfg(target_arch = "wasm32")]

mod attention;
mod attention_causal;
mod attention_decode;
mod attention_merge;
mod check;
mod copy;
mod embed;
mod layer_norm;
mod matmul;
mod matmul_blocks;
mod matmul_registers;
mod matvec;
mod multiply_add;
mod normalise;
mod patches;
mod pixel_shuffle;
mod positions;
mod qk_norm;
mod registry;
mod resize;
mod rms_norm;
mod rope;
mod sample;

use pagelens::gpu::Compute;
use wasm_bindgen::prelude::*;

/// The kernels' names.
#[wasm_bindgen]
pub fn names() -> Vec<String> {
    registry::NAMES
        .iter()
        .map(|&name| name.to_owned())
        .collect()
}

/// Runs one kernel's check on `device`, and says which that is and what it multiplies in beside f32; a failure is a panic,
/// logged and then a trap.
#[wasm_bindgen]
pub async fn run(name: String, device: String) -> String {
    let choice = device.parse().expect("auto, gpu or cpu");
    let compute = Compute::open(choice).await.expect("a device to test on");
    registry::check(&name, &compute.device).await;
    format!("{compute} {:?}", compute.factors)
}
