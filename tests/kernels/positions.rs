use pagelens::kernels::positions;

use crate::check::{Device, close, noise, tensor, values};

pub(crate) async fn check(device: &Device) {
    for (tiles, count, width) in [(1, 1, 4), (2, 16, 32), (3, 1024, 8)] {
        let (x, class, table) = (
            noise(tiles * count * width, 6),
            noise(width, 7),
            noise((1 + count) * width, 8),
        );
        let mut want = Vec::new();
        for tile in 0..tiles {
            for position in 0..=count {
                for column in 0..width {
                    let input = match position {
                        0 => class[column],
                        _ => x[(tile * count + position - 1) * width + column],
                    };
                    want.push(f64::from(input) + f64::from(table[position * width + column]));
                }
            }
        }
        let x = tensor(&x, [tiles * count, width], device);
        let got = positions(
            &x,
            &tensor(&class, [width], device),
            &tensor(&table, [1 + count, width], device),
        );
        close(
            &format!("{tiles} x {count} x {width}"),
            &values(got).await,
            &want,
            1e-6,
        );
    }
}
