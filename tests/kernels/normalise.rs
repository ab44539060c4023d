use pagelens::config::TilingConfig;
use pagelens::vision::pixels::pixel_values;
use pagelens::vision::tiles;

use crate::check::{Device, values};
use crate::resize::picture;

/// The whole way from page to pixel values, equal to the CPU tiler to the bit.
pub(crate) async fn check(device: &Device) {
    for (width, height, max_tiles) in [(37, 23, 12), (56, 56, 1), (300, 50, 6), (91, 70, 40)] {
        let page = picture(width, height);
        let tiling = TilingConfig {
            min_tiles: 1,
            max_tiles,
            thumbnail: true,
        };
        let want = tiles::tiles(&page, &tiling, 28).normalise();
        let got = values(pixel_values(&page, &tiling, 28, device)).await;
        assert_eq!(
            got.len(),
            want.len(),
            "{width} x {height}, {max_tiles} tiles"
        );
        let equal = got
            .iter()
            .zip(&want)
            .all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(
            equal,
            "{width} x {height}, {max_tiles} tiles: pixel values differ"
        );
    }
}
