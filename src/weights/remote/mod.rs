//! Checkpoints on a server, and the cache folder they are kept in. What is asked for before [`Remote::fetch`] is fetched
//! alone: configs as whole files, which are kept, and headers byte by byte. The weights come in chunks of 4 MiB, several at
//! once, each verified and kept; an interrupted download goes on at the first chunk that is not there. Nothing is read
//! from the cache that has not been hashed.

mod address;
mod http;
mod listing;
mod store;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

pub use self::address::{Address, HOST, Place};

use self::http::{Answer, Client, Facts, said};
use self::listing::{Entry, list};
use self::store::{Stored, io};
use super::pack::{CHUNK, sha256};
use super::plan::{Listed, Plan};
use crate::error::{Error, Result};

/// Requests under way at once.
const CONNECTIONS: usize = 4;
/// Times that a chunk is asked for.
const ATTEMPTS: u32 = 5;

/// A folder of a server, through a folder of the cache.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    /// Ends in a slash.
    base: String,
    folder: PathBuf,
    /// What the host lists of a repository's files; `None` where there is no list.
    listing: Option<BTreeMap<String, Entry>>,
    files: Mutex<BTreeMap<String, Option<Arc<Mutex<Stored>>>>>,
    /// Held while the folder is in use, so that no other process writes to it.
    _lock: File,
}

/// Where models are kept if nobody says otherwise: `PAGELENS_CACHE`, or `pagelens` in the user's cache folder.
pub fn cache_folder() -> PathBuf {
    let folder = |name: &str, below: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value).join(below))
    };
    folder("PAGELENS_CACHE", "")
        .or_else(|| folder("XDG_CACHE_HOME", "pagelens"))
        .or_else(|| folder("LOCALAPPDATA", "pagelens"))
        .or_else(|| folder("HOME", ".cache/pagelens"))
        .unwrap_or_else(|| ".pagelens".into())
}

impl Remote {
    /// Opens a model through a folder of `cache`. Waits while another process uses it.
    pub fn open(place: &Place, cache: &Path) -> Result<Self> {
        let client = Client::new();
        let name = match place {
            Place::Url(url) => format!("url-{}", &sha256(url.as_bytes())[..16]),
            Place::Repository { host, id, revision } => {
                let place = sha256(format!("{host} {id} {revision}").as_bytes());
                format!("{}-{}", id.replace('/', "--"), &place[..16])
            }
        };
        let folder = cache.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| io(&folder, &error))?;
        let path = folder.join(".lock");
        let lock = File::create(&path).map_err(|error| io(&path, &error))?;
        lock.lock().map_err(|error| io(&path, &error))?;
        let (base, listing) = match place {
            Place::Url(url) => (url.clone(), None),
            Place::Repository { host, id, revision } => {
                let (commit, listing) = list(&client, &folder, host, id, revision)?;
                (format!("{host}/{id}/resolve/{commit}/"), listing)
            }
        };
        Ok(Self {
            client,
            base,
            folder,
            listing,
            files: Mutex::default(),
            _lock: lock,
        })
    }

    /// A small file, kept; `None` where there is none.
    pub(super) fn read_all(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.file(name)? else {
            return Ok(None);
        };
        let count = hold(&file).count();
        for index in 0..count {
            self.chunk(name, &file, index, None)?;
        }
        let bytes = {
            let mut file = hold(&file);
            let size = file.facts.size;
            file.bytes(0..size)?
        };
        self.check(name, &file, self.digest(name))?;
        Ok(Some(bytes))
    }

    /// Bytes of a large file: from the cache where they are there, else from the server and not kept.
    pub(super) fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.file(name)? else {
            return Ok(None);
        };
        let mut stored = hold(&file);
        let range = range.start..range.end.min(stored.facts.size);
        if range.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut there = true;
        for index in chunks_of(&range) {
            there = there && stored.has(index)?;
        }
        if there {
            return stored.bytes(range).map(Some);
        }
        drop(stored);
        let url = self.url(name);
        let bytes = again(|| {
            let (mut body, skip) = match self.client.part(&url, &range)? {
                Answer::Part(body, _) => (body, 0),
                Answer::Whole(body) => (body, range.start),
            };
            std::io::copy(&mut (&mut body).take(skip), &mut std::io::sink())
                .map_err(|e| said(&url, &e.to_string()))?;
            exactly(&url, &mut body, (range.end - range.start) as usize)
        })?;
        Ok(Some(bytes))
    }

    /// Size of a file, where there is one.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        let file = self.file(name).ok()??;
        let size = hold(&file).facts.size;
        Some(size)
    }

    /// Fetches what `plan` reads and the cache does not hold; `progress` is told (done, total) bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Unverified`] where a file is not what its publisher lists, or changed: nothing of it is kept.
    pub fn fetch(&self, plan: &Plan, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        let listed: BTreeMap<_, _> = plan.files.iter().map(|f| (f.name.as_str(), f)).collect();
        let (mut wanted, mut done, mut total) = (VecDeque::new(), 0, 0);
        let mut files = BTreeMap::new();
        for span in &plan.spans {
            let name = span.file.as_str();
            let file = match files.get(name) {
                Some(file) => Arc::clone(file),
                None => {
                    let file = self.file(name)?;
                    let file = file.ok_or_else(|| Error::MissingFile { file: name.into() })?;
                    files.insert(name, Arc::clone(&file));
                    let mut stored = hold(&file);
                    for index in 0..stored.count() {
                        let bytes = stored.range(index).end - stored.range(index).start;
                        total += bytes;
                        match stored.has(index)? {
                            true => done += bytes,
                            false => wanted.push_back((name, Arc::clone(&file), index)),
                        }
                    }
                    drop(stored);
                    file
                }
            };
            let size = hold(&file).facts.size;
            if let Some(listed) = listed.get(name).filter(|listed| listed.size != size) {
                let reason = format!("has {size} bytes, the manifest says {}", listed.size);
                return Err(unverified(name, &reason));
            }
        }
        progress(done, total);
        let queue = Mutex::new(wanted);
        let next = || {
            queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front()
        };
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..CONNECTIONS {
                let sender = sender.clone();
                let (listed, next) = (&listed, &next);
                scope.spawn(move || {
                    while let Some((name, file, index)) = next() {
                        let fetched = self.chunk(name, &file, index, listed.get(name).copied());
                        let over = fetched.is_err();
                        if sender.send(fetched).is_err() || over {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            for fetched in receiver {
                match fetched {
                    Ok(bytes) => {
                        done += bytes;
                        progress(done, total);
                    }
                    Err(error) => {
                        queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        return Err(error);
                    }
                }
            }
            Ok(())
        })?;
        for (name, file) in files {
            if let Some(listed) = listed.get(name).filter(|listed| listed.chunks.is_empty()) {
                self.check(name, &file, Some(&listed.sha256))?;
            } else {
                self.check(name, &file, self.digest(name))?;
            }
        }
        Ok(())
    }

    /// Makes sure that a chunk is there; the bytes it has.
    fn chunk(
        &self,
        name: &str,
        file: &Mutex<Stored>,
        index: usize,
        listed: Option<&Listed>,
    ) -> Result<u64> {
        let range = {
            let mut file = hold(file);
            let range = file.range(index);
            if file.has(index)? {
                return Ok(range.end - range.start);
            }
            range
        };
        let url = self.url(name);
        let length = (range.end - range.start) as usize;
        again(|| {
            let bytes = match self.client.part(&url, &range)? {
                Answer::Part(mut body, facts) => {
                    let known = hold(file).facts.clone();
                    let changed = |facts: &Facts| match &self.listing {
                        Some(_) => facts.size != known.size,
                        None => *facts != known,
                    };
                    if facts.as_ref().is_some_and(changed) {
                        hold(file).forget()?;
                        return Err(unverified(name, "changed while it was fetched"));
                    }
                    exactly(&url, &mut body, length)?
                }
                Answer::Whole(mut body) => return whole(&url, &mut body, file, index, listed),
            };
            verify(name, index, &bytes, listed)?;
            hold(file).put(index, &bytes)
        })?;
        Ok(length as u64)
    }

    /// Holds a complete file against its digest, where one is known.
    fn check(&self, name: &str, file: &Mutex<Stored>, digest: Option<&str>) -> Result<()> {
        use sha2::Digest;

        let Some(digest) = digest else {
            return Ok(());
        };
        let mut file = hold(file);
        let mut hash = sha2::Sha256::new();
        for index in 0..file.count() {
            let range = file.range(index);
            hash.update(file.bytes(range)?);
        }
        let found: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        if found == digest {
            return Ok(());
        }
        file.forget()?;
        Err(unverified(
            name,
            &format!("has SHA-256 {found}, its publisher lists {digest}"),
        ))
    }

    /// What the host lists as a file's digest.
    fn digest(&self, name: &str) -> Option<&str> {
        self.listing.as_ref()?.get(name)?.sha256.as_deref()
    }

    fn url(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    /// A file of the folder, opened once; `None` where there is none. A server that cannot be reached leaves what is known.
    fn file(&self, name: &str) -> Result<Option<Arc<Mutex<Stored>>>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(name) {
            return Ok(file.clone());
        }
        let path = self.folder.join(name);
        let absent = self.folder.join(format!("{name}.absent"));
        let facts = match &self.listing {
            Some(listing) => listing.get(name).map(|entry| entry.facts.clone()),
            None => match again(|| self.client.facts(&self.url(name))) {
                Ok(Some(facts)) => {
                    let _ = std::fs::remove_file(&absent);
                    Some(facts)
                }
                Ok(None) => {
                    std::fs::write(&absent, "").map_err(|error| io(&absent, &error))?;
                    None
                }
                Err(error) => match Stored::recorded(&path) {
                    _ if absent.exists() => None,
                    Some(facts) => Some(facts),
                    None => return Err(error),
                },
            },
        };
        let file = match facts {
            Some(facts) => Some(Arc::new(Mutex::new(Stored::open(path, facts)?))),
            None => None,
        };
        files.insert(name.into(), file.clone());
        Ok(file)
    }
}

/// Keeps every chunk of a body that begins at the file's first byte, as far as they are missing.
fn whole(
    url: &str,
    body: &mut dyn Read,
    file: &Mutex<Stored>,
    wanted: usize,
    listed: Option<&Listed>,
) -> Result<()> {
    let mut file = hold(file);
    if file.has(wanted)? {
        return Ok(());
    }
    for index in 0..file.count() {
        let range = file.range(index);
        let bytes = exactly(url, body, (range.end - range.start) as usize)?;
        if !file.has(index)? {
            verify(url, index, &bytes, listed)?;
            file.put(index, &bytes)?;
        }
    }
    Ok(())
}

/// Refuses a chunk that is not the one a manifest lists.
fn verify(name: &str, index: usize, bytes: &[u8], listed: Option<&Listed>) -> Result<()> {
    let Some(listed) = listed else {
        return Ok(());
    };
    let expected = match listed.chunks.get(index) {
        Some(digest) => digest,
        None if listed.size <= CHUNK as u64 => &listed.sha256,
        None => return Ok(()),
    };
    match sha256(bytes) == *expected {
        true => Ok(()),
        false => Err(said(name, &format!("chunk {index} arrived damaged"))),
    }
}

/// The next `length` bytes of a body.
fn exactly(url: &str, body: &mut dyn Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    let read = body.take(length as u64).read_to_end(&mut bytes);
    read.map_err(|error| said(url, &error.to_string()))?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(said(url, "the connection ended early")),
    }
}

/// Tries what a network can spoil a few times, waiting longer each time.
fn again<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for attempt in 0.. {
        match work() {
            Err(Error::Network { .. }) if attempt + 1 < ATTEMPTS => {
                std::thread::sleep(Duration::from_millis(100 << attempt));
            }
            done => return done,
        }
    }
    unreachable!("the last attempt is returned")
}

/// The chunks that `range` touches.
fn chunks_of(range: &Range<u64>) -> impl Iterator<Item = usize> + use<> {
    let chunk = CHUNK as u64;
    (range.start / chunk) as usize..=((range.end - 1) / chunk) as usize
}

fn hold(file: &Mutex<Stored>) -> MutexGuard<'_, Stored> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unverified(file: &str, reason: &str) -> Error {
    Error::Unverified {
        file: file.into(),
        reason: reason.into(),
    }
}
