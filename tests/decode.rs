//! The page decoder against Pillow (`golden/make_pictures.py`), and every way a picture file can be wrong.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use pagelens::error::Error;
use pagelens::page::{DecodeOptions, decode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    width: usize,
    height: usize,
    rgb: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures")
}

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_slice(&picture("expected.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

fn named(name: &str) -> DecodeOptions {
    DecodeOptions {
        name: name.into(),
        ..DecodeOptions::default()
    }
}

#[test]
fn every_kind_of_picture_is_pillows() {
    let expected = expected();
    assert!(expected.len() >= 35, "the table is there");
    for (name, expected) in expected {
        let options = DecodeOptions {
            apply_exif: !name.starts_with("raw_"),
            ..named(&name)
        };
        let page = decode(&picture(&name), &options).unwrap();
        assert_eq!(
            (page.width, page.height),
            (expected.width, expected.height),
            "{name}"
        );
        let tolerance = if name.ends_with(".jpg") { 2 } else { 0 }; // another inverse DCT than libjpeg's
        for (i, (got, want)) in page.rgb.iter().zip(bytes(&expected.rgb)).enumerate() {
            assert!(
                got.abs_diff(want) <= tolerance,
                "{name}, byte {i}: {got}, Pillow has {want}"
            );
        }
    }
}

#[test]
fn colours_are_converted_as_the_reference_does() {
    let pixel = |name: &str, i: usize| {
        let page = decode(&picture(name), &named(name)).unwrap();
        [page.rgb[i * 3], page.rgb[i * 3 + 1], page.rgb[i * 3 + 2]]
    };
    assert_eq!(
        pixel("palette_alpha.png", 0),
        [9, 8, 7],
        "alpha 0 keeps its palette colour"
    );
    assert_eq!(
        pixel("palette_alpha.png", 1),
        [200, 100, 50],
        "alpha 128 is not blended"
    );
    assert_eq!(pixel("grey16.tif", 1), [255; 3]);
    assert_eq!(
        pixel("grey16.tif", 3),
        [255; 3],
        "16-bit grey saturates: 40000 is white"
    );
    assert_eq!(
        pixel("cmyk.jpg", 0),
        [207, 198, 190],
        "inverted Adobe CMYK, naive formula"
    );
}

#[test]
fn a_file_cut_off_anywhere_is_an_error_and_named() {
    for name in expected().into_keys() {
        let whole = picture(&name);
        for length in 1..whole.len() {
            let Err(error) = decode(&whole[..length], &named(&name)) else {
                // a PNG's last chunk, a GIF's second frame and trailer, TIFF's padding: the pixels are whole by then
                assert!(
                    length * 10 >= whole.len() * 3,
                    "{name}: {length} of {} bytes decode",
                    whole.len()
                );
                assert!(
                    !name.ends_with(".jpg"),
                    "{name}: {length} of {} bytes decode",
                    whole.len()
                );
                continue;
            };
            assert!(error.to_string().starts_with(&name), "{error}");
        }
    }
    for name in [
        "rgb.png",
        "colour.jpg",
        "progressive.jpg",
        "rgb.bmp",
        "transparent.gif",
        "rgb_lzw.tif",
        "lossless_alpha.webp",
    ] {
        let whole = picture(name);
        let error = decode(&whole[..whole.len() * 3 / 5], &named(name)).unwrap_err();
        assert!(
            matches!(&error, Error::ImageTruncated { file } if file == name),
            "{name}: {error:?}"
        );
    }
    let error = decode(&[], &named("nothing.png")).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("image-empty", "nothing.png is empty")
    );
}

#[test]
fn damaged_files_are_errors_not_panics() {
    for name in expected().into_keys() {
        let whole = picture(&name);
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                if let Ok(page) = decode(&damaged, &named(&name)) {
                    assert_eq!(
                        page.rgb.len(),
                        page.width * page.height * 3,
                        "{name}, byte {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn limits_come_before_decoding() {
    let refused = |name: &str, options: &DecodeOptions| match decode(&picture(name), options) {
        Err(error @ Error::ImageTooLarge { .. }) => error.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    for name in [
        "rgb.png",
        "colour.jpg",
        "rgb.bmp",
        "animated.gif",
        "rgb_lzw.tif",
        "lossless_alpha.webp",
    ] {
        let sides = DecodeOptions {
            max_side: 4,
            ..DecodeOptions::default()
        };
        assert!(refused(name, &sides).contains("at most 4 pixels a side"));
        let pixels = DecodeOptions {
            max_pixels: 14,
            ..DecodeOptions::default()
        };
        assert!(refused(name, &pixels).contains("at most 0 megapixels"));
    }
    let bytes = DecodeOptions {
        max_bytes: 100,
        ..DecodeOptions::default()
    };
    assert!(
        refused("rgba16.png", &bytes).contains("at most 0 MB"),
        "15 pixels of 8 bytes"
    );

    // headers alone: a bitmap that promises more than is there
    let bitmap = |width: i32, height: i32| {
        let mut file = picture("rgb.bmp");
        file[18..22].copy_from_slice(&width.to_le_bytes());
        file[22..26].copy_from_slice(&height.to_le_bytes());
        decode(&file, &named("scan.bmp")).unwrap_err()
    };
    assert_eq!(
        bitmap(16_385, 1).to_string(),
        "scan.bmp is too large: 16385 x 1 pixels, 1 MB decoded; at most 16384 pixels a side are read"
    );
    assert_eq!(
        bitmap(8001, 8000).to_string(),
        "scan.bmp is too large: 8001 x 8000 pixels, 193 MB decoded; at most 64 megapixels are read"
    );
    assert_eq!(
        bitmap(8000, 8000).code(),
        "image-truncated",
        "64 megapixels are allowed"
    );
}

#[test]
fn what_is_no_picture_is_named() {
    #[rustfmt::skip]
    let files: [(&[u8], &str); 12] = [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF document"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "an AVIF picture"),
        (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "a video"),
        (b"\xff\x0a\xfa\x7f\x01\x90\x08\x06", "a JPEG XL picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "a JPEG 2000 picture"),
        (b"PK\x03\x04\x14\0\0\0", "a ZIP archive or an office document"),
        (b"<?xml version=\"1.0\"?><svg xmlns=", "an SVG drawing"),
        (b"P6 2 2 255\n", "a file of an unknown kind"),
        (b"Dear Sir or Madam", "a file of an unknown kind"),
        (b"\0", "a file of an unknown kind"),
    ];
    for (bytes, what) in files {
        let error = decode(bytes, &named("scan.bin")).unwrap_err();
        assert_eq!(error.code(), "image-format");
        assert!(
            error
                .to_string()
                .starts_with(&format!("scan.bin is {what}, which is not supported yet")),
            "{error}"
        );
    }
}
