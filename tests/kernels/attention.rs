use pagelens::kernels::attention;

use crate::check::{Device, close, noise, on_cpu, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (tiles, length, heads, head_dim) in [
        (1, 1, 1, 8),
        (2, 17, 3, 16),
        (2, 65, 2, 64),
        (1, 130, 1, 128),
        (1, 1025, 2, 32),
    ] {
        let stride = 3 * heads * head_dim;
        let x = noise(tiles * length * stride, 40);
        let wide = wide(&x);
        let part = |tile: usize, row: usize, part: usize, head: usize| {
            &wide[(tile * length + row) * stride + (part * heads + head) * head_dim..][..head_dim]
        };
        let mut want = vec![0.0; tiles * length * heads * head_dim];
        for tile in 0..tiles {
            for (row, head) in (0..length).flat_map(|row| (0..heads).map(move |head| (row, head))) {
                let keys = (0..length).map(|at| (part(tile, at, 1, head), part(tile, at, 2, head)));
                let to = ((tile * length + row) * heads + head) * head_dim;
                mix(part(tile, row, 0, head), keys, &mut want[to..to + head_dim]);
            }
        }
        let got = values(attention(
            &tensor(&x, [tiles * length, stride], device),
            length,
            heads,
        ))
        .await;
        close(
            &format!("{tiles} tiles of {length}, {heads} heads of {head_dim}"),
            &got,
            &want,
            if on_cpu(device) { 2e-4 } else { 2e-5 },
        );
    }
}

/// softmax(q . k / sqrt(width)) . v, in two passes.
pub(crate) fn mix<'a>(
    q: &[f64],
    keys: impl Iterator<Item = (&'a [f64], &'a [f64])> + Clone,
    out: &mut [f64],
) {
    let score =
        |k: &[f64]| q.iter().zip(k).map(|(a, b)| a * b).sum::<f64>() / (q.len() as f64).sqrt();
    let top = keys
        .clone()
        .map(|(k, _)| score(k))
        .fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for (k, v) in keys {
        let share = (score(k) - top).exp();
        total += share;
        out.iter_mut().zip(v).for_each(|(o, v)| *o += share * v);
    }
    out.iter_mut().for_each(|o| *o /= total);
}
