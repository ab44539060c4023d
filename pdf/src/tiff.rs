//! TIFF files of several pages: faxes and scans. Colours go to eight bits; alpha is dropped, not composited.

use std::collections::HashSet;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage, imageops::FilterType};
use tiff::ColorType;
use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{IfdPointer, Tag};

use crate::fax::Fax;
use crate::{DocumentError, Drawn, MOST_PAGES, MOST_PIXELS};

/// Longest side of a page in pixels, as of any picture.
const MOST_SIDE: u32 = 16_384;

/// Most bytes that a page may be decoded to, as of any picture.
const MOST_BYTES: u64 = 256_000_000;

/// An open file.
pub(crate) struct TiffFile {
    decoder: Decoder<Cursor<Vec<u8>>>,
    /// Where the pages are in the chain of pictures; smaller copies of pages and masks are not pages.
    pages: Vec<usize>,
}

/// Whether a file begins as TIFF files do.
pub(crate) fn is_tiff(bytes: &[u8]) -> bool {
    let magic = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    magic.iter().any(|magic| bytes.starts_with(*magic))
}

impl TiffFile {
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let decoder = Decoder::new(Cursor::new(bytes)).map_err(|_| DocumentError::Damaged)?;
        let mut limits = Limits::default();
        limits.decoding_buffer_size = MOST_BYTES as usize;
        limits.intermediate_buffer_size = MOST_BYTES as usize;
        let mut decoder = decoder.with_limits(limits);
        let pages = pages(&mut decoder)?;
        Ok(Self { decoder, pages })
    }

    pub(crate) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Draws the page at `at`, which is there, with at most `longest` pixels on its longer side.
    pub(crate) fn draw(&mut self, at: usize, longest: u16) -> Result<Drawn, DocumentError> {
        let failed = |reason: String| DocumentError::Page(at + 1, reason);
        let (picture, whole) = self.decode(at).map_err(failed)?;
        let page = self.upright(picture, longest).into_rgba8();
        let side = |pixels: u32| u16::try_from(pixels).map_err(|_| DocumentError::Size(at + 1));
        Ok(Drawn {
            width: side(page.width())?,
            height: side(page.height())?,
            rgba: page.into_raw(),
            missing: if whole {
                vec![]
            } else {
                vec!["damaged rows".into()]
            },
            needs_font: false,
        })
    }

    /// The picture as it is stored, and whether it is whole.
    fn decode(&mut self, at: usize) -> Result<(DynamicImage, bool), String> {
        let decoder = &mut self.decoder;
        decoder.seek_to_image(self.pages[at]).map_err(reason)?;
        let (width, height) = decoder.dimensions().map_err(reason)?;
        if width.max(height) > MOST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(format!(
                "it is {width} x {height} pixels; {MOST_SIDE} pixels a side and {} megapixels are read",
                MOST_PIXELS / 1_000_000
            ));
        }
        let compression = number(decoder, Tag::Compression, 1);
        if let Ok(compression @ 2..=4) = u16::try_from(compression) {
            let (picture, whole) = fax(decoder, compression, (width, height))?;
            return Ok((picture.into(), whole));
        }
        let colour = decoder.colortype().map_err(reason)?;
        let mut result = DecodingResult::U8(vec![]);
        let layout = decoder.read_image_to_buffer(&mut result).map_err(reason)?;
        let samples = eight_bits(
            result,
            colour.bit_depth(),
            width as usize * usize::from(channels(colour, layout.planes)),
        )
        .ok_or_else(|| unread(colour))?;
        let picture = picture(colour, &samples, layout.planes, (width, height));
        Ok((picture.ok_or_else(|| unread(colour))?, true))
    }

    /// The page as it is to be looked at: smaller, its pixels square, and turned as the file says. Faxes often have half as
    /// many rows to the inch as columns.
    fn upright(&mut self, picture: DynamicImage, longest: u16) -> DynamicImage {
        let density = |tag, decoder: &mut Decoder<_>| match *decoder.get_tag_u32_vec(tag).ok()? {
            [dots, inches] => Some(dots as f32 / inches as f32),
            _ => None,
        };
        let across = density(Tag::XResolution, &mut self.decoder);
        let down = density(Tag::YResolution, &mut self.decoder);
        let stretch = match (across, down) {
            (Some(across), Some(down)) if (0.2..=5.0).contains(&(across / down)) => across / down,
            _ => 1.0,
        };
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let (width, height) = (width * (1.0 / stretch).max(1.0), height * stretch.max(1.0));
        let scale = (f32::from(longest) / width.max(height)).min(1.0);
        let side = |length: f32| ((length * scale).round() as u32).max(1);
        let mut page = smaller(picture, side(width), side(height));
        let turn = number(&mut self.decoder, Tag::Orientation, 1);
        if let Some(turn) = u8::try_from(turn).ok().and_then(Orientation::from_exif) {
            page.apply_orientation(turn);
        }
        page
    }
}

/// Where in the chain of pictures the pages are.
fn pages(decoder: &mut Decoder<Cursor<Vec<u8>>>) -> Result<Vec<usize>, DocumentError> {
    let mut pages = Vec::new();
    let mut seen = HashSet::new();
    let mut next: Option<IfdPointer> = decoder.ifd_pointer();
    while let Some(pointer) = next
        && seen.insert(pointer.0)
    {
        if pages.len() > MOST_PAGES {
            return Err(DocumentError::Long(pages.len()));
        }
        let Ok(directory) = decoder.read_directory(pointer) else {
            break; // cut off: what comes before it can be read
        };
        let kind = decoder
            .read_directory_tags(&directory)
            .find_tag_unsigned::<u32>(Tag::NewSubfileType)
            .ok()
            .flatten();
        if kind.unwrap_or(0) & 0b101 == 0 {
            pages.push(seen.len() - 1);
        }
        next = directory.next();
    }
    Ok(pages)
}

/// A number that a page says of itself, or what it means where it says nothing.
fn number(decoder: &mut Decoder<Cursor<Vec<u8>>>, tag: Tag, otherwise: u32) -> u32 {
    let found = decoder.find_tag_unsigned(tag).ok().flatten();
    found.unwrap_or(otherwise)
}

/// A page in a fax compression, and whether it is whole.
fn fax(
    decoder: &mut Decoder<Cursor<Vec<u8>>>,
    compression: u16,
    size: (u32, u32),
) -> Result<(GrayImage, bool), String> {
    let fax = Fax {
        compression,
        options: number(decoder, Tag::Unknown(292), 0),
        lowest_first: number(decoder, Tag::FillOrder, 1) == 2,
        inverted: number(decoder, Tag::PhotometricInterpretation, 0) == 1,
        rows: number(decoder, Tag::RowsPerStrip, size.1).clamp(1, size.1),
    };
    let offsets = decoder.get_tag_u64_vec(Tag::StripOffsets).map_err(reason)?;
    let lengths = decoder
        .get_tag_u64_vec(Tag::StripByteCounts)
        .map_err(reason)?;
    let file = decoder.inner().get_ref();
    let strip = |(offset, length): (&u64, &u64)| {
        let start = file
            .len()
            .min(usize::try_from(*offset).unwrap_or(usize::MAX));
        let end = file
            .len()
            .min(start.saturating_add(usize::try_from(*length).unwrap_or(usize::MAX)));
        &file[start..end]
    };
    let strips: Vec<&[u8]> = offsets.iter().zip(&lengths).map(strip).collect();
    Ok(fax.decode(&strips, size))
}

/// Samples of a pixel that lie together: all of them, or one where each colour is a plane of its own.
fn channels(colour: ColorType, planes: usize) -> u16 {
    if planes > 1 { 1 } else { colour.num_samples() }
}

/// Samples of up to 16 bits as bytes; `None` for others. Rows of fewer than eight bits a sample begin with a byte.
fn eight_bits(samples: DecodingResult, bits: u8, row: usize) -> Option<Vec<u8>> {
    match samples {
        DecodingResult::U8(samples) if bits == 8 => Some(samples),
        DecodingResult::U8(packed) if matches!(bits, 1 | 2 | 4) => {
            let each = 8 / usize::from(bits);
            let most = (1u16 << bits) - 1;
            let level = |byte: u8, at: usize| {
                let shift = 8 - usize::from(bits) * (at % each + 1);
                ((u16::from(byte >> shift) & most) * 255 / most) as u8
            };
            let rows = packed.chunks(row.div_ceil(each));
            Some(
                rows.flat_map(|bytes| {
                    (0..row).filter_map(move |at| Some(level(*bytes.get(at / each)?, at)))
                })
                .collect(),
            )
        }
        DecodingResult::U16(samples) => {
            Some(samples.iter().map(|level| (level >> 8) as u8).collect())
        }
        _ => None,
    }
}

/// `samples` as a picture: of `planes` one after the other where there are several.
fn picture(
    colour: ColorType,
    samples: &[u8],
    planes: usize,
    (width, height): (u32, u32),
) -> Option<DynamicImage> {
    let pixels = width as usize * height as usize;
    let (step, stride) = if planes > 1 {
        (1, samples.len() / planes)
    } else {
        (usize::from(colour.num_samples()), 1)
    };
    let at = |pixel: usize, channel: usize| {
        samples
            .get(pixel * step + channel * stride)
            .copied()
            .unwrap_or(0)
    };
    let grey = || {
        GrayImage::from_raw(
            width,
            height,
            (0..pixels).map(|pixel| at(pixel, 0)).collect(),
        )
    };
    let rgb = |of: &dyn Fn(usize) -> [u8; 3]| {
        RgbImage::from_raw(width, height, (0..pixels).flat_map(of).collect())
    };
    match colour {
        ColorType::Gray(_)
        | ColorType::GrayA(_)
        | ColorType::Multiband {
            num_samples: 1 | 2, ..
        } => grey().map(Into::into),
        ColorType::RGB(_) | ColorType::RGBA(_) => {
            rgb(&|pixel| [at(pixel, 0), at(pixel, 1), at(pixel, 2)]).map(Into::into)
        }
        ColorType::CMYK(_) => rgb(&|pixel| {
            let paper = 255 - u16::from(at(pixel, 3));
            [0, 1, 2].map(|ink| ((255 - u16::from(at(pixel, ink))) * paper / 255) as u8)
        })
        .map(Into::into),
        ColorType::YCbCr(_) => rgb(&|pixel| {
            let [y, blue, red] = [0, 1, 2].map(|channel| f32::from(at(pixel, channel)));
            let (blue, red) = (blue - 128.0, red - 128.0);
            // A cast from f32 stays between 0 and 255.
            [
                y + 1.402 * red,
                y - 0.344_136 * blue - 0.714_136 * red,
                y + 1.772 * blue,
            ]
            .map(|level| level.round() as u8)
        })
        .map(Into::into),
        _ => None,
    }
}

/// Whole pixels are averaged down to less than twice the size, and that is resampled: a page of thin strokes keeps them
/// even, and the buffers stay small.
fn smaller(picture: DynamicImage, width: u32, height: u32) -> DynamicImage {
    let ratio = (picture.width() / width).min(picture.height() / height);
    let picture = if ratio > 1 {
        picture.thumbnail_exact(picture.width() / ratio, picture.height() / ratio)
    } else {
        picture
    };
    if (picture.width(), picture.height()) == (width, height) {
        return picture;
    }
    picture.resize_exact(width, height, FilterType::CatmullRom)
}

/// The decoder's error in words.
fn reason(error: TiffError) -> String {
    match error {
        TiffError::LimitsExceeded => "it needs more memory than a page may".into(),
        TiffError::UnsupportedError(kind) => format!("it is of a kind that is not read ({kind})"),
        error => format!("it is damaged ({error})"),
    }
}

/// For colours that are not read.
fn unread(colour: ColorType) -> String {
    format!("its colours are of a kind that is not read ({colour:?})")
}
