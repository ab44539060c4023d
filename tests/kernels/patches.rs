use pagelens::kernels::patches;

use crate::check::{Device, close, noise, tensor, values};

pub(crate) async fn check(device: &Device) {
    for (tiles, side, patch) in [(1, 4, 2), (3, 28, 14), (2, 56, 14)] {
        let x = noise(tiles * 3 * side * side, 5);
        let across = side / patch;
        let mut want = Vec::new();
        for tile in 0..tiles {
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
        let got = values(patches(&tensor(&x, [tiles, 3, side, side], device), patch)).await;
        close(
            &format!("{tiles} tiles of {side} by {patch}"),
            &got,
            &want,
            0.0,
        );
    }
}
