//! `pagelens-pdf`: the pages of one PDF or TIFF document, drawn for `pagelens ask`.
//!
//! `pagelens-pdf FILE` prints how many pages there are. `pagelens-pdf FILE PAGE` writes that page to stdout as a PNG, and on
//! stderr a line for each thing on the page that could not be drawn. The password of an encrypted document is taken from
//! `PAGELENS_PDF_PASSWORD`. Chinese, Japanese and Korean text whose font is not in the document is drawn in the font that
//! `PAGELENS_PDF_FONT` names, or in one that the system has. Exit codes: 0 done; 1 failed, with one line on stderr; 2 usage.
#![expect(clippy::print_stdout, reason = "a command line answers on stdout")]

use std::process::ExitCode;

use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use pagelens_pdf::{Document, LONGEST_SIDE};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let page = args.get(1).map(|page| page.parse());
    let (Some(file), None | Some(Ok(_)), 1..=2) = (args.first(), &page, args.len()) else {
        eprintln!("usage: pagelens-pdf FILE [PAGE]");
        return ExitCode::from(2);
    };
    match run(file, page.and_then(Result::ok)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &str, page: Option<usize>) -> Result<(), Box<dyn std::error::Error>> {
    let password = std::env::var("PAGELENS_PDF_PASSWORD").unwrap_or_default();
    let mut document = Document::open(std::fs::read(file)?, &password)?;
    let Some(page) = page else {
        println!("{}", document.pages());
        return Ok(());
    };
    let mut drawn = document.draw(page, LONGEST_SIDE)?;
    if drawn.needs_font
        && let Some(font) = font()?
    {
        document.set_font(font)?;
        drawn = document.draw(page, LONGEST_SIDE)?;
    }
    let (width, height) = (drawn.width.into(), drawn.height.into());
    PngEncoder::new(std::io::stdout().lock()).write_image(
        &drawn.rgba,
        width,
        height,
        ExtendedColorType::Rgba8,
    )?;
    for missing in drawn.missing {
        eprintln!("{missing}");
    }
    Ok(())
}

/// Where systems keep fonts that have Chinese, Japanese and Korean.
const FONTS: [&str; 7] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "C:\\Windows\\Fonts\\msyh.ttc",
];

/// The font that the user named, or the first one that is here.
fn font() -> std::io::Result<Option<Vec<u8>>> {
    match std::env::var_os("PAGELENS_PDF_FONT") {
        Some(named) => std::fs::read(named).map(Some),
        None => Ok(FONTS.iter().find_map(|path| std::fs::read(path).ok())),
    }
}
