use pagelens::kernels::rms_norm;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (rows, width) in [(1, 4), (3, 7), (65, 96), (2, 896), (5, 3200), (66_000, 4)] {
        let (x, weight) = (noise(rows * width, 1), noise(width, 2));
        let mut want = Vec::new();
        for row in wide(&x).chunks(width) {
            let squares = row.iter().map(|v| v * v).sum::<f64>() / width as f64;
            for (column, v) in row.iter().enumerate() {
                want.push(v / (squares + 1e-6).sqrt() * f64::from(weight[column]));
            }
        }
        let got = values(rms_norm(
            &tensor(&x, [rows, width], device),
            &tensor(&weight, [width], device),
            1e-6,
        ))
        .await;
        close(&format!("[{rows}, {width}]"), &got, &want, 1e-5);
    }
}
