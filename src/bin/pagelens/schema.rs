//! An answer that is held to a JSON Schema. Which tokens may come is said by a program of its own (`pagelens-schema`, from
//! `schema/`), whose `main.rs` says how the two talk.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pagelens::engine::Model;
use pagelens::{Error, Result};

/// The program, and what it is held to.
pub(crate) struct Held {
    file: String,
    child: Child,
    words: usize,
}

impl Held {
    /// Holds an answer of `model` to the schema in `file`.
    pub(crate) fn start(file: &Path, model: &Model) -> Result<Self> {
        let schema = crate::read(file)?;
        let file = file.display().to_string();
        let child = Command::new(crate::program("pagelens-schema"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::Schema {
                file: file.clone(),
                reason: format!("pagelens-schema, which follows it, could not be started: {error}"),
            })?;
        let (tokens, stops) = (model.words(), model.stops()?);
        let mut held = Self {
            file,
            child,
            words: tokens.len().div_ceil(32),
        };
        let mut told = word(tokens.len());
        for token in &tokens {
            told.extend(word(token.len()));
            told.extend(token);
        }
        told.extend(word(stops.len()));
        told.extend(stops.iter().flat_map(|id| id.to_le_bytes()));
        told.extend(word(schema.len()));
        told.extend(schema);
        held.tell(&told);
        Ok(held)
    }

    /// The ids that may come next, one bit each.
    pub(crate) fn allowed(&mut self) -> Result<Vec<u32>> {
        let mut bytes = vec![0; self.words * 4];
        let out = self.child.stdout.as_mut().expect("a pipe");
        if out.read_exact(&mut bytes).is_err() {
            let mut reason = String::new();
            let err = self.child.stderr.as_mut().expect("a pipe");
            let _ = err.read_to_string(&mut reason);
            return Err(Error::Schema {
                file: self.file.clone(),
                reason: reason.trim().to_owned(),
            });
        }
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(bytes.chunks_exact(4).map(word).collect())
    }

    /// Takes note of the token that came.
    pub(crate) fn accept(&mut self, id: u32) {
        self.tell(&id.to_le_bytes());
    }

    /// If it has ended, the next answer that is read from it says why.
    fn tell(&mut self, bytes: &[u8]) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        let _ = input.write_all(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn word(count: usize) -> Vec<u8> {
    (count as u32).to_le_bytes().to_vec()
}
