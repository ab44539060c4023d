//! The angles of rotary position embeddings.

use burn::tensor::{Device, Tensor};

use crate::config::LanguageConfig;
use crate::kernels::launch::upload;

/// (cos, sin) of `position * theta^(-2k / head_dim)`, [context, head_dim / 2, 2], computed in f64 so that late positions
/// are as exact as early ones. LongRoPE divides the frequencies by its long or short factors and scales the result.
pub fn angles(context: usize, config: &LanguageConfig, long: bool, device: &Device) -> Tensor<3> {
    let half = config.head_dim / 2;
    let rope = config.long_rope.as_ref();
    let factors = rope.map(|rope| if long { &rope.long } else { &rope.short });
    let scale = rope.map_or(1.0, |rope| f64::from(rope.scale));
    let frequency = |k: usize| {
        let factor = factors.map_or(1.0, |factors| f64::from(factors[k]));
        f64::from(config.rope_theta).powf(-2.0 * k as f64 / config.head_dim as f64) / factor
    };
    let frequencies: Vec<f64> = (0..half).map(frequency).collect();
    let mut table = Vec::with_capacity(context * config.head_dim);
    for position in 0..context {
        for frequency in &frequencies {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            table.extend([(cos * scale) as f32, (sin * scale) as f32]);
        }
    }
    upload(table, [context, half, 2], device)
}
