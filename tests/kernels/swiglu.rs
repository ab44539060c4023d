use pagelens::kernels::swiglu;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for (rows, width) in [(1, 1), (1, 4864), (5, 33), (130, 64)] {
        let x = noise(rows * 2 * width, 4);
        let mut want = Vec::new();
        for row in wide(&x).chunks(2 * width) {
            for column in 0..width {
                want.push(row[column] / (1.0 + (-row[column]).exp()) * row[width + column]);
            }
        }
        let got = values(swiglu(&tensor(&x, [rows, 2 * width], device))).await;
        close(&format!("[{rows}, 2 x {width}]"), &got, &want, 1e-5);
    }
}
