//! What a Hugging Face style host says of a repository: the commit that a revision stands for, and its files by content.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::again;
use super::http::{Client, Facts};
use super::store::io;
use crate::error::Result;

/// The host's list of a repository's files, kept for when it cannot be reached.
const LISTING: &str = ".listing.json";

/// A file of a repository by its content.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) facts: Facts,
    /// Known where the host keeps the file by it.
    pub(super) sha256: Option<String>,
}

/// The host's answer about a revision.
#[derive(Deserialize)]
struct Revision {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
}

/// The commit that a revision stands for and its files by content. Hosts that list nothing are taken as they are.
pub(super) fn list(
    client: &Client,
    folder: &Path,
    host: &str,
    id: &str,
    revision: &str,
) -> Result<(String, Option<BTreeMap<String, Entry>>)> {
    let kept = folder.join(LISTING);
    let url = format!("{host}/api/models/{id}/revision/{revision}?blobs=true");
    let answer = match again(|| client.whole(&url)) {
        Ok(answer) => answer,
        // Only what is kept can be read without the host, and that has its own hashes.
        Err(error) => Some(std::fs::read(&kept).map_err(|_| error)?),
    };
    let parsed = answer.as_deref().and_then(|bytes| {
        let revision: Revision = serde_json::from_slice(bytes).ok()?;
        let entry = |sibling: Sibling| {
            let sha256 = sibling.lfs.and_then(|lfs| lfs.sha256);
            let tag = sha256.clone().or(sibling.blob_id)?;
            let size = sibling.size?;
            let facts = Facts { size, tag };
            Some((sibling.rfilename, Entry { facts, sha256 }))
        };
        let listing: Option<BTreeMap<_, _>> = revision.siblings.into_iter().map(entry).collect();
        Some((revision.sha, listing))
    });
    if let (Some(_), Some(bytes)) = (&parsed, &answer) {
        std::fs::write(&kept, bytes).map_err(|error| io(&kept, &error))?;
    }
    Ok(parsed.unwrap_or_else(|| (revision.to_owned(), None)))
}
