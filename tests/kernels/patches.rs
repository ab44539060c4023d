use pagelens::kernels::patches;

use crate::check::{Device, close, noise, tensor, values};

pub(crate) async fn check(device: &Device) {
    for (n, tiles, side, patch) in [(1, 0..1, 4, 2), (3, 0..3, 28, 14), (5, 2..4, 56, 14)] {
        let x = noise(n * 3 * side * side, 5);
        let across = side / patch;
        let mut want = Vec::new();
        for tile in tiles.clone() {
            for patch_index in 0..across * across {
                for column in 0..3 * patch * patch {
                    let (channel, y, x_in) = (
                        column / (patch * patch),
                        column / patch % patch,
                        column % patch,
                    );
                    let (row, col) = (
                        patch_index / across * patch + y,
                        patch_index % across * patch + x_in,
                    );
                    want.push(f64::from(
                        x[((tile * 3 + channel) * side + row) * side + col],
                    ));
                }
            }
        }
        let pixels = tensor(&x, [n, 3, side, side], device);
        let got = values(patches(&pixels, tiles.clone(), patch)).await;
        close(
            &format!("tiles {tiles:?} of {n}, {side} by {patch}"),
            &got,
            &want,
            0.0,
        );
    }
}
