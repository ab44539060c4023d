use pagelens::kernels::product::Factors;
use pagelens::kernels::{matvec, product as on_device};

use crate::check::{Device, on_cpu};
use crate::matmul::{Kernel, in_all_integers, product};

/// The CPU's product, and the GPU's kernel by its own name; no LayerNorm comes before a single row.
pub(crate) async fn check(device: &Device) {
    match on_cpu(device) {
        true => in_all_integers(async || one_row(device, on_device).await).await,
        false => one_row(device, matvec).await,
    }
}

/// Every shape of one row by one kernel.
pub(crate) async fn one_row(device: &Device, kernel: Kernel) {
    for (cols, depth) in [
        (2, 32),
        (5, 64),
        (130, 96),
        (900, 896),
        (40, 4864),
        (262_200, 32),
    ] {
        product(device, [1, cols, depth], 2, kernel, Factors::F32).await;
    }
}
