use pagelens::kernels::matmul_registers;

use crate::check::{Device, on_cpu};
use crate::matmul::many_rows;
use crate::matvec::one_row;

/// What matmul and matvec are held to; the CPU has no such kernel.
pub(crate) async fn check(device: &Device) {
    if !on_cpu(device) {
        many_rows(device, matmul_registers).await;
        one_row(device, matmul_registers).await;
    }
}
