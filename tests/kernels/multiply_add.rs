use pagelens::kernels::multiply_add;
use pagelens::kernels::multiply_add::STEPS;

use crate::check::{Device, close, noise, tensor, values, wide};

pub(crate) async fn check(device: &Device) {
    for len in [32, 4_128] {
        let x = noise(len, 81);
        let steps =
            |v: &f64| (0..STEPS).fold(*v, |v, _| v * f64::from(0.999f32) + f64::from(0.01f32));
        let want: Vec<f64> = wide(&x).iter().map(steps).collect();
        let got = values(multiply_add(&tensor(&x, [len], device), 0.999, 0.01)).await;
        close(&format!("{len} values"), &got, &want, 1e-5);
    }
}
