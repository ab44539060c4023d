//! PDF files to pictures of their pages, with hayro. Only pixels come out: a document's scripts, forms, links and
//! attachments are never run or followed.
//!
//! A package of its own, so that a document that hangs or breaks the renderer takes nothing else along: the page runs it as
//! a WebAssembly module in a worker that can be ended (`web.rs`), the command line as a program that can be killed
//! (`main.rs`).

#[cfg(target_arch = "wasm32")]
mod web;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use hayro::hayro_interpret::font::FontQuery;
use hayro::hayro_interpret::hayro_cmap::CidFamily;
use hayro::hayro_interpret::{InterpreterSettings, InterpreterWarning};
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};

/// Longest side of a page in pixels: five of a model's tiles of 448, and 190 dots per inch of an A4 page.
pub const LONGEST_SIDE: u16 = 2240;

/// Most pages of a document.
pub const MOST_PAGES: usize = 2000;

/// What can be wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// It is encrypted, and no password or a wrong one was given.
    #[error("a password is needed")]
    Password,
    /// It is encrypted in a way that is not read.
    #[error("its encryption is damaged or of an unknown kind")]
    Encryption,
    /// It has no structure that could be followed.
    #[error("it is damaged, or no PDF document")]
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
}

impl PdfError {
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
        }
    }
}

/// An open document.
pub struct Document {
    pdf: Pdf,
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
}

impl Document {
    /// Opens a document; an empty password is none.
    pub fn open(bytes: Vec<u8>, password: &str) -> Result<Self, PdfError> {
        let pdf = Pdf::new_with_password(bytes, password).map_err(|error| match error {
            LoadPdfError::Decryption(DecryptionError::PasswordProtected) => PdfError::Password,
            LoadPdfError::Decryption(_) => PdfError::Encryption,
            LoadPdfError::Invalid => PdfError::Damaged,
        })?;
        match pdf.pages().len() {
            0 => Err(PdfError::Empty),
            pages if pages > MOST_PAGES => Err(PdfError::Long(pages)),
            _ => Ok(Self { pdf }),
        }
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.pdf.pages().len()
    }

    /// Draws page `number`, counted from 1, with `longest` pixels on its longer side.
    pub fn draw(&self, number: usize, longest: u16) -> Result<Drawn, PdfError> {
        let pages = self.pdf.pages();
        let page = number.checked_sub(1).and_then(|at| pages.get(at));
        let page = page.ok_or(PdfError::NoPage(number))?;
        let scale = scale(page, longest).ok_or(PdfError::Size(number))?;
        let missing = Arc::new(Mutex::new(BTreeSet::new()));
        let pixmap = render(
            page,
            &RenderCache::new(),
            &interpreter(&missing),
            &RenderSettings::default(),
            &PixmapSettings {
                x_scale: scale,
                y_scale: scale,
                bg_color: WHITE,
            },
        );
        let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.iter().any(|what| what.starts_with("the font ")) {
            missing.remove("a font"); // the same one, by its name
        }
        Ok(Drawn {
            width: pixmap.width(),
            height: pixmap.height(),
            rgba: pixmap.data_as_u8_slice().to_vec(),
            missing: missing.iter().cloned().collect(),
        })
    }
}

/// Points to pixels; `None` where no side would have a length.
fn scale(page: &Page<'_>, longest: u16) -> Option<f32> {
    let (width, height) = page.render_dimensions();
    let scale = f32::from(longest) / width.max(height);
    let shorter = width.min(height) * scale;
    (scale.is_finite() && scale > 0.0 && shorter >= 1.0).then_some(scale)
}

/// hayro's own fonts stand in for the Latin ones that a document does not carry. It has none for Chinese, Japanese and
/// Korean: their names go to `missing`, as does whatever else is left out.
fn interpreter(missing: &Arc<Mutex<BTreeSet<String>>>) -> InterpreterSettings {
    let note = |missing: &Mutex<BTreeSet<String>>, what: String| {
        if let Ok(mut missing) = missing.lock() {
            missing.insert(what);
        }
    };
    let (fonts, others) = (Arc::clone(missing), Arc::clone(missing));
    InterpreterSettings {
        font_resolver: Arc::new(move |query| match query {
            FontQuery::Standard(font) => Some(font.get_font_data()),
            FontQuery::Fallback(font) => {
                let family = font.character_collection.as_ref().map(|c| &c.family);
                if let Some(
                    CidFamily::AdobeGB1
                    | CidFamily::AdobeCNS1
                    | CidFamily::AdobeJapan1
                    | CidFamily::AdobeKorea1,
                ) = family
                {
                    let name = font.post_script_name.clone().or(font.font_name.clone());
                    note(
                        &fonts,
                        name.map_or("a font".to_owned(), |name| format!("the font {name}")),
                    );
                    return None;
                }
                Some(font.pick_standard_font().get_font_data())
            }
        }),
        warning_sink: Arc::new(move |warning| {
            let what = match warning {
                InterpreterWarning::UnsupportedFont => "a font",
                InterpreterWarning::ImageDecodeFailure => "a picture",
                InterpreterWarning::UnresolvedAnnotationAppearance => "an annotation",
                _ => "something",
            };
            note(&others, what.to_owned());
        }),
        ..InterpreterSettings::default()
    }
}
