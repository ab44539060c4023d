use burn::tensor::{Tensor, TensorData};
use pagelens::config::LanguageConfig;
use pagelens::kernels::{HeadNorms, rope};
use pagelens::language::cache::{CachePrecision, LayerCache};
use pagelens::language::rope::angles;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (rows, heads, kv_heads, head_dim, start, context) in [
        (1, 1, 1, 4, 0, 1),
        (3, 4, 2, 8, 5, 16),
        (70, 14, 2, 64, 0, 70),
        (2, 4, 4, 96, 7, 12),
        (1, 16, 8, 128, 31_000, 32_768),
    ] {
        let shape = [rows, heads, kv_heads, head_dim, start, context];
        for norm in [false, true] {
            case(device, shape, norm, CachePrecision::F32).await;
            if context < 1000 {
                case(device, shape, norm, CachePrecision::F16).await; // the longest takes long to read back
            }
        }
    }
}

/// Heads as they are or normalised before; hd 4 has a norm of four values.
async fn case(
    device: &Device,
    [rows, heads, kv_heads, head_dim, start, context]: [usize; 6],
    norm: bool,
    precision: CachePrecision,
) {
    let label = format!(
        "{rows} rows from {start}, {heads}/{kv_heads} heads of {head_dim}{}, {precision:?}",
        if norm { ", normalised" } else { "" }
    );
    let stride = (heads + 2 * kv_heads) * head_dim;
    let x = noise(rows * stride, 30);
    let weights = [noise(head_dim, 31), noise(head_dim, 32)];
    let half = head_dim / 2;
    let mut want = wide(&x);
    for row in 0..rows {
        for head in 0..heads + kv_heads {
            let cells = &mut want[row * stride + head * head_dim..][..head_dim];
            if norm {
                let weight = &weights[usize::from(head >= heads)];
                let squares = cells.iter().map(|v| v * v).sum::<f64>() / head_dim as f64;
                for (v, w) in cells.iter_mut().zip(weight) {
                    *v *= f64::from(*w) / (squares + 1e-6).sqrt();
                }
            }
            for k in 0..half {
                let angle = (start + row) as f64 * 1e6f64.powf(-2.0 * k as f64 / head_dim as f64);
                let (a, b) = (cells[k], cells[k + half]);
                cells[k] = a * angle.cos() - b * angle.sin();
                cells[k + half] = b * angle.cos() + a * angle.sin();
            }
        }
    }
    let shape = [kv_heads, context, head_dim];
    // Written by the host: not every GPU that keeps f16 has arithmetic in it.
    let zeros = || {
        let data = TensorData::new(vec![0f32; kv_heads * context * head_dim], shape);
        Tensor::from_data(data, (device, precision.dtype()))
    };
    let mut cache = LayerCache {
        keys: zeros(),
        values: zeros(),
        precision,
    };
    let mut qkv = tensor(&x, [rows, stride], device);
    let [q, k] = weights.map(|weight| tensor(&weight, [head_dim], device));
    let norms = HeadNorms {
        weights: [&q, &k],
        eps: 1e-6,
    };
    rope(
        &mut qkv,
        norm.then_some(norms),
        &angles(context, &config(head_dim), false, device),
        &mut cache,
        start,
    );
    let queries = |all: &[f64]| {
        all.chunks(stride)
            .flat_map(|row| row[..heads * head_dim].to_vec())
            .collect::<Vec<_>>()
    };
    close(
        &format!("{label}: queries"),
        &values(qkv.slice([0..rows, 0..heads * head_dim])).await,
        &queries(&want),
        1e-5,
    );
    for (name, cells, first) in [
        ("keys", cache.keys, heads),
        ("values", cache.values, heads + kv_heads),
    ] {
        let mut expected = vec![0.0; kv_heads * context * head_dim];
        for row in 0..rows {
            for head in 0..kv_heads {
                for d in 0..head_dim {
                    let to = (head * context + start + row) * head_dim + d;
                    expected[to] = want[row * stride + (first + head) * head_dim + d];
                }
            }
        }
        close(
            &format!("{label}: {name}"),
            &values(cells).await,
            &expected,
            match precision {
                CachePrecision::F32 => 1e-5,
                CachePrecision::F16 => 5e-4,
            },
        );
    }
}

/// Of it only the head's size and the base count here.
fn config(head_dim: usize) -> LanguageConfig {
    LanguageConfig {
        vocab_size: 0,
        hidden_size: 0,
        intermediate_size: 0,
        layers: 0,
        heads: 0,
        kv_heads: 0,
        head_dim,
        eps: 1e-6,
        rope_theta: 1e6,
        max_positions: 0,
        long_rope: None,
        qkv_bias: false,
        qk_norm: false,
        tied_embeddings: true,
    }
}
