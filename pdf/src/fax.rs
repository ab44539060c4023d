//! Pages of a TIFF file in one of the three fax compressions (CCITT, T.4 and T.6), which are black and white.

use hayro_ccitt::{DecodeSettings, Decoder, DecoderContext, EncodingMode};
use image::GrayImage;

/// How the rows were compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fax {
    /// TIFF's number of it: 2 (rows of their own, without marks), 3 (Group 3) or 4 (Group 4).
    pub(crate) compression: u16,
    /// TIFF's options of Group 3: whether rows refer to the ones before (1).
    pub(crate) options: u32,
    /// Whether the first pixel is a byte's lowest bit.
    pub(crate) lowest_first: bool,
    /// Whether a run of white is black.
    pub(crate) inverted: bool,
    /// Rows of a strip, but for the last.
    pub(crate) rows: u32,
}

impl Fax {
    /// The picture of `strips`, and whether it is whole.
    pub(crate) fn decode(self, strips: &[&[u8]], (width, height): (u32, u32)) -> (GrayImage, bool) {
        let mut paper = Paper::new(
            width,
            height,
            if self.inverted { [0, 255] } else { [255, 0] },
        );
        let mut whole = true;
        for (at, strip) in (0..height).step_by(self.rows as usize).zip(strips) {
            paper.row = at;
            let rows = self.rows.min(height - at);
            let turned: Vec<u8>;
            let strip = if self.lowest_first {
                turned = strip.iter().map(|byte| byte.reverse_bits()).collect();
                &turned
            } else {
                *strip
            };
            let read = hayro_ccitt::decode(strip, &mut paper, &mut self.context(width, rows));
            whole &= read.is_ok() && paper.row == at + rows;
        }
        (paper.pixels, whole)
    }

    fn context(self, columns: u32, rows: u32) -> DecoderContext {
        DecoderContext::new(DecodeSettings {
            columns,
            rows,
            end_of_block: self.compression != 2,
            end_of_line: self.compression == 3,
            rows_are_byte_aligned: self.compression == 2,
            encoding: match (self.compression, self.options & 1) {
                (4, _) => EncodingMode::Group4,
                (3, 1) => EncodingMode::Group3_2D,
                _ => EncodingMode::Group3_1D,
            },
            strict: false,
        })
    }
}

/// What the rows are written on.
struct Paper {
    pixels: GrayImage,
    /// The next one.
    row: u32,
    /// The levels of white and of black.
    inks: [u8; 2],
}

impl Paper {
    fn new(width: u32, height: u32, inks: [u8; 2]) -> Self {
        let pixels = GrayImage::from_pixel(width, height, image::Luma([inks[0]]));
        let row = 0;
        Self { pixels, row, inks }
    }
}

impl Decoder for Paper {
    fn push_row(&mut self, changes: &[u32]) {
        let width = self.pixels.width();
        let row = self.row as usize * width as usize;
        if let Some(row) = self.pixels.get_mut(row..row + width as usize) {
            for black in changes.chunks(2) {
                let end = black.get(1).copied().unwrap_or(width);
                row[black[0] as usize..end as usize].fill(self.inks[1]);
            }
        }
        self.row += 1;
    }
}
