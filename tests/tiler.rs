//! The tiler against the reference: grids, coefficients, and canvases hashed from Pillow 12.3.

use pagelens::config::TilingConfig;
use pagelens::page::Page;
use pagelens::vision::tiles::{Axis, Grid, MEAN, Plan, STD, grid, resize, tiles};
use sha2::{Digest, Sha256};

const TILE: usize = 448;

/// `p(x, y, c) = (3x^2 + 5y^2 + 7xy + 85c + x/3 + y/5) mod 256`: every level, no smooth area.
fn test_page(width: usize, height: usize) -> Page {
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let base = 3 * x * x + 5 * y * y + 7 * x * y + x / 3 + y / 5;
            rgb.extend((0..3).map(|c| ((base + 85 * c) % 256) as u8));
        }
    }
    Page::new(width, height, rgb)
}

/// The first 16 hexadecimal digits of the SHA-256.
fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn pixel(page: &Page, x: usize, y: usize) -> [u8; 3] {
    std::array::from_fn(|c| page.rgb[(y * page.width + x) * 3 + c])
}

fn tiling(max_tiles: usize) -> TilingConfig {
    TilingConfig {
        min_tiles: 1,
        max_tiles,
        thumbnail: true,
    }
}

/// The limits the grids below are for.
const LIMITS: [usize; 5] = [6, 12, 18, 24, 40];
/// Width and height of a page, and its columns and rows for each limit.
type Grids = (usize, usize, [(usize, usize); 5]);
#[rustfmt::skip]
const GRIDS: [Grids; 47] = [
    (800, 1300,  [(2, 3), (2, 3), (3, 5), (3, 5), (5, 8)]),
    (1300, 800,  [(3, 2), (3, 2), (5, 3), (5, 3), (8, 5)]),
    (448, 448,   [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]),
    (100, 100,   [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]),
    (500, 500,   [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]),
    (640, 640,   [(2, 2), (2, 2), (2, 2), (2, 2), (2, 2)]),
    (800, 800,   [(2, 2), (2, 2), (2, 2), (2, 2), (2, 2)]),
    (1000, 1000, [(2, 2), (3, 3), (3, 3), (3, 3), (3, 3)]),
    (1024, 1024, [(2, 2), (3, 3), (3, 3), (3, 3), (3, 3)]),
    (2000, 2000, [(2, 2), (3, 3), (4, 4), (4, 4), (6, 6)]),
    (640, 480,   [(3, 2), (4, 3), (4, 3), (4, 3), (4, 3)]),
    (64, 48,     [(3, 2), (4, 3), (4, 3), (4, 3), (4, 3)]),
    (800, 600,   [(3, 2), (4, 3), (4, 3), (4, 3), (4, 3)]),
    (1024, 768,  [(3, 2), (4, 3), (4, 3), (4, 3), (4, 3)]),
    (4032, 3024, [(3, 2), (4, 3), (4, 3), (4, 3), (4, 3)]),
    (480, 640,   [(2, 3), (3, 4), (3, 4), (3, 4), (3, 4)]),
    (1280, 720,  [(2, 1), (4, 2), (5, 3), (5, 3), (7, 4)]),
    (1920, 1080, [(2, 1), (4, 2), (5, 3), (5, 3), (7, 4)]),
    (3840, 2160, [(2, 1), (4, 2), (5, 3), (5, 3), (7, 4)]),
    (1080, 1920, [(1, 2), (2, 4), (3, 5), (3, 5), (4, 7)]),
    (1440, 900,  [(3, 2), (3, 2), (5, 3), (5, 3), (8, 5)]),
    (1170, 2532, [(1, 2), (2, 4), (3, 6), (3, 7), (4, 9)]),
    (595, 842,   [(2, 3), (2, 3), (2, 3), (2, 3), (5, 7)]),
    (1240, 1754, [(2, 3), (2, 3), (2, 3), (2, 3), (5, 7)]),
    (2480, 3508, [(2, 3), (2, 3), (2, 3), (4, 6), (5, 7)]),
    (850, 1100,  [(2, 3), (3, 4), (3, 4), (3, 4), (3, 4)]),
    (1700, 2200, [(2, 3), (3, 4), (3, 4), (3, 4), (3, 4)]),
    (2550, 3300, [(2, 3), (3, 4), (3, 4), (3, 4), (3, 4)]),
    (600, 400,   [(3, 2), (3, 2), (3, 2), (3, 2), (3, 2)]),
    (1200, 800,  [(3, 2), (3, 2), (3, 2), (3, 2), (3, 2)]),
    (896, 448,   [(2, 1), (2, 1), (2, 1), (2, 1), (2, 1)]),
    (1600, 400,  [(4, 1), (4, 1), (4, 1), (4, 1), (4, 1)]),
    (5000, 1000, [(5, 1), (5, 1), (5, 1), (10, 2), (10, 2)]),
    (2000, 150,  [(6, 1), (12, 1), (13, 1), (13, 1), (13, 1)]),
    (3000, 50,   [(6, 1), (12, 1), (18, 1), (24, 1), (40, 1)]),
    (50, 3000,   [(1, 6), (1, 12), (1, 18), (1, 24), (1, 40)]),
    (1, 1000,    [(1, 6), (1, 12), (1, 18), (1, 24), (1, 40)]),
    // one pixel beside a tie, and the tie rule's strict inequality: 2 x 2 tiles need more than 2 * 448 * 448 pixels
    (633, 634,   [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]),
    (633, 633,   [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]),
    (634, 634,   [(2, 2), (2, 2), (2, 2), (2, 2), (2, 2)]),
    (448, 896,   [(1, 2), (1, 2), (1, 2), (1, 2), (1, 2)]),
    (896, 1792,  [(1, 2), (2, 4), (2, 4), (2, 4), (2, 4)]),
    (634, 1268,  [(1, 2), (2, 4), (2, 4), (2, 4), (2, 4)]),
    (1, 1,       [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)]),
    (16384, 1,   [(6, 1), (12, 1), (18, 1), (24, 1), (40, 1)]),
    (37, 23,     [(3, 2), (3, 2), (5, 3), (5, 3), (8, 5)]),
    (8000, 8000, [(2, 2), (3, 3), (4, 4), (4, 4), (6, 6)]),
];

#[test]
fn grids_match_the_worked_examples() {
    for (width, height, expected) in GRIDS {
        for (max, (cols, rows)) in LIMITS.into_iter().zip(expected) {
            let plan = Plan::new(width, height, &tiling(max), TILE);
            assert_eq!(
                plan.grid,
                Grid { cols, rows },
                "{width}x{height}, at most {max}"
            );
            let tiles = cols * rows + usize::from(cols * rows > 1);
            assert_eq!(plan.tiles(), tiles, "{width}x{height}, at most {max}");
            assert_eq!(plan.canvas(), (cols * TILE, rows * TILE));
        }
    }
}

#[test]
fn every_limit_has_its_candidates() {
    for max in 1..=40 {
        let reachable = (1..=max).flat_map(|cols| (1..=max / cols).map(move |rows| (cols, rows)));
        for (cols, rows) in reachable {
            let got = grid(cols * 2000, rows * 2000, 1, max, TILE);
            assert!(
                got.cols * got.rows <= max && got.cols * rows == got.rows * cols,
                "{cols}x{rows}, at most {max}: {got:?}"
            );
        }
    }
    assert_eq!(
        grid(448, 448, 2, 6, TILE),
        Grid { cols: 2, rows: 2 },
        "at least 2 leaves out 1x1"
    );
    assert_eq!(
        grid(900, 300, 5, 4, TILE),
        Grid { cols: 1, rows: 1 },
        "no candidate at all"
    );
}

#[test]
fn the_thumbnail_can_be_left_out() {
    let without = TilingConfig {
        thumbnail: false,
        ..tiling(12)
    };
    assert_eq!(Plan::new(800, 1300, &without, TILE).tiles(), 6);
    assert_eq!(
        Plan::new(448, 448, &tiling(12), TILE).tiles(),
        1,
        "one tile is its own thumbnail"
    );
}

#[test]
fn coefficients_match_pillow() {
    type Spot = (usize, usize, usize, usize, &'static [i32]);
    const SPOTS: [Spot; 4] = [
        (800, 896, 0, 0, &[4298149, -103845]),
        (800, 896, 448, 398, &[-5696, 135455, 4165178, -100633]),
        (
            1300,
            448,
            0,
            0,
            &[1223334, 1558619, 1160607, 439149, -35675, -112719, -39012],
        ),
        (
            640,
            448,
            224,
            318,
            &[-163350, 337150, 2783186, 1447051, -206250, -3483],
        ),
    ];
    for (n_in, n_out, out, first, taps) in SPOTS {
        let axis = Axis::new(n_in, n_out);
        assert_eq!(
            axis.bounds[out],
            (first as u32, taps.len() as u32),
            "{n_in} -> {n_out}, {out}"
        );
        let stored = &axis.taps[out * axis.stride..(out + 1) * axis.stride];
        assert_eq!(&stored[..taps.len()], taps, "{n_in} -> {n_out}, {out}");
        assert!(
            stored[taps.len()..].iter().all(|&tap| tap == 0),
            "zero beyond the count"
        );
    }
}

#[test]
fn axes_stay_inside_the_source() {
    for n_in in [1, 2, 3, 7, 50, 447, 448, 449, 3000, 16384] {
        for n_out in [1, 2, 448, 896, 17920] {
            let axis = Axis::new(n_in, n_out);
            assert_eq!(
                (axis.bounds.len(), axis.taps.len()),
                (n_out, n_out * axis.stride)
            );
            for &(first, count) in &axis.bounds {
                assert!(
                    count >= 1 && count as usize <= axis.stride && (first + count) as usize <= n_in,
                    "{n_in} -> {n_out}"
                );
            }
        }
    }
}

struct Golden {
    size: (usize, usize),
    grid: (usize, usize),
    input: &'static str,
    canvas: &'static str,
    /// Top left, centre, bottom right.
    canvas_pixels: [[u8; 3]; 3],
    thumbnail: Option<(&'static str, [[u8; 3]; 2])>,
}

/// Pillow 12.3, at most 12 tiles.
#[rustfmt::skip]
const GOLDEN: [Golden; 6] = [
    Golden { size: (800, 1300), grid: (2, 3), input: "2aed2dffc671c641", canvas: "91fb15c8a2e832ea",
        canvas_pixels: [[0, 85, 170], [88, 175, 12], [120, 207, 28]],
        thumbnail: Some(("ca1d4e7a13bacd38", [[10, 98, 193], [120, 113, 129]])) },
    Golden { size: (640, 480), grid: (4, 3), input: "34f2f1161aaf3b9a", canvas: "af6eafea5d0528e7",
        canvas_pixels: [[0, 85, 170], [140, 255, 54], [233, 62, 147]],
        thumbnail: Some(("2349464b3cce612c", [[0, 85, 170], [160, 160, 73]])) },
    Golden { size: (448, 448), grid: (1, 1), input: "affb7f569427c72d", canvas: "affb7f569427c72d",
        canvas_pixels: [[0, 85, 170], [118, 203, 32], [125, 210, 39]],
        thumbnail: None },
    Golden { size: (50, 3000), grid: (1, 12), input: "227419495d939da5", canvas: "db93ffefdcdd93fc",
        canvas_pixels: [[0, 85, 170], [111, 194, 159], [222, 30, 136]],
        thumbnail: Some(("cabfa192d72e73ab", [[67, 115, 171], [138, 150, 128]])) },
    Golden { size: (1920, 1080), grid: (4, 2), input: "9c3030695045b947", canvas: "42868cec21085209",
        canvas_pixels: [[0, 85, 170], [214, 109, 141], [137, 160, 40]],
        thumbnail: Some(("6d3f4698a99b6d23", [[28, 122, 185], [143, 134, 116]])) },
    Golden { size: (37, 23), grid: (3, 2), input: "fc614586a08a5857", canvas: "db320453efb7122f",
        canvas_pixels: [[0, 85, 170], [154, 242, 68], [65, 186, 0]],
        thumbnail: Some(("3e663c189e478fda", [[0, 85, 170], [151, 245, 66]])) },
];

#[test]
fn canvases_and_thumbnails_are_pillows() {
    for golden in &GOLDEN {
        let (width, height) = golden.size;
        let page = test_page(width, height);
        assert_eq!(
            hash(&page.rgb),
            golden.input,
            "{width}x{height}: the test page itself"
        );
        let plan = Plan::new(width, height, &tiling(12), TILE);
        assert_eq!((plan.grid.cols, plan.grid.rows), golden.grid);

        let (w, h) = plan.canvas();
        let canvas = resize(&page, w, h);
        let spots = [
            pixel(&canvas, 0, 0),
            pixel(&canvas, w / 2, h / 2),
            pixel(&canvas, w - 1, h - 1),
        ];
        assert_eq!(spots, golden.canvas_pixels, "{width}x{height}: canvas");
        assert_eq!(hash(&canvas.rgb), golden.canvas, "{width}x{height}: canvas");

        assert_eq!(plan.thumbnail, golden.thumbnail.is_some());
        if let Some((expected, spots)) = golden.thumbnail {
            let thumbnail = resize(&page, TILE, TILE);
            assert_eq!(
                [pixel(&thumbnail, 0, 0), pixel(&thumbnail, 224, 224)],
                spots,
                "{width}x{height}: thumbnail"
            );
            assert_eq!(
                hash(&thumbnail.rgb),
                expected,
                "{width}x{height}: thumbnail"
            );
        }
    }
}

#[test]
fn tiles_go_row_by_row_and_the_thumbnail_last() {
    let page = test_page(640, 480); // 4 x 3
    let tiles = tiles(&page, &tiling(12), TILE);
    let canvas = resize(&page, 4 * TILE, 3 * TILE);
    let at = |tile: usize, x: usize, y: usize| -> [u8; 3] {
        std::array::from_fn(|c| tiles.rgb[((tile * TILE + y) * TILE + x) * 3 + c])
    };
    assert_eq!(tiles.rgb.len(), 13 * TILE * TILE * 3);
    for tile in 0..12 {
        for (x, y) in [(0, 0), (447, 0), (13, 200), (447, 447)] {
            assert_eq!(
                at(tile, x, y),
                pixel(&canvas, tile % 4 * TILE + x, tile / 4 * TILE + y),
                "tile {tile}"
            );
        }
    }
    assert_eq!(
        tiles.rgb[12 * TILE * TILE * 3..],
        resize(&page, TILE, TILE).rgb
    );
}

#[test]
fn normalise_is_torchvisions() {
    const LEVELS: [(u8, [f32; 3]); 3] = [
        (0, [-2.117_904, -2.035_714_1, -1.804_444_4]),
        (127, [0.056_939_743, 0.187_675_06, 0.409_063_25]),
        (255, [2.248_908_3, 2.428_571_5, 2.64]),
    ];
    for (level, expected) in LEVELS {
        let page = Page::new(2, 2, vec![level; 12]);
        let values = tiles(&page, &tiling(1), 2).normalise(); // [1, 3, 2, 2]
        for c in 0..3 {
            assert_eq!(
                values[c * 4..][..4],
                [expected[c]; 4],
                "level {level}, channel {c}"
            );
        }
    }
    let page = test_page(16, 8); // 2 x 1 tiles of 8
    let tiles = tiles(&page, &tiling(2), 8);
    let values = tiles.normalise(); // [3, 3, 8, 8]
    for (i, &value) in values.iter().enumerate() {
        let (tile, c, position) = (i / 192, i / 64 % 3, i % 64);
        let level = f32::from(tiles.rgb[tile * 192 + position * 3 + c]);
        assert_eq!(value, (level / 255.0 - MEAN[c]) / STD[c], "value {i}");
    }
}
