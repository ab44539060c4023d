use pagelens::kernels::layer_norm;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (rows, width) in [(1, 4), (3, 7), (65, 96), (2, 1024), (5, 4096), (66_000, 4)] {
        let (x, weight, bias) = (noise(rows * width, 1), noise(width, 2), noise(width, 3));
        let mut want = Vec::new();
        for row in wide(&x).chunks(width) {
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
            for (column, v) in row.iter().enumerate() {
                want.push(
                    (v - mean) / (variance + 1e-6).sqrt() * f64::from(weight[column])
                        + f64::from(bias[column]),
                );
            }
        }
        let (weight, bias) = (
            tensor(&weight, [width], device),
            tensor(&bias, [width], device),
        );
        let got = values(layer_norm(
            &tensor(&x, [rows, width], device),
            &weight,
            &bias,
            1e-6,
        ))
        .await;
        close(&format!("[{rows}, {width}]"), &got, &want, 1e-5);
    }
}
