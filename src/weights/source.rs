//! Bytes by name and range. Everything above this file neither knows nor cares where a checkpoint lies.

use std::collections::BTreeMap;
use std::ops::Range;
#[cfg(not(target_arch = "wasm32"))]
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Where the files of a checkpoint or pack come from.
#[derive(Debug)]
pub enum Source {
    /// A folder on disk. Reads block.
    #[cfg(not(target_arch = "wasm32"))]
    Folder(PathBuf),
    /// A folder on a server, through the cache. Reads block.
    #[cfg(not(target_arch = "wasm32"))]
    Remote(Box<super::Remote>),
    /// Whole files in memory, by name.
    Memory(BTreeMap<String, Vec<u8>>),
    /// A JavaScript function `(file, start, end) => Promise<Uint8Array | null>`: the bytes `start..end`, fewer where the
    /// file ends, the whole file for `end` = -1, and `null` where there is no such file.
    #[cfg(target_arch = "wasm32")]
    Script(js_sys::Function),
}

impl Source {
    /// The files of a model, wherever it lies; those of a server are kept in the folder `cache`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn at(address: super::Address, cache: &std::path::Path) -> Result<Self> {
        Ok(match address {
            super::Address::Folder(folder) => Self::Folder(folder),
            super::Address::Remote(place) => {
                Self::Remote(Box::new(super::Remote::open(&place, cache)?))
            }
        })
    }

    /// The bytes `range` of `file`, fewer where the file ends inside it.
    pub async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let bytes = match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => disk(&folder.join(file), Some(range))?,
            #[cfg(not(target_arch = "wasm32"))]
            Self::Remote(remote) => remote.read(file, range)?,
            Self::Memory(files) => files.get(file).map(|bytes| {
                let end = clamp(range.end, bytes.len());
                bytes[clamp(range.start, end)..end].to_vec()
            }),
            #[cfg(target_arch = "wasm32")]
            Self::Script(read) => script(read, file, range.start as f64, range.end as f64).await?,
        };
        bytes.ok_or_else(|| Error::MissingFile { file: file.into() })
    }

    /// All of `file`, or `None` where there is no such file.
    pub async fn read_all(&self, file: &str) -> Result<Option<Vec<u8>>> {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => disk(&folder.join(file), None),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Remote(remote) => remote.read_all(file),
            Self::Memory(files) => Ok(files.get(file).cloned()),
            #[cfg(target_arch = "wasm32")]
            Self::Script(read) => script(read, file, 0.0, -1.0).await,
        }
    }

    /// Size of `file` where it is known without reading: a script does not say.
    pub(crate) fn size(&self, file: &str) -> Option<u64> {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => std::fs::metadata(folder.join(file))
                .ok()
                .map(|meta| meta.len()),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Remote(remote) => remote.size(file),
            Self::Memory(files) => files.get(file).map(|bytes| bytes.len() as u64),
            #[cfg(target_arch = "wasm32")]
            Self::Script(_) => None,
        }
    }
}

/// `at` as an index into `len` bytes; file offsets are u64 because usize has 32 bits in wasm.
fn clamp(at: u64, len: usize) -> usize {
    usize::try_from(at).unwrap_or(len).min(len)
}

#[cfg(not(target_arch = "wasm32"))]
fn disk(path: &std::path::Path, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
    use std::io::{ErrorKind, Read, Seek, SeekFrom};

    let failed = |error: std::io::Error| Error::Io {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    match range {
        None => file.read_to_end(&mut bytes).map_err(failed)?,
        Some(range) => {
            file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
            file.take(range.end.saturating_sub(range.start))
                .read_to_end(&mut bytes)
                .map_err(failed)?
        }
    };
    Ok(Some(bytes))
}

#[cfg(target_arch = "wasm32")]
async fn script(
    read: &js_sys::Function,
    file: &str,
    start: f64,
    end: f64,
) -> Result<Option<Vec<u8>>> {
    use wasm_bindgen::{JsCast, JsValue};

    let failed = |thrown: JsValue| Error::Io {
        path: file.into(),
        reason: words(&thrown),
    };
    let answer = read
        .call3(&JsValue::NULL, &file.into(), &start.into(), &end.into())
        .map_err(failed)?;
    let answer = wasm_bindgen_futures::JsFuture::from(js_sys::Promise::resolve(&answer))
        .await
        .map_err(failed)?;
    if answer.is_null() || answer.is_undefined() {
        return Ok(None);
    }
    let bytes = answer.dyn_into::<js_sys::Uint8Array>().map_err(failed)?;
    if end >= 0.0 && f64::from(bytes.length()) > end - start {
        return Err(failed(JsValue::from_str(
            "the read function returned more bytes than asked for",
        )));
    }
    Ok(Some(bytes.to_vec()))
}

/// What a script threw, in words.
#[cfg(target_arch = "wasm32")]
pub(super) fn words(thrown: &wasm_bindgen::JsValue) -> String {
    use wasm_bindgen::JsCast;

    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{thrown:?}"),
    }
}
