use pagelens::kernels::matmul_registers;
use pagelens::kernels::product::Factors;

use crate::check::{Device, on_cpu};
use crate::matmul::many_rows;
use crate::matvec::one_row;

/// What matmul and matvec are held to; the CPU has no such kernel.
pub(crate) async fn check(device: &Device) {
    if !on_cpu(device) {
        many_rows(device, matmul_registers, Factors::F32).await;
        one_row(device, matmul_registers).await;
    }
}
