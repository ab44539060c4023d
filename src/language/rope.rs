//! The angles of rotary position embeddings.

use burn::tensor::{Device, Tensor};

use crate::kernels::launch::upload;

/// (cos, sin) of `position * theta^(-2k / head_dim)`, [context, head_dim / 2, 2], computed in f64 so that late positions
/// are as exact as early ones.
pub fn angles(context: usize, head_dim: usize, theta: f32, device: &Device) -> Tensor<3> {
    let half = head_dim / 2;
    let frequencies: Vec<f64> = (0..half)
        .map(|k| f64::from(theta).powf(-2.0 * k as f64 / head_dim as f64))
        .collect();
    let mut table = Vec::with_capacity(context * head_dim);
    for position in 0..context {
        for frequency in &frequencies {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            table.extend([cos as f32, sin as f32]);
        }
    }
    upload(table, [context, half, 2], device)
}
