use pagelens::kernels::qk_norm;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (rows, width) in [(1, 8), (7, 32), (3, 100), (2, 3200)] {
        let x = noise(rows * 3 * width, 1);
        let weights = [noise(width, 2), noise(width, 3)];
        let mut want = wide(&x);
        for row in want.chunks_mut(3 * width) {
            for (part, weight) in row.chunks_mut(width).zip(&weights) {
                let squares = part.iter().map(|v| v * v).sum::<f64>() / width as f64;
                for (v, w) in part.iter_mut().zip(weight) {
                    *v *= f64::from(*w) / (squares + 1e-5).sqrt();
                }
            }
        }
        let mut qkv = tensor(&x, [rows, 3 * width], device);
        let [q, k] = weights.map(|weight| tensor(&weight, [width], device));
        qk_norm(&mut qkv, [&q, &k], 1e-5);
        let label = format!("{rows} rows of 3 x {width}");
        close(&label, &values(qkv).await, &want, 1e-5);
    }
}
