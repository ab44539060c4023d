use burn::tensor::{Tensor, TensorData};
use half::f16;
use pagelens::kernels::{attention_causal, attention_decode};
use pagelens::language::cache::{CachePrecision, LayerCache};

use crate::attention::mix;
use crate::check::{Device, close, noise, on_cpu, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (rows, heads, kv_heads, head_dim, start, context) in [
        (2, 1, 1, 8, 0, 2),
        (65, 4, 2, 16, 0, 100),
        (70, 14, 2, 64, 33, 128),
        (3, 2, 1, 128, 200, 256),
    ] {
        cached(device, [rows, heads, kv_heads, head_dim, start, context]).await;
    }
}

/// One case by either precision of the cache. One row goes through the decode kernel.
pub(crate) async fn cached(device: &Device, shape: [usize; 6]) {
    for precision in [CachePrecision::F32, CachePrecision::F16] {
        case(device, shape, precision).await;
    }
}

/// Against a cache full of noise, beyond the valid positions too; every value of it is one that f16 has.
async fn case(
    device: &Device,
    [rows, heads, kv_heads, head_dim, start, context]: [usize; 6],
    precision: CachePrecision,
) {
    let stride = (heads + 2 * kv_heads) * head_dim;
    let cells = kv_heads * context * head_dim;
    let halves = |seed| {
        let noise = noise(cells, seed);
        noise
            .iter()
            .map(|&value| f16::from_f32(value).to_f32())
            .collect::<Vec<_>>()
    };
    let (qkv, keys, vals) = (noise(rows * stride, 50), halves(51), halves(52));
    let (q, k, v) = (wide(&qkv), wide(&keys), wide(&vals));
    let mut want = vec![0.0; rows * heads * head_dim];
    for (row, head) in (0..rows).flat_map(|row| (0..heads).map(move |head| (row, head))) {
        let cell = |at: usize| (head * kv_heads / heads * context + at) * head_dim;
        let seen =
            (0..=start + row).map(|at| (&k[cell(at)..][..head_dim], &v[cell(at)..][..head_dim]));
        let to = (row * heads + head) * head_dim;
        mix(
            &q[row * stride + head * head_dim..][..head_dim],
            seen,
            &mut want[to..to + head_dim],
        );
    }
    let shape = [kv_heads, context, head_dim];
    let stored =
        |all| Tensor::<3>::from_data(TensorData::new(all, shape), (device, precision.dtype()));
    let cache = LayerCache {
        keys: stored(keys),
        values: stored(vals),
        precision,
    };
    let qkv = tensor(&qkv, [rows, stride], device);
    let got = match rows {
        1 => attention_decode(&qkv, &cache, start),
        _ => attention_causal(&qkv, &cache, start),
    };
    let label =
        format!("{rows} rows from {start}, {heads}/{kv_heads} heads of {head_dim}, {precision:?}");
    close(
        &label,
        &values(got).await,
        &want,
        if on_cpu(device) { 2e-4 } else { 2e-5 },
    );
}
