use pagelens::kernels::attention_merge;

use crate::check::{Device, close, noise, on_cpu, tensor, values, wide};

/// Parts of different weight, one of them all but nothing; the CPU has no such kernel.
pub(crate) async fn check(device: &Device) {
    if on_cpu(device) {
        return;
    }
    for (heads, splits, head_dim) in [(1, 1, 8), (3, 2, 64), (14, 32, 64), (16, 5, 96)] {
        let parts = noise(heads * splits * head_dim, 70);
        let mut marks = noise(heads * splits * 2, 71);
        for (index, mark) in marks.chunks_mut(2).enumerate() {
            mark[0] = if index % 5 == 4 { -200.0 } else { mark[0] };
            mark[1] = 1.0 + mark[1].abs();
        }
        let mut want = Vec::new();
        for (parts, marks) in wide(&parts)
            .chunks(splits * head_dim)
            .zip(wide(&marks).chunks(splits * 2))
        {
            let weights: Vec<f64> = marks
                .chunks(2)
                .map(|mark| mark[1] * mark[0].exp())
                .collect();
            let total: f64 = weights.iter().sum();
            want.extend((0..head_dim).map(|d| {
                let sum: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(i, weight)| weight * parts[i * head_dim + d])
                    .sum();
                sum / total
            }));
        }
        let got = values(attention_merge(
            &tensor(&parts, [heads, splits, head_dim], device),
            &tensor(&marks, [heads, splits, 2], device),
        ))
        .await;
        let label = format!("{heads} heads of {head_dim} in {splits} parts");
        close(&label, &got, &want, 1e-5);
    }
}
