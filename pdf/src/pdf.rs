//! PDF files, with hayro.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use hayro::hayro_interpret::font::{FontData, FontQuery, Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::{BfString, CidFamily};
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, InterpreterWarning, SoftMask, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::kurbo::{Affine, BezPath, Rect};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use skrifa::{FontRef, MetadataProvider as _};

use crate::{DocumentError, Drawn, MOST_PIXELS};

/// An open document.
pub(crate) struct PdfFile {
    pdf: Pdf,
    /// What stands in for fonts of Chinese, Japanese and Korean.
    pub(crate) font: Option<FontData>,
}

/// What is left out of a page.
#[derive(Default)]
struct Missing {
    /// In words.
    names: BTreeSet<String>,
    /// Whether a font for Chinese, Japanese and Korean is among them.
    font: bool,
}

impl PdfFile {
    pub(crate) fn open(bytes: Vec<u8>, password: &str) -> Result<Self, DocumentError> {
        let pdf = Pdf::new_with_password(bytes, password).map_err(|error| match error {
            LoadPdfError::Decryption(DecryptionError::PasswordProtected) => DocumentError::Password,
            LoadPdfError::Decryption(_) => DocumentError::Encryption,
            LoadPdfError::Invalid => DocumentError::Damaged,
        })?;
        Ok(Self { pdf, font: None })
    }

    pub(crate) fn pages(&self) -> usize {
        self.pdf.pages().len()
    }

    /// Draws the page at `at`, which is there, with `longest` pixels on its longer side.
    pub(crate) fn draw(&self, at: usize, longest: u16) -> Result<Drawn, DocumentError> {
        let page = &self.pdf.pages()[at];
        let scale = scale(page, longest).ok_or(DocumentError::Size(at + 1))?;
        let missing = Arc::new(Mutex::new(Missing::default()));
        let settings = interpreter(&missing, self.font.clone());
        let pixmap = render(
            page,
            &RenderCache::new(),
            &settings,
            &RenderSettings::default(),
            &PixmapSettings {
                x_scale: scale,
                y_scale: scale,
                bg_color: WHITE,
            },
        );
        let left_out = left_out(page, settings, self.font.clone());
        let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing
            .names
            .iter()
            .any(|what| what.starts_with("the font "))
        {
            missing.names.remove("a font"); // the same one, by its name
        }
        Ok(Drawn {
            width: pixmap.width(),
            height: pixmap.height(),
            rgba: pixmap.data_as_u8_slice().to_vec(),
            missing: missing.names.iter().cloned().chain(left_out).collect(),
            needs_font: missing.font,
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
/// Korean: `font` does, and where there is none their names go to `missing`, as does whatever else is left out.
fn interpreter(missing: &Arc<Mutex<Missing>>, font: Option<FontData>) -> InterpreterSettings {
    let note = |missing: &Mutex<Missing>, what: String, font: bool| {
        if let Ok(mut missing) = missing.lock() {
            missing.names.insert(what);
            missing.font |= font;
        }
    };
    let (fonts, others) = (Arc::clone(missing), Arc::clone(missing));
    InterpreterSettings {
        font_resolver: Arc::new(move |query| match query {
            FontQuery::Standard(font) => Some(font.get_font_data()),
            FontQuery::Fallback(query) => {
                let family = query.character_collection.as_ref().map(|c| &c.family);
                if !matches!(
                    family,
                    Some(
                        CidFamily::AdobeGB1
                            | CidFamily::AdobeCNS1
                            | CidFamily::AdobeJapan1
                            | CidFamily::AdobeKorea1,
                    )
                ) {
                    return Some(query.pick_standard_font().get_font_data());
                }
                if let Some(font) = &font {
                    return Some((Arc::clone(font), 0));
                }
                let name = query.post_script_name.clone().or(query.font_name.clone());
                let name = name.map_or("a font".to_owned(), |name| format!("the font {name}"));
                note(&fonts, name, true);
                None
            }
        }),
        warning_sink: Arc::new(move |warning| {
            let what = match warning {
                InterpreterWarning::UnsupportedFont => "a font",
                InterpreterWarning::ImageDecodeFailure => "a picture",
                InterpreterWarning::UnresolvedAnnotationAppearance => "an annotation",
                _ => "something",
            };
            note(&others, what.to_owned(), false);
        }),
        ..InterpreterSettings::default()
    }
}

/// What the renderer leaves out of a page without saying so. The page is gone through once more, without drawing.
fn left_out(page: &Page<'_>, settings: InterpreterSettings, font: Option<FontData>) -> Vec<String> {
    let mut looked = LeftOut {
        font,
        ..LeftOut::default()
    };
    let cache = InterpreterCache::new();
    let everywhere = Rect::new(-1e9, -1e9, 1e9, 1e9);
    let mut context = Context::new(Affine::IDENTITY, everywhere, &cache, page.xref(), settings);
    interpret_page(page, &mut context, &mut looked);
    let mut names: Vec<String> = looked.pictures.into_iter().collect();
    if !looked.characters.is_empty() {
        let characters: String = looked.characters.iter().take(MOST_CHARACTERS).collect();
        names.push(format!("characters that no font here has ({characters})"));
    }
    names
}

/// Most characters that are named.
const MOST_CHARACTERS: usize = 20;

/// Draws nothing, and looks at pictures and characters.
#[derive(Default)]
struct LeftOut {
    /// What stands in for fonts of Chinese, Japanese and Korean.
    font: Option<FontData>,
    /// Pictures of which less came out than there should be. Small ones are not looked at, since that means to decode them.
    pictures: BTreeSet<String>,
    /// Characters that the stand-in does not have: some other character is drawn in their place.
    characters: BTreeSet<char>,
}

impl<'a> Device<'a> for LeftOut {
    fn draw_image(&mut self, image: Image<'a, '_>, _: ImageDrawProps<'a>) {
        let (width, height) = (image.width(), image.height());
        if u64::from(width) * u64::from(height) <= MOST_PIXELS {
            return;
        }
        let mut rows = 0.0;
        match image {
            Image::Raster(raster) => raster.with_rgba(
                |data, _| rows = data.height() as f32 * data.scale_factors().1,
                None,
            ),
            Image::Stencil(stencil) => stencil.with_stencil(
                |data, _| rows = data.height as f32 * data.scale_factors.1,
                None,
            ),
        }
        if rows < 0.99 * height as f32 {
            self.pictures
                .insert(format!("a picture of {width} x {height} pixels"));
        }
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, _: DrawProps<'a>, _: &DrawMode) {
        let Some(font) = self.font.as_deref().map(AsRef::as_ref) else {
            return;
        };
        let Some(Glyph::Outline(first)) = run.glyphs().first().map(|glyph| &**glyph) else {
            return;
        };
        let drawn = first.font_data();
        if !drawn.is_some_and(|drawn| std::ptr::eq((*drawn.data).as_ref(), font)) {
            return;
        }
        let Ok(font) = FontRef::from_index(font, 0) else {
            return;
        };
        for glyph in run.glyphs() {
            let character = match glyph.as_unicode() {
                Some(BfString::Char(character)) => character,
                _ => char::REPLACEMENT_CHARACTER,
            };
            if font.charmap().map(character).is_none() && !character.is_whitespace() {
                self.characters.insert(character);
            }
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
