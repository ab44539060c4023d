//! Pages to tiles: InternVL's `dynamic_preprocess` (OpenGVLab/InternVL, `internvl_chat/internvl/train/dataset.py`) and
//! the bicubic resize of Pillow 7 to 12 (`src/libImaging/Resample.c`), both bit for bit.
//!
//! A page is resized, ignoring its aspect, onto a canvas of `cols x rows` tiles whose ratio is the closest there is; the
//! canvas is cut row by row, and the whole page in the size of one tile goes last. Pillow 13 runs the vertical pass first
//! for some shapes; the models were trained with the order kept here, horizontal first.

use std::borrow::Cow;

use crate::config::TilingConfig;
use crate::page::Page;

/// How many tiles a page is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Tiles side by side.
    pub cols: usize,
    /// Tiles one below the other.
    pub rows: usize,
}

/// The grid of `min..=max` tiles whose ratio is the closest to the page's.
///
/// Candidates go by area, then by columns. An exact tie goes to the later one only where the page has more than half of
/// its pixels. All quotients are f64, written as the reference writes them: equal ratios compare equal.
pub fn grid(width: usize, height: usize, min: usize, max: usize, tile: usize) -> Grid {
    let mut candidates: Vec<Grid> = (1..=max)
        .flat_map(|cols| (1..=max / cols).map(move |rows| Grid { cols, rows }))
        .filter(|g| g.cols * g.rows >= min)
        .collect();
    candidates.sort_by_key(|g| g.cols * g.rows);

    let ratio = width as f64 / height as f64;
    let area = (width * height) as f64;
    let mut best = Grid { cols: 1, rows: 1 };
    let mut best_difference = f64::INFINITY;
    for g in candidates {
        let difference = (ratio - g.cols as f64 / g.rows as f64).abs();
        if difference < best_difference {
            best_difference = difference;
            best = g;
        } else if difference == best_difference
            && area > 0.5 * (tile * tile * g.cols * g.rows) as f64
        {
            best = g;
        }
    }
    best
}

/// What a page becomes, known from its size alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// How the canvas is cut.
    pub grid: Grid,
    /// Whether the whole page follows as one more tile.
    pub thumbnail: bool,
    /// Edge of a tile in pixels.
    pub tile: usize,
}

impl Plan {
    /// The plan of a page of `width x height`.
    pub fn new(width: usize, height: usize, tiling: &TilingConfig, tile: usize) -> Self {
        let grid = grid(width, height, tiling.min_tiles, tiling.max_tiles, tile);
        Self {
            grid,
            thumbnail: tiling.thumbnail && grid.cols * grid.rows != 1,
            tile,
        }
    }

    /// Tiles in all, with the thumbnail.
    pub fn tiles(&self) -> usize {
        self.grid.cols * self.grid.rows + usize::from(self.thumbnail)
    }

    /// Whether the last tile is the whole page, the same in every such plan.
    pub fn ends_whole(&self) -> bool {
        self.thumbnail || self.tiles() == 1
    }

    /// Width and height the page is resized to before it is cut.
    pub fn canvas(&self) -> (usize, usize) {
        (self.grid.cols * self.tile, self.grid.rows * self.tile)
    }
}

/// A page cut into tiles.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// How it was cut.
    pub plan: Plan,
    /// `[n, tile, tile, 3]`, grid cells row by row, the thumbnail last.
    pub rgb: Vec<u8>,
}

/// Cuts a page into tiles on the CPU.
pub fn tiles(page: &Page, tiling: &TilingConfig, tile: usize) -> Tiles {
    let plan = Plan::new(page.width, page.height, tiling, tile);
    let (width, height) = plan.canvas();
    let canvas = resize(page, width, height); // [rows * tile, cols * tile, 3]
    let mut rgb = Vec::with_capacity(plan.tiles() * tile * tile * 3);
    for cell in 0..plan.grid.cols * plan.grid.rows {
        let (left, top) = (cell % plan.grid.cols * tile, cell / plan.grid.cols * tile);
        for y in top..top + tile {
            let start = (y * width + left) * 3;
            rgb.extend_from_slice(&canvas.rgb[start..start + tile * 3]);
        }
    }
    if plan.thumbnail {
        rgb.extend_from_slice(&resize(page, tile, tile).rgb);
    }
    Tiles { plan, rgb }
}

/// ImageNet's channel means, used by every InternVL chat model.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations.
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Every result of the normalisation, `[3, 256]`: the CPU and the GPU look it up, so they agree to the bit.
pub fn levels() -> [[f32; 256]; 3] {
    std::array::from_fn(|c| std::array::from_fn(|x| (x as f32 / 255.0 - MEAN[c]) / STD[c]))
}

impl Tiles {
    /// `(x / 255 - mean) / std` in f32, as torchvision's `ToTensor` and `Normalize`: `[n, 3, tile, tile]`.
    pub fn normalise(&self) -> Vec<f32> {
        let pixels = self.plan.tile * self.plan.tile;
        let mut out = Vec::with_capacity(self.rgb.len());
        let levels = levels();
        for tile in self.rgb.chunks_exact(pixels * 3) {
            for (c, level) in levels.iter().enumerate() {
                out.extend(tile[c..].iter().step_by(3).map(|&x| level[usize::from(x)]));
            }
        }
        out
    }
}

/// Fractional bits of a tap.
pub const TAP_BITS: u32 = 22;

/// Pillow's bicubic coefficients for one axis: output position `o` is the sum of `count` source positions from `first`
/// on, weighted by its taps. Shared by the CPU resize and the GPU kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// `[n_out]` of (first, count).
    pub bounds: Vec<(u32, u32)>,
    /// `[n_out, stride]`, fixed point with [`TAP_BITS`] fractional bits, zero beyond `count`.
    pub taps: Vec<i32>,
    /// Taps stored for each output position.
    pub stride: usize,
}

impl Axis {
    /// The coefficients that take `n_in` positions to `n_out`; antialiased where that is fewer.
    pub fn new(n_in: usize, n_out: usize) -> Self {
        let scale = n_in as f64 / n_out as f64;
        let filter_scale = scale.max(1.0);
        let support = 2.0 * filter_scale;
        let step = 1.0 / filter_scale;
        let stride = support.ceil() as usize * 2 + 1;
        let mut bounds = Vec::with_capacity(n_out);
        let mut taps = vec![0; n_out * stride];
        let mut weights = Vec::with_capacity(stride);
        for (out, taps) in taps.chunks_exact_mut(stride).enumerate() {
            let centre = (out as f64 + 0.5) * scale;
            // `as` truncates towards zero and stops at 0, as the C casts and the clamp after them do
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(n_in);
            weights.clear();
            weights.extend(
                (0..end - first).map(|x| bicubic(((x + first) as f64 - centre + 0.5) * step)),
            );
            let sum: f64 = weights.iter().sum();
            for (tap, weight) in taps.iter_mut().zip(&weights) {
                let scaled = weight / sum * f64::from(1u32 << TAP_BITS);
                *tap = (scaled + if *weight < 0.0 { -0.5 } else { 0.5 }) as i32;
            }
            bounds.push((first as u32, (end - first) as u32));
        }
        Self {
            bounds,
            taps,
            stride,
        }
    }

    /// First source position and taps of each output position.
    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let rows = self.bounds.iter().zip(self.taps.chunks_exact(self.stride));
        rows.map(|(&(first, count), taps)| (first as usize, &taps[..count as usize]))
    }
}

/// Keys' cubic with a = -0.5.
fn bicubic(t: f64) -> f64 {
    const A: f64 = -0.5;
    let t = t.abs();
    if t < 1.0 {
        ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        (((t - 5.0) * t + 8.0) * t - 4.0) * A
    } else {
        0.0
    }
}

/// Half a level, so that the shift in [`level`] rounds.
const HALF: i32 = 1 << (TAP_BITS - 1);

/// A sum of taps times levels, back to a level.
fn level(sum: i32) -> u8 {
    (sum >> TAP_BITS).clamp(0, 255) as u8
}

/// `PIL.Image.resize` of an RGB page with its default filter: horizontal pass, 8-bit intermediate, vertical pass; a pass
/// that would not change the size is left out.
pub fn resize(page: &Page, width: usize, height: usize) -> Page {
    let mut rgb = Cow::Borrowed(page.rgb.as_slice());
    if width != page.width {
        rgb = Cow::Owned(horizontal(&rgb, page.width, &Axis::new(page.width, width)));
    }
    if height != page.height {
        rgb = Cow::Owned(vertical(&rgb, width * 3, &Axis::new(page.height, height)));
    }
    Page::new(width, height, rgb.into_owned())
}

/// `[h, n_in, 3]` to `[h, n_out, 3]`.
fn horizontal(rgb: &[u8], n_in: usize, axis: &Axis) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() / n_in * axis.bounds.len());
    let mut row = vec![0; n_in * 3 + 1]; // one byte more: a pixel is read as four lanes, the last of them unused
    for source in rgb.chunks_exact(n_in * 3) {
        row[..n_in * 3].copy_from_slice(source);
        for (first, taps) in axis.iter() {
            let mut sum = [HALF; 4];
            let mut pixels = &row[first * 3..];
            for &tap in taps {
                for (sum, &x) in sum.iter_mut().zip(&pixels[..4]) {
                    *sum += tap * i32::from(x);
                }
                pixels = &pixels[3..];
            }
            out.extend_from_slice(&[level(sum[0]), level(sum[1]), level(sum[2])]);
        }
    }
    out
}

/// `[n_in, row]` to `[n_out, row]`.
fn vertical(rgb: &[u8], row: usize, axis: &Axis) -> Vec<u8> {
    let mut out = Vec::with_capacity(row * axis.bounds.len());
    let mut sums = vec![0; row];
    for (first, taps) in axis.iter() {
        sums.fill(HALF);
        for (&tap, source) in taps.iter().zip(rgb[first * row..].chunks_exact(row)) {
            for (sum, &x) in sums.iter_mut().zip(source) {
                *sum += tap * i32::from(x);
            }
        }
        out.extend(sums.iter().map(|&sum| level(sum)));
    }
    out
}
