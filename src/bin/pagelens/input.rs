//! Files of the command line as pictures; of a PDF document, or a TIFF file of several pages, its pages. They are drawn by a
//! program of their own (`pagelens-pdf`, from `pdf/`), which is killed when it takes too long.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use pagelens::engine::Picture;
use pagelens::{Error, Result};

/// The longest that opening a document, or drawing one of its pages, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which pages of documents are shown.
#[derive(clap::Args, Default)]
pub(crate) struct PdfArgs {
    /// Pages of a PDF or TIFF, such as 1-3,7; all where none are given.
    #[arg(long, value_name = "PAGES", value_parser = pages)]
    pages: Option<Pages>,
    /// What opens an encrypted PDF.
    #[arg(long, value_name = "PASSWORD", default_value = "")]
    password: String,
}

/// Page numbers from 1, in order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pages(Vec<usize>);

fn pages(text: &str) -> std::result::Result<Pages, String> {
    let wrong = || format!("{text} is not a list of pages, such as 1-3,7");
    let mut pages = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse().map_err(|_| wrong());
        let (first, last): (usize, usize) = (number(first)?, number(last)?);
        if first == 0 || last < first || last > 100_000 {
            return Err(wrong());
        }
        pages.extend(first..=last);
    }
    pages.sort_unstable();
    pages.dedup();
    Ok(Pages(pages))
}

/// The files as pictures, each page of a document as one.
pub(crate) fn pictures(
    files: impl Iterator<Item: AsRef<Path>>,
    args: &PdfArgs,
) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for file in files {
        let file = file.as_ref();
        let bytes = crate::read(file)?;
        if bytes.starts_with(b"%PDF-") || has_pages(file, &bytes, args) {
            pictures.extend(document(file, args)?);
        } else {
            pictures.push(Picture {
                name: file.display().to_string(),
                bytes: bytes.into(),
            });
        }
    }
    Ok(pictures)
}

/// Whether a file is a TIFF of several pages; one page is a picture, and what is wrong with it is said where it is decoded.
fn has_pages(file: &Path, bytes: &[u8], args: &PdfArgs) -> bool {
    let magic = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    magic.iter().any(|magic| bytes.starts_with(*magic))
        && count(file, args).is_ok_and(|pages| pages > 1)
}

/// How many pages a document has.
fn count(file: &Path, args: &PdfArgs) -> Result<usize> {
    let (count, _) = draw(file, None, args)?;
    Ok(String::from_utf8_lossy(&count).trim().parse().unwrap_or(0))
}

/// The pages of a document. What a page lacks is said on stderr.
fn document(file: &Path, args: &PdfArgs) -> Result<Vec<Picture>> {
    let wanted = match &args.pages {
        Some(Pages(pages)) => pages.clone(),
        None => (1..=count(file, args)?).collect(),
    };
    let mut pictures = Vec::new();
    for page in wanted {
        let name = format!("{}, page {page}", file.display());
        let (png, missing) = draw(file, Some(page), args)?;
        for missing in missing.lines() {
            eprintln!("{name}: {missing} could not be drawn, so the model does not see it");
        }
        let bytes = png.into();
        pictures.push(Picture { name, bytes });
    }
    Ok(pictures)
}

/// What `pagelens-pdf` writes to stdout and to stderr.
fn draw(file: &Path, page: Option<usize>, args: &PdfArgs) -> Result<(Vec<u8>, String)> {
    let failed = |reason: String| Error::Pdf {
        file: file.display().to_string(),
        reason,
    };
    let mut child = Command::new(crate::program("pagelens-pdf"))
        .arg(file)
        .args(page.map(|page| page.to_string()))
        .env("PAGELENS_PDF_PASSWORD", &args.password)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            failed(format!(
                "pagelens-pdf, which draws it, could not be started: {error}"
            ))
        })?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let ended = wait(&mut child);
    let read = |reader: JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    let (out, err) = (read(out), String::from_utf8_lossy(&read(err)).into_owned());
    match ended {
        None => Err(failed(match page {
            Some(page) => format!(
                "page {page} took longer than {} s to draw",
                PATIENCE.as_secs()
            ),
            None => format!("it took longer than {} s to open", PATIENCE.as_secs()),
        })),
        Some(0) => Ok((out, err)),
        Some(1) => Err(failed(err.trim().to_owned())),
        Some(_) => Err(failed("it broke what draws it".to_owned())),
    }
}

/// Reads a pipe to its end, so that the child never waits for us.
fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// The child's exit code, -1 where a signal ended it; `None` where it was killed here.
fn wait(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.code().unwrap_or(-1)),
            Ok(None) => sleep(Duration::from_millis(5)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
