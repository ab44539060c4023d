//! File bytes to RGB pages: the only module that knows picture formats.

mod decode;

pub use decode::{DecodeOptions, decode};

/// One picture, ready for the tiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// `[height, width, 3]`, row-major, 8 bits a channel.
    pub rgb: Vec<u8>,
}

impl Page {
    /// A page from interleaved RGB bytes; panics unless there are `width * height * 3` of them and at least one pixel.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert!(
            width > 0 && height > 0,
            "a page of {width} x {height} has no pixels"
        );
        assert_eq!(
            rgb.len(),
            width * height * 3,
            "RGB bytes of a {width} x {height} page"
        );
        Self { width, height, rgb }
    }
}
