use std::io::{Write, stderr};

use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::kernels::matmul_blocks;
use pagelens::kernels::product::{Factors, Trial, fastest};

use crate::check::{Device, on_cpu};
use crate::matmul::{Kernel, many_rows};

/// What matmul is held to, where weights are quantized, in all that the adapter has: bytes always, f16 perhaps. The CPU has no
/// such kernel.
pub(crate) async fn check(device: &Device) {
    if on_cpu(device) {
        return;
    }
    let compute = Compute::open(DeviceChoice::Gpu).await;
    let able = compute.expect("the adapter that is tested").factors;
    assert!(able.contains(&Factors::Bytes), "no dot products of bytes");
    let kernels: [(Factors, Kernel); 2] = [
        (Factors::Bytes, |x, norm, weights, epilogue| {
            matmul_blocks(x, norm, weights, epilogue, Factors::Bytes)
        }),
        (Factors::F16, |x, norm, weights, epilogue| {
            matmul_blocks(x, norm, weights, epilogue, Factors::F16)
        }),
    ];
    for (factors, kernel) in kernels {
        if able.contains(&factors) {
            many_rows(device, kernel, factors).await;
        } else {
            // Not by a macro, whose output of a test that passes is not shown.
            let skipped = "skipped: the adapter cannot multiply in";
            writeln!(stderr(), "{skipped} {factors}").expect("stderr");
        }
    }
    // Which it is depends on the adapter; the trial itself must not fail.
    let chosen = fastest(&able, &Trial::new(64, device)).await;
    assert!(chosen == Factors::F32 || able.contains(&chosen));
}
