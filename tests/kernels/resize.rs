use pagelens::kernels::resize;
use pagelens::kernels::resize::Canvas;
use pagelens::page::Page;
use pagelens::vision::tiles;

use crate::check::{Device, words};

/// Equal to the CPU tiler to the byte; that one is held to Pillow's golden hashes by `tests/tiler.rs`.
pub(crate) async fn check(device: &Device) {
    for (from, to) in [
        ((1, 1), (8, 8)),
        ((37, 23), (56, 28)),
        ((50, 300), (28, 84)),
        ((64, 64), (64, 64)),
        ((90, 64), (45, 64)),
    ] {
        let page = picture(from.0, from.1);
        let got = resize(&Canvas::new(&page, device), to.0, to.1, device);
        let want: Vec<u32> = tiles::resize(&page, to.0, to.1)
            .rgb
            .chunks(3)
            .map(|p| u32::from_le_bytes([p[0], p[1], p[2], 0]))
            .collect();
        assert_eq!((got.width, got.height), to, "{from:?} to {to:?}");
        assert!(
            words(got.pixels).await == want,
            "{from:?} to {to:?}: pixels differ"
        );
    }
}

/// The specification's test picture: `(3x^2 + 5y^2 + 7xy + 85c + x/3 + y/5) mod 256`.
pub(crate) fn picture(width: usize, height: usize) -> Page {
    let level = |x: usize, y: usize, c: usize| {
        ((3 * x * x + 5 * y * y + 7 * x * y + 85 * c + x / 3 + y / 5) % 256) as u8
    };
    let rgb = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| level(x, y, c))))
        .collect();
    Page::new(width, height, rgb)
}
