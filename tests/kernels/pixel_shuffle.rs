use pagelens::kernels::pixel_shuffle;

use crate::check::{Device, close, noise, tensor, values};

pub(crate) async fn check(device: &Device) {
    for (tiles, side, width) in [(1, 2, 1), (2, 4, 3), (1, 32, 16)] {
        for transposed in [false, true] {
            let length = 1 + side * side;
            let x = noise(tiles * length * width, 9);
            let blocks = side / 2;
            let mut want = vec![0.0; tiles * blocks * blocks * 4 * width];
            for tile in 0..tiles {
                for row in 0..side {
                    for col in 0..side {
                        let (i, j) = (row / 2, col / 2);
                        let token = if transposed {
                            j * blocks + i
                        } else {
                            i * blocks + j
                        };
                        let corner = row % 2 * 2 + col % 2;
                        for column in 0..width {
                            let to =
                                ((tile * blocks * blocks + token) * 4 + corner) * width + column;
                            want[to] = f64::from(
                                x[(tile * length + 1 + row * side + col) * width + column],
                            );
                        }
                    }
                }
            }
            let got = values(pixel_shuffle(
                &tensor(&x, [tiles * length, width], device),
                side,
                transposed,
            ))
            .await;
            close(
                &format!("{tiles} tiles of {side}, width {width}, transposed {transposed}"),
                &got,
                &want,
                0.0,
            );
        }
    }
}
