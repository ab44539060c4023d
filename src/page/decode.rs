//! Picture files to RGB, with the limits checked before anything is decoded.
//!
//! Colours follow `PIL.Image.convert("RGB")`, which is what the models were trained behind: alpha is dropped and not
//! composited, grey is repeated, 16-bit colour keeps its high byte and 16-bit grey saturates at 255.

use std::error::Error as _;
use std::io::{Cursor, ErrorKind};

use image::error::UnsupportedErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::Page;
use crate::error::{Error, Result};

/// What is accepted, and whether a photo is turned upright.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The name the user knows the file by, for messages.
    pub name: String,
    /// Apply the EXIF orientation, as viewers do. The reference's own loader does not: parity runs turn it off. A TIFF's
    /// orientation is part of its pixels' meaning, not of its EXIF data, and always applies.
    pub apply_exif: bool,
    /// Most pixels.
    pub max_pixels: u64,
    /// Longest side in pixels.
    pub max_side: u32,
    /// Most bytes the decoder may produce, alpha and 16-bit channels counted.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            name: "the picture".into(),
            apply_exif: true,
            max_pixels: 64_000_000,
            max_side: 16_384,
            max_bytes: 256_000_000,
        }
    }
}

/// Decodes a PNG, JPEG, WebP, GIF (first frame), BMP or TIFF.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Page> {
    let file = options.name.as_str();
    if bytes.is_empty() {
        return Err(Error::ImageEmpty { file: file.into() });
    }
    let format = supported(bytes).map_err(|format| Error::ImageFormat {
        file: file.into(),
        format: format.into(),
    })?;
    if !is_whole(format, bytes) {
        return Err(Error::ImageTruncated { file: file.into() });
    }
    let failed = |error| describe(file, format, error);

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(options.max_bytes * 2); // the picture and the decoder's own buffers
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    check_size(decoder.dimensions(), decoder.total_bytes(), options)?;
    let orientation = if options.apply_exif || format == ImageFormat::Tiff {
        decoder.orientation().map_err(failed)?
    } else {
        Orientation::NoTransforms
    };
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;

    let (width, height) = (picture.width(), picture.height());
    let rgb = to_rgb(picture)
        .and_then(|rgb| RgbImage::from_raw(width, height, rgb))
        .ok_or_else(|| Error::ImageFormat {
            file: file.into(),
            format: format!("a {} picture of floating-point colours", name(format)),
        })?;
    let mut upright = DynamicImage::ImageRgb8(rgb);
    upright.apply_orientation(orientation);
    Ok(Page::new(
        upright.width() as usize,
        upright.height() as usize,
        upright.into_bytes(),
    ))
}

/// The format, or in words what the file is instead.
fn supported(bytes: &[u8]) -> std::result::Result<ImageFormat, &'static str> {
    match image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::WebP
            | ImageFormat::Gif
            | ImageFormat::Bmp
            | ImageFormat::Tiff),
        ) => return Ok(format),
        Ok(ImageFormat::Avif) => return Err("an AVIF picture"),
        _ => {}
    }
    let head = &bytes[..bytes.len().min(1024)];
    let text = String::from_utf8_lossy(head);
    Err(match head {
        _ if text.contains("%PDF-") => "a PDF document",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => "an AVIF picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e' | b'v', ..] => "a HEIC picture",
        [
            _,
            _,
            _,
            _,
            b'f',
            b't',
            b'y',
            b'p',
            b'm',
            b'i' | b's',
            b'f',
            ..,
        ] => "a HEIC picture",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a video",
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', ..] => "a JPEG XL picture",
        [0, 0, 0, 12, b'j', b'P', ..] => "a JPEG 2000 picture",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or an office document",
        _ if text.contains("<svg") => "an SVG drawing",
        _ => "a file of an unknown kind",
    })
}

/// Whether the file is as long as it says, for the two formats whose decoders do not tell: a cut JPEG is filled up with
/// grey, a cut WebP counts as corrupt.
fn is_whole(format: ImageFormat, bytes: &[u8]) -> bool {
    match (format, bytes) {
        (ImageFormat::Jpeg, _) => jpeg_reaches_its_end(bytes),
        (ImageFormat::WebP, &[_, _, _, _, a, b, c, d, ..]) => {
            u32::from_le_bytes([a, b, c, d]) as usize <= bytes.len() - 8
        }
        _ => true,
    }
}

/// Whether the end marker is reached.
fn jpeg_reaches_its_end(bytes: &[u8]) -> bool {
    let mut at = 2; // past the start marker
    loop {
        // Entropy-coded data, fill bytes and restart markers up to the next marker with a meaning.
        match bytes.get(at..at + 2) {
            Some([0xff, 0xd9]) => return true,
            Some([0xff, 0x00 | 0xd0..=0xd8]) => at += 2,
            Some([0xff, 0xff]) => at += 1,
            Some([0xff, _]) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            Some(_) => at += 1,
            None => return false,
        }
    }
}

fn check_size((width, height): (u32, u32), bytes: u64, options: &DecodeOptions) -> Result<()> {
    let file = &options.name;
    if width == 0 || height == 0 {
        return Err(Error::ImageDamaged {
            file: file.into(),
            reason: format!("a picture of {width} x {height} pixels"),
        });
    }
    let limit = if width.max(height) > options.max_side {
        format!("{} pixels a side are read", options.max_side)
    } else if u64::from(width) * u64::from(height) > options.max_pixels {
        format!("{} megapixels are read", options.max_pixels / 1_000_000)
    } else if bytes > options.max_bytes {
        format!("{} MB are read", options.max_bytes / 1_000_000)
    } else {
        return Ok(());
    };
    Err(Error::ImageTooLarge {
        file: file.into(),
        width,
        height,
        megabytes: bytes.div_ceil(1_000_000),
        limit,
    })
}

/// `[h, w, 3]`; `None` for floating-point colours.
fn to_rgb(picture: DynamicImage) -> Option<Vec<u8>> {
    let high = |level: u16| (level >> 8) as u8;
    Some(match picture {
        DynamicImage::ImageRgb8(p) => p.into_raw(),
        DynamicImage::ImageRgba8(p) => {
            let mut rgb = p.into_raw();
            for pixel in 1..rgb.len() / 4 {
                rgb.copy_within(pixel * 4..pixel * 4 + 3, pixel * 3);
            }
            rgb.truncate(rgb.len() / 4 * 3);
            rgb
        }
        DynamicImage::ImageLuma8(p) => p.iter().flat_map(|&grey| [grey; 3]).collect(),
        DynamicImage::ImageLumaA8(p) => p.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageLuma16(p) => p
            .iter()
            .flat_map(|&grey| [grey.min(255) as u8; 3])
            .collect(),
        DynamicImage::ImageLumaA16(p) => p.pixels().flat_map(|p| [high(p[0]); 3]).collect(),
        DynamicImage::ImageRgb16(p) => p.iter().map(|&level| high(level)).collect(),
        DynamicImage::ImageRgba16(p) => p
            .pixels()
            .flat_map(|p| [high(p[0]), high(p[1]), high(p[2])])
            .collect(),
        _ => return None,
    })
}

/// How people write the format's name.
fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        _ => "TIFF",
    }
}

/// The decoder's error in our words.
fn describe(file: &str, format: ImageFormat, error: ImageError) -> Error {
    let file = file.to_owned();
    match &error {
        ImageError::Unsupported(reason) => {
            let kind = match reason.kind() {
                UnsupportedErrorKind::GenericFeature(feature) => feature,
                UnsupportedErrorKind::Color(colour) => format!("{colour:?} colours"),
                _ => reason.to_string(),
            };
            Error::ImageFormat {
                file,
                format: format!("a {} picture of a rare kind ({kind})", name(format)),
            }
        }
        _ if ended_early(&error) => Error::ImageTruncated { file },
        _ => Error::ImageDamaged {
            file,
            reason: error.to_string(),
        },
    }
}

/// Whether somewhere in its chain of causes the error is an unexpected end of file; the GIF decoder has only words for it.
fn ended_early(error: &ImageError) -> bool {
    if error.to_string().contains("Unexpected End of File") {
        return true;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = match error {
        ImageError::IoError(io) => Some(io),
        other => other.source(),
    };
    while let Some(error) = cause {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
