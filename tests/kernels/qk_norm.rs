use pagelens::kernels::qk_norm;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    // (rows, stride, offset, groups, width): one slice as wide as the model, one a head, first and last columns.
    for (rows, stride, offset, groups, width) in [
        (3, 96, 0, 1, 32),
        (3, 96, 32, 1, 32),
        (7, 48, 16, 2, 8),
        (2, 4096, 2048, 8, 128),
    ] {
        let (x, weight) = (noise(rows * stride, 1), noise(width, 2));
        let mut want = wide(&x);
        for row in 0..rows {
            for group in 0..groups {
                let start = row * stride + offset + group * width;
                let squares =
                    (0..width).map(|i| want[start + i].powi(2)).sum::<f64>() / width as f64;
                for i in 0..width {
                    want[start + i] *= f64::from(weight[i]) / (squares + 1e-5).sqrt();
                }
            }
        }
        let mut qkv = tensor(&x, [rows, stride], device);
        qk_norm(
            &mut qkv,
            offset,
            groups,
            &tensor(&weight, [width], device),
            1e-5,
        );
        close(
            &format!("[{rows}, {stride}] from {offset}: {groups} x {width}"),
            &values(qkv).await,
            &want,
            1e-5,
        );
    }
}
