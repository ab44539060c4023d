//! Where the files of a pack go: a folder, or whatever a script does with them.

use crate::error::{Error, Result};

/// Takes whole files by name.
#[derive(Debug)]
pub enum Sink {
    /// A folder on disk. Writes block.
    #[cfg(not(target_arch = "wasm32"))]
    Folder(std::path::PathBuf),
    /// A JavaScript function `(file, bytes) => Promise`.
    #[cfg(target_arch = "wasm32")]
    Script(js_sys::Function),
}

impl Sink {
    /// Writes a file.
    pub(super) async fn write(&self, file: &str, bytes: &[u8]) -> Result<()> {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Folder(folder) => {
                let path = folder.join(file);
                std::fs::write(&path, bytes).map_err(|error| Error::Io {
                    path: path.display().to_string(),
                    reason: error.to_string(),
                })
            }
            #[cfg(target_arch = "wasm32")]
            Self::Script(write) => {
                let failed = |thrown| Error::Io {
                    path: file.into(),
                    reason: super::source::words(&thrown),
                };
                let bytes = js_sys::Uint8Array::from(bytes);
                let answer = write
                    .call2(&wasm_bindgen::JsValue::NULL, &file.into(), &bytes)
                    .map_err(failed)?;
                wasm_bindgen_futures::JsFuture::from(js_sys::Promise::resolve(&answer))
                    .await
                    .map_err(failed)?;
                Ok(())
            }
        }
    }
}
