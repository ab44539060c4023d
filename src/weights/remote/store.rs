//! A file of the cache, and the journal of what is in it.
//!
//! `X` holds the bytes, each chunk at its place; `X.chunks` is text: a first line `size tag`, then a line `index sha256`
//! for each chunk that is there, written only after the chunk's bytes have reached the disk. A line that a crash has cut is
//! ignored. A chunk counts as there once its bytes have been read back and hashed to what its line says.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::http::Facts;
use crate::error::{Error, Result};
use crate::weights::pack::{CHUNK, sha256};

#[derive(Debug)]
pub(super) struct Stored {
    path: PathBuf,
    pub(super) facts: Facts,
    data: File,
    journal: File,
    chunks: Vec<State>,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Missing,
    /// By the journal.
    Written(String),
    /// Read back, or written by this process.
    Verified,
}

impl Stored {
    /// What an earlier download has recorded of a file, if it recorded anything.
    pub(super) fn recorded(path: &Path) -> Option<Facts> {
        let text = std::fs::read_to_string(journal(path)).ok()?;
        let (size, tag) = text.lines().next()?.split_once(' ')?;
        Some(Facts {
            size: size.parse().ok()?,
            tag: tag.into(),
        })
    }

    /// Opens or begins a file. What was kept of another version is thrown away.
    pub(super) fn open(path: PathBuf, facts: Facts) -> Result<Self> {
        let failed = |error: std::io::Error| io(&path, &error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let count = usize::try_from(facts.size.div_ceil(CHUNK as u64)).unwrap_or(usize::MAX);
        let mut chunks = vec![State::Missing; count];
        let data = options.open(&path).map_err(failed)?;
        let mut journal = options.open(journal(&path)).map_err(failed)?;
        let mut text = String::new();
        // What is not UTF-8 is no journal.
        let _ = journal.read_to_string(&mut text);
        let head = format!("{} {}", facts.size, facts.tag);
        let lines = text.strip_prefix(&head).and_then(|s| s.strip_prefix('\n'));
        match lines {
            Some(lines) => {
                for line in lines.split_inclusive('\n') {
                    if let Some((index, digest)) = entry(line)
                        && let Some(chunk) = chunks.get_mut(index)
                    {
                        *chunk = State::Written(digest.into());
                    }
                }
                if !text.ends_with('\n') {
                    journal.write_all(b"\n").map_err(failed)?;
                }
            }
            None => begin(&mut journal, &facts).map_err(failed)?,
        }
        Ok(Self {
            path,
            facts,
            data,
            journal,
            chunks,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.chunks.len()
    }

    /// The bytes of a chunk in the file.
    pub(super) fn range(&self, index: usize) -> Range<u64> {
        let start = index as u64 * CHUNK as u64;
        start..(start + CHUNK as u64).min(self.facts.size)
    }

    /// Whether a chunk is there; reads it back the first time.
    pub(super) fn has(&mut self, index: usize) -> Result<bool> {
        if let State::Written(digest) = self.chunks[index].clone() {
            let bytes = self.bytes(self.range(index))?;
            self.chunks[index] = match sha256(&bytes) == digest {
                true => State::Verified,
                false => State::Missing,
            };
        }
        Ok(self.chunks[index] == State::Verified)
    }

    /// Keeps a chunk.
    pub(super) fn put(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        let start = self.range(index).start;
        let written = (|| {
            self.data.seek(SeekFrom::Start(start))?;
            self.data.write_all(bytes)?;
            self.data.sync_data()?;
            writeln!(self.journal, "{index} {}", sha256(bytes))
        })();
        written.map_err(|error| io(&self.path, &error))?;
        self.chunks[index] = State::Verified;
        Ok(())
    }

    /// Bytes of the file; those of chunks that are not there mean nothing.
    pub(super) fn bytes(&mut self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (|| {
            self.data.seek(SeekFrom::Start(range.start))?;
            (&mut self.data)
                .take(range.end.saturating_sub(range.start))
                .read_to_end(&mut bytes)
        })();
        read.map_err(|error| io(&self.path, &error))?;
        Ok(bytes)
    }

    /// Throws away what is there.
    pub(super) fn forget(&mut self) -> Result<()> {
        let begun = begin(&mut self.journal, &self.facts);
        begun.map_err(|error| io(&self.path, &error))?;
        self.chunks.fill(State::Missing);
        Ok(())
    }
}

/// A journal of nothing.
fn begin(journal: &mut File, facts: &Facts) -> std::io::Result<()> {
    journal.set_len(0)?;
    journal.seek(SeekFrom::Start(0))?;
    writeln!(journal, "{} {}", facts.size, facts.tag)
}

fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".chunks");
    name.into()
}

/// A whole line of the journal.
fn entry(line: &str) -> Option<(usize, &str)> {
    let (index, digest) = line.strip_suffix('\n')?.split_once(' ')?;
    (digest.len() == 64).then_some((index.parse().ok()?, digest))
}

pub(super) fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Io {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}
