use pagelens::kernels::{Epilogue, matmul, matvec};

use crate::check::Device;
use crate::matmul::product;

/// The GPU kernel by its own name; on the CPU one row goes through matmul.
pub(crate) async fn check(device: &Device) {
    let gpu = *device != Device::flex();
    for (cols, depth) in [
        (1, 32),
        (5, 64),
        (130, 96),
        (900, 896),
        (40, 4864),
        (262_200, 32),
    ] {
        product(
            device,
            1,
            cols,
            depth,
            |x, weights, epilogue: Epilogue<'_>| match gpu {
                true => matvec(x, weights, epilogue),
                false => matmul(x, weights, epilogue),
            },
        )
        .await;
    }
}
