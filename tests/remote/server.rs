//! A static host on 127.0.0.1 that fails on request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What is wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// 503.
    Refuse,
    /// Bit 0 of this byte of the body is turned.
    Flip(usize),
    /// The whole file, whatever was asked for.
    Whole,
    /// From here on the files are another version.
    Change,
}

/// A request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) head: bool,
    pub(crate) path: String,
    /// First and last byte.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) status: u16,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Zeros behind a file's bytes, of a file that no memory could hold.
    pub(crate) zeros: BTreeMap<String, u64>,
    pub(crate) version: u32,
    /// Waits for the next answers with a body of more than 1 MiB.
    pub(crate) faults: Vec<Fault>,
    pub(crate) log: Vec<Asked>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            files,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().log)
    }
}

/// Answers requests until the client goes away.
fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((head, path, range)) = request(&mut lines) {
        let (answer, body) = answer(state, head, path, range);
        let sent = stream
            .write_all(&answer)
            .and_then(|()| stream.write_all(&body));
        if sent.is_err() || answer.ends_with(b"close\r\n\r\n") {
            return;
        }
    }
}

/// Whether it is a HEAD, the path, and the range that is asked for.
type Request = (bool, String, Option<(u64, u64)>);

fn request(lines: &mut impl BufRead) -> Option<Request> {
    let (mut first, mut range) = (String::new(), None);
    lines.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some((start, end)) = line
            .strip_prefix("range: bytes=")
            .and_then(|text| text.split_once('-'))
        {
            range = Some((start.parse().ok()?, end.parse().ok()?));
        }
        if line.is_empty() {
            return Some((method == "HEAD", path, range));
        }
    }
}

fn answer(
    state: &Mutex<State>,
    head: bool,
    path: String,
    mut range: Option<(u64, u64)>,
) -> (Vec<u8>, Vec<u8>) {
    let mut state = state.lock().unwrap();
    let file = state.files.get(&path).cloned();
    let zeros = state.zeros.get(&path).copied().unwrap_or(0);
    let large = file.as_ref().is_some_and(|file| file.len() > 1 << 20);
    let fault = match head || !large {
        true => None,
        false => state.faults.pop(),
    };
    if fault == Some(Fault::Change) {
        state.version += 1;
    }
    if fault == Some(Fault::Whole) {
        range = None;
    }
    let status = match (&file, fault, range) {
        (None, ..) => 404,
        (_, Some(Fault::Refuse), _) => 503,
        (_, _, Some(_)) => 206,
        _ => 200,
    };
    state.log.push(Asked {
        head,
        path,
        range,
        status,
    });
    let file = file.filter(|_| status < 300).unwrap_or_default();
    let size = file.len() as u64 + zeros;
    let mut body = match range.filter(|_| status == 206) {
        Some((start, end)) => file[start as usize..=end as usize].to_vec(),
        None => file,
    };
    let length = if head { size } else { body.len() as u64 };
    let mut answer = format!(
        "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nETag: \"{}\"\r\n",
        state.version
    );
    if let Some((start, end)) = range.filter(|_| status == 206) {
        answer += &format!("Content-Range: bytes {start}-{end}/{size}\r\n");
    }
    match fault {
        Some(Fault::Cut(at)) => {
            body.truncate(at % body.len().max(1));
            answer += "Connection: close\r\n";
        }
        Some(Fault::Flip(at)) if !body.is_empty() => {
            let at = at % body.len();
            body[at] ^= 1;
        }
        _ => {}
    }
    answer += "\r\n";
    if head {
        body.clear();
    }
    (answer.into_bytes(), body)
}
