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
    let x = noise(5 * 2 * 6, 81);
    let five = tensor(&x, [5, 2, 6], device);
    let three = rows(&five, 1..4);
    assert_eq!(three.dims(), [3, 2, 6]);
    assert_eq!(values(three.clone()).await, x[12..48]);
    let all = stack(&[three, rows(&five, 0..1)]);
    assert_eq!(all.dims(), [4, 2, 6]);
    assert_eq!(values(all).await, [&x[12..48], &x[..12]].concat());
}
