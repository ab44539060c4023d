use burn::tensor::{DType, Tensor, TensorData};
use pagelens::kernels::{copy, rows, stack};

use crate::check::{Device, noise, tensor, values};

pub(crate) async fn check(device: &Device) {
    for (len, from, to, room) in [
        (4, 0, 0, 4),
        (1_000, 8, 4, 2_000),
        (4_200_000, 0, 20, 4_200_020),
    ] {
        let x = noise(from + len + 4, 80);
        let mut out = tensor(&vec![7.0; room], [room], device);
        copy(
            &tensor(&x, [x.len()], device),
            from..from + len,
            &mut out,
            to,
        );
        let mut expected = vec![7.0; room];
        expected[to..to + len].copy_from_slice(&x[from..from + len]);
        assert!(
            values(out).await == expected,
            "{len} values from {from} to {to}"
        );
    }
    let halves = |values: &[f32]| {
        Tensor::<1>::from_data(
            TensorData::new(values.to_vec(), [values.len()]),
            (device, DType::F16),
        )
    };
    let sixteenths: Vec<f32> = (0..64).map(|i| i as f32 / 16.0).collect();
    let mut out = halves(&[7.0; 48]);
    copy(&halves(&sixteenths), 8..40, &mut out, 16);
    let expected = [&[7.0; 16][..], &sixteenths[8..40]].concat();
    assert_eq!(values(out).await, expected);
    let x = noise(5 * 2 * 6, 81);
    let five = tensor(&x, [5, 2, 6], device);
    let three = rows(&five, 1..4);
    assert_eq!(three.dims(), [3, 2, 6]);
    assert_eq!(values(three.clone()).await, x[12..48]);
    let all = stack(&[three, rows(&five, 0..1)]);
    assert_eq!(all.dims(), [4, 2, 6]);
    assert_eq!(values(all).await, [&x[12..48], &x[..12]].concat());
}
