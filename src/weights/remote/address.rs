//! What a user may call a model.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where repositories are looked for if nobody says otherwise.
pub const HOST: &str = "https://huggingface.co";

/// A model by where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder on disk.
    Folder(PathBuf),
    /// Somewhere else.
    Remote(Place),
}

/// A model on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder on any static host; ends in a slash.
    Url(String),
    /// A repository of a Hugging Face style host.
    Repository {
        /// Scheme and authority, without a slash at the end.
        host: String,
        /// `owner/name`.
        id: String,
        /// Branch, tag or commit.
        revision: String,
    },
}

impl Address {
    /// A folder that is there, a URL, or `owner/name[@revision]` on `host`; everything else is a folder that is not there.
    /// The address of a repository's page on `host` means the repository.
    ///
    /// # Errors
    ///
    /// [`Error::ModelName`] for a URL or a revision that cannot be one.
    pub fn parse(text: &str, host: &str) -> Result<Self> {
        let host = host.trim_end_matches('/');
        let wrong = |reason: &str| Error::ModelName {
            text: text.into(),
            reason: reason.into(),
        };
        if Path::new(text).is_dir() {
            return Ok(Self::Folder(text.into()));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            if let Some(page) = text.strip_prefix(host).and_then(|s| s.strip_prefix('/')) {
                let parts: Vec<_> = page.trim_end_matches('/').split('/').collect();
                match parts.as_slice() {
                    [owner, name] => return repository(host, &format!("{owner}/{name}"), "main"),
                    [owner, name, "tree" | "resolve", revision] => {
                        return repository(host, &format!("{owner}/{name}"), revision);
                    }
                    _ => {}
                }
            }
            if text.contains(['?', '#']) {
                return Err(wrong("a folder's URL has no query and no fragment"));
            }
            let url = format!("{}/", text.trim_end_matches('/'));
            return Ok(Self::Remote(Place::Url(url)));
        }
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let parts: Vec<_> = id.split('/').collect();
        match parts.as_slice() {
            [owner, name] if plain(owner) && plain(name) => {
                if revision.is_empty() || !revision.split('/').all(plain) {
                    return Err(wrong("what follows @ is no branch, tag or commit"));
                }
                repository(host, id, revision)
            }
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

fn repository(host: &str, id: &str, revision: &str) -> Result<Address> {
    Ok(Address::Remote(Place::Repository {
        host: host.into(),
        id: id.into(),
        revision: revision.into(),
    }))
}

/// A segment that is safe in a URL and on disk.
fn plain(segment: &str) -> bool {
    let safe = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    !segment.is_empty() && segment.bytes().all(safe) && !segment.starts_with('.')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_model() {
        let on_hub =
            |id: &str, revision: &str| repository("https://hub.example", id, revision).unwrap();
        let url = |text: &str| Address::Remote(Place::Url(text.into()));
        for (text, address) in [
            ("src", Address::Folder("src".into())),
            ("./no/such", Address::Folder("./no/such".into())),
            ("nothing", Address::Folder("nothing".into())),
            ("a/b/c", Address::Folder("a/b/c".into())),
            ("Org/Model-1B", on_hub("Org/Model-1B", "main")),
            ("Org/Model@v1.0", on_hub("Org/Model", "v1.0")),
            ("Org/Model@refs/pr/1", on_hub("Org/Model", "refs/pr/1")),
            ("https://hub.example/Org/Model", on_hub("Org/Model", "main")),
            (
                "https://hub.example/Org/Model/tree/v2/",
                on_hub("Org/Model", "v2"),
            ),
            (
                "https://other.example/Org/Model",
                url("https://other.example/Org/Model/"),
            ),
            ("http://127.0.0.1:8080/m/", url("http://127.0.0.1:8080/m/")),
        ] {
            let found = Address::parse(text, "https://hub.example/").unwrap();
            assert_eq!(found, address, "{text}");
        }
        for text in [
            "Org/Model@",
            "Org/Model@../x",
            "https://other.example/m?x=1",
        ] {
            let error = Address::parse(text, "https://hub.example").unwrap_err();
            assert!(matches!(error, Error::ModelName { .. }), "{text}: {error}");
        }
    }
}
