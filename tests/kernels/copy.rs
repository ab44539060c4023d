use pagelens::kernels::copy;

use crate::check::{Device, noise, tensor, values};

pub(crate) async fn check(device: &Device) {
    for len in [4, 1_000, 4_200_000] {
        let x = noise(len, 80);
        let mut out = tensor(&vec![7.0; len], [len], device);
        copy(&tensor(&x, [len], device), &mut out);
        assert!(
            values(out).await == x,
            "{len} values are not what they were"
        );
    }
}
