//! Documents to pictures of their pages: PDF files with hayro (`pdf.rs`), TIFF files of several pages (`tiff.rs`). Only pixels
//! come out: a document's scripts, forms, links and attachments are never run or followed.
//!
//! A package of its own, so that a document that hangs or breaks what draws it takes nothing else along: the page runs it as
//! a WebAssembly module in a worker that can be ended (`web.rs`), the command line as a program that can be killed
//! (`main.rs`).

mod fax;
mod pdf;
mod tiff;
#[cfg(target_arch = "wasm32")]
mod web;

use std::sync::Arc;

/// Longest side of a page in pixels: five of a model's tiles of 448, and 190 dots per inch of an A4 page.
pub const LONGEST_SIDE: u16 = 2240;

/// Most pages of a document.
pub const MOST_PAGES: usize = 2000;

/// Most pixels of a picture in a document that are decoded, and of a page of a TIFF file.
const MOST_PIXELS: u64 = 64_000_000;

/// What can be wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is encrypted, and no password or a wrong one was given.
    #[error("a password is needed")]
    Password,
    /// It is encrypted in a way that is not read.
    #[error("its encryption is damaged or of an unknown kind")]
    Encryption,
    /// It has no structure that could be followed.
    #[error("it is damaged, or neither a PDF nor a TIFF document")]
    Damaged,
    /// There is nothing to see.
    #[error("it has no pages")]
    Empty,
    /// More pages than are read.
    #[error("it has {0} pages; documents of up to {MOST_PAGES} are read")]
    Long(usize),
    /// There is no such page.
    #[error("it has no page {0}")]
    NoPage(usize),
    /// A page whose sides are no lengths that could be drawn.
    #[error("page {0} has no usable size")]
    Size(usize),
    /// A page of a TIFF file that is damaged, or of a kind that is not read.
    #[error("page {0}: {1}")]
    Page(usize, String),
    /// A font that is none.
    #[error("the font for Chinese, Japanese and Korean is no font")]
    Font,
}

impl DocumentError {
    /// A stable name for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Password => "pdf-password",
            Self::Encryption => "pdf-encryption",
            Self::Damaged => "pdf-damaged",
            Self::Empty => "pdf-empty",
            Self::Long(_) => "pdf-too-long",
            Self::NoPage(_) => "pdf-no-page",
            Self::Size(_) => "pdf-page-size",
            Self::Page(..) => "pdf-page",
            Self::Font => "pdf-font",
        }
    }
}

/// An open document.
pub struct Document(Kind);

enum Kind {
    Pdf(pdf::PdfFile),
    Tiff(Box<tiff::TiffFile>),
}

/// A page as pixels.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// `[height, width, 4]`, opaque, on white.
    pub rgba: Vec<u8>,
    /// What is on the page but not in the picture, in words: fonts that are neither in the document nor here, pictures
    /// that could not be decoded.
    pub missing: Vec<String>,
    /// Whether a font for Chinese, Japanese and Korean would draw some of what is missing.
    pub needs_font: bool,
}

impl Document {
    /// Opens a document; an empty password is none.
    pub fn open(bytes: Vec<u8>, password: &str) -> Result<Self, DocumentError> {
        let document = if tiff::is_tiff(&bytes) {
            Kind::Tiff(Box::new(tiff::TiffFile::open(bytes)?))
        } else {
            Kind::Pdf(pdf::PdfFile::open(bytes, password)?)
        };
        let document = Self(document);
        match document.pages() {
            0 => Err(DocumentError::Empty),
            pages if pages > MOST_PAGES => Err(DocumentError::Long(pages)),
            _ => Ok(document),
        }
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        match &self.0 {
            Kind::Pdf(pdf) => pdf.pages(),
            Kind::Tiff(tiff) => tiff.pages(),
        }
    }

    /// Takes a font, a TrueType or OpenType file, for the Chinese, Japanese and Korean text whose own font the document
    /// does not carry.
    pub fn set_font(&mut self, font: Vec<u8>) -> Result<(), DocumentError> {
        let magic = [&[0, 1, 0, 0], b"OTTO", b"ttcf", b"true"];
        if !magic.iter().any(|magic| font.starts_with(*magic)) {
            return Err(DocumentError::Font);
        }
        if let Kind::Pdf(pdf) = &mut self.0 {
            pdf.font = Some(Arc::new(font));
        }
        Ok(())
    }

    /// Draws page `number`, counted from 1, with at most `longest` pixels on its longer side.
    pub fn draw(&mut self, number: usize, longest: u16) -> Result<Drawn, DocumentError> {
        let at = number.checked_sub(1).filter(|&at| at < self.pages());
        let at = at.ok_or(DocumentError::NoPage(number))?;
        match &mut self.0 {
            Kind::Pdf(pdf) => pdf.draw(at, longest),
            Kind::Tiff(tiff) => tiff.draw(at, longest),
        }
    }
}
