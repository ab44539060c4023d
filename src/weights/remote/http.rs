//! The requests a download is made of.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use ureq::http::HeaderMap;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::error::{Error, Result};

/// A server that says nothing for this long has gone away.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    /// The ETag, or else the size and the date: what tells one version from another.
    pub(super) tag: String,
}

/// The body of an answer, from its beginning.
pub(super) enum Answer {
    /// The wanted bytes.
    Part(Box<dyn Read>, Option<Facts>),
    /// The whole file: the server has no ranges.
    Whole(Box<dyn Read>),
}

/// A client that keeps its connections.
#[derive(Debug, Clone)]
pub(super) struct Client(Agent);

impl Client {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("pagelens/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build();
        Self(config.into())
    }

    /// Size and version of a file, or `None` where there is none.
    pub(super) fn facts(&self, url: &str) -> Result<Option<Facts>> {
        let response = self.0.head(url).call().map_err(|e| failed(url, &e))?;
        match response.status().as_u16() {
            404 => Ok(None),
            200 => {
                let size = number(response.headers(), "content-length");
                let size = size.ok_or_else(|| said(url, "the server does not tell its size"))?;
                Ok(Some(describe(response.headers(), size)))
            }
            status => Err(said(url, &format!("the server answered {status}"))),
        }
    }

    /// A small file as a whole, or `None` where there is none.
    pub(super) fn whole(&self, url: &str) -> Result<Option<Vec<u8>>> {
        let response = self.0.get(url).call().map_err(|e| failed(url, &e))?;
        match response.status().as_u16() {
            404 => Ok(None),
            200 => {
                let mut bytes = Vec::new();
                reader(response)
                    .read_to_end(&mut bytes)
                    .map_err(|e| said(url, &e.to_string()))?;
                Ok(Some(bytes))
            }
            status => Err(said(url, &format!("the server answered {status}"))),
        }
    }

    /// The bytes `range` of a file.
    pub(super) fn part(&self, url: &str, range: &Range<u64>) -> Result<Answer> {
        let wanted = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.0.get(url).header("Range", wanted);
        let response = request.call().map_err(|e| failed(url, &e))?;
        match response.status().as_u16() {
            206 => {
                let headers = response.headers();
                let range = headers.get("content-range").and_then(|v| v.to_str().ok());
                let size = range.and_then(|text| text.rsplit_once('/')?.1.parse().ok());
                let facts = size.map(|size| describe(headers, size));
                Ok(Answer::Part(reader(response), facts))
            }
            200 => Ok(Answer::Whole(reader(response))),
            404 => Err(Error::MissingFile { file: url.into() }),
            status => Err(said(url, &format!("the server answered {status}"))),
        }
    }
}

fn reader(response: Response<Body>) -> Box<dyn Read> {
    let body = response.into_body().into_with_config().limit(u64::MAX);
    Box::new(body.reader())
}

fn describe(headers: &HeaderMap, size: u64) -> Facts {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let tag = match text("etag") {
        Some(tag) => tag.trim_start_matches("W/").trim_matches('"').to_owned(),
        None => format!("{size}:{}", text("last-modified").unwrap_or("")),
    };
    Facts { size, tag }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn failed(url: &str, error: &ureq::Error) -> Error {
    said(url, &error.to_string())
}

pub(super) fn said(url: &str, reason: &str) -> Error {
    Error::Network {
        url: url.into(),
        reason: reason.into(),
    }
}
