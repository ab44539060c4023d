//! Models on a server: fetched through everything that can go wrong with a network, a disk or a process, never read
//! unverified, and refused before any weight where they cannot fit.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "format/fixture.rs"]
#[expect(dead_code, reason = "the tests of formats use all of it")]
mod fixture;
#[path = "zoo/published.rs"]
#[expect(dead_code, reason = "tests/zoo.rs uses all of it")]
mod published;
#[path = "remote/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use pagelens::Error;
use pagelens::engine::fit::{Fit, Use, Verdict};
use pagelens::gpu::Limits;
use pagelens::language::cache::CachePrecision;
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{
    Address, Checkpoint, Listed, Place, Plan, Remote, Source, Span, write_pack,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use fixture::Fixture;
use published::published;
use server::{Fault, Server};

const CHUNK: usize = 4 << 20;
const FILE: &str = "weights.bin";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Two and a half chunks of noise.
fn noise() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..CHUNK * 5 / 2).map(|_| random.u8(..)).collect()
}

/// All of a file; with its digests, as a manifest lists them.
fn plan(bytes: &[u8], listed: bool) -> Plan {
    let file = Listed {
        name: FILE.into(),
        size: bytes.len() as u64,
        sha256: sha256(bytes),
        chunks: bytes.chunks(CHUNK).map(sha256).collect(),
    };
    Plan {
        spans: vec![Span {
            file: FILE.into(),
            start: 0,
            end: bytes.len() as u64,
        }],
        files: if listed { vec![file] } else { Vec::new() },
    }
}

fn remote(server: &Server, cache: &Path) -> Remote {
    Remote::open(&Place::Url(format!("{}/m/", server.url)), cache).unwrap()
}

/// The file of the cache called `name`.
fn kept(cache: &Path, name: &str) -> PathBuf {
    let mut folders = std::fs::read_dir(cache).unwrap();
    folders.next().unwrap().unwrap().path().join(name)
}

/// Requests for bytes of the file, as chunk numbers.
fn chunks(server: &Server) -> Vec<u64> {
    let asked = server.asked().into_iter().filter(|asked| !asked.head);
    asked
        .filter_map(|asked| Some(asked.range?.0 / CHUNK as u64))
        .collect()
}

fn serving(bytes: &[u8]) -> Server {
    Server::start(BTreeMap::from([(format!("/m/{FILE}"), bytes.to_vec())]))
}

/// 208 downloads, each hit by something at random while it runs or after it; then they are complete and right, and no more
/// is fetched again than was lost.
#[test]
fn whatever_happens_the_file_is_right_in_the_end() {
    let bytes = noise();
    let server = serving(&bytes);
    let mut random = fastrand::Rng::with_seed(2);
    let mut killed = 0;
    for _ in 0..52 {
        let cache = tempfile::tempdir().unwrap();
        let mut allowed = 3;
        server.asked();
        for _ in 0..4 {
            killed += 1;
            let at = random.usize(..CHUNK);
            let fault = [
                Some(Fault::Cut(at)),
                Some(Fault::Refuse),
                Some(Fault::Whole),
                Some(Fault::Change),
                Some(Fault::Flip(at)),
                None,
            ][random.usize(..6)];
            server.state().faults.extend(fault);
            // What changes or has no ranges may cost all of the file, all else the chunk that it hit.
            allowed += match fault {
                Some(Fault::Change | Fault::Whole) => 3,
                Some(_) => 1,
                None => 0,
            };
            let plan = plan(&bytes, true);
            let stop_at = random.u64(..bytes.len() as u64 * 2);
            let fetched = catch_unwind(AssertUnwindSafe(|| {
                remote(&server, cache.path()).fetch(&plan, |done, _| {
                    if done >= stop_at {
                        resume_unwind(Box::new("killed")); // without the hook's message
                    }
                })
            }));
            server.state().faults.clear();
            if let Ok(Err(error)) = fetched {
                assert!(matches!(error, Error::Unverified { .. }), "{error}");
            }
            let (data, journal) = (
                kept(cache.path(), FILE),
                kept(cache.path(), "weights.bin.chunks"),
            );
            let (length, lines) = (
                std::fs::metadata(&data).unwrap().len(),
                std::fs::metadata(&journal).unwrap().len(),
            );
            let open = |path| std::fs::OpenOptions::new().write(true).open(path).unwrap();
            match random.u8(..6) {
                0 if length > 0 => {
                    let mut damaged = std::fs::read(&data).unwrap();
                    damaged[random.usize(..length as usize)] ^= 1;
                    std::fs::write(&data, damaged).unwrap();
                }
                1 => open(&data).set_len(random.u64(..=length)).unwrap(),
                2 => {
                    open(&journal).set_len(random.u64(..=lines)).unwrap();
                    allowed += 3; // a journal without its head is none
                }
                _ => continue,
            }
            allowed += 3;
        }
        let before = chunks(&server).len();
        remote(&server, cache.path())
            .fetch(&plan(&bytes, true), |_, _| {})
            .unwrap();
        assert_eq!(std::fs::read(kept(cache.path(), FILE)).unwrap(), bytes);
        let requests = before + chunks(&server).len();
        assert!(
            requests <= allowed + 4,
            "{requests} requests, {allowed} allowed"
        );
    }
    assert_eq!(killed, 208);
}

#[test]
fn a_second_start_asks_for_no_weight_and_a_damaged_chunk_costs_itself() {
    let bytes = noise();
    let server = serving(&bytes);
    let cache = tempfile::tempdir().unwrap();
    let fetch = || remote(&server, cache.path()).fetch(&plan(&bytes, false), |_, _| {});
    fetch().unwrap();
    let mut first = chunks(&server);
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
    fetch().unwrap();
    assert!(chunks(&server).is_empty());

    let mut damaged = bytes.clone();
    damaged[CHUNK + 5] ^= 1;
    std::fs::write(kept(cache.path(), FILE), damaged).unwrap();
    fetch().unwrap();
    assert_eq!(chunks(&server), [1]);
    assert_eq!(std::fs::read(kept(cache.path(), FILE)).unwrap(), bytes);

    server.state().version += 1;
    fetch().unwrap();
    assert_eq!(chunks(&server).len(), 3, "another version is another file");
}

#[test]
fn damage_on_the_way_is_fetched_again_and_lies_are_refused() {
    let bytes = noise();
    let server = serving(&bytes);
    let cache = tempfile::tempdir().unwrap();
    server.state().faults = vec![Fault::Flip(7)];
    remote(&server, cache.path())
        .fetch(&plan(&bytes, true), |_, _| {})
        .unwrap();
    assert_eq!(chunks(&server).len(), 4);

    let mut other = bytes.clone();
    other[9] ^= 1;
    let mut lie = plan(&other, true);
    lie.files[0].chunks.clear();
    let fetched = remote(&server, cache.path()).fetch(&lie, |_, _| {});
    assert!(
        matches!(fetched, Err(Error::Unverified { .. })),
        "{fetched:?}"
    );
    remote(&server, cache.path())
        .fetch(&plan(&bytes, true), |_, _| {})
        .unwrap();
    assert_eq!(chunks(&server).len(), 3, "nothing of it was kept");
}

/// A repository of a Hugging Face style host, with the digests of what it lists.
fn repository(files: BTreeMap<String, Vec<u8>>) -> Server {
    let siblings: Vec<Value> = files
        .iter()
        .map(|(name, bytes)| {
            let lfs = name.ends_with(".safetensors");
            let lfs = lfs.then(|| json!({ "sha256": sha256(bytes), "size": bytes.len() }));
            json!({ "rfilename": name, "size": bytes.len(), "blobId": &sha256(bytes)[..40], "lfs": lfs })
        })
        .collect();
    let listing = json!({ "sha": "c0ffee", "siblings": siblings }).to_string();
    let mut served: BTreeMap<_, _> = files
        .into_iter()
        .map(|(name, bytes)| (format!("/Org/Tiny/resolve/c0ffee/{name}"), bytes))
        .collect();
    served.insert(
        "/api/models/Org/Tiny/revision/main?blobs=true".into(),
        listing.into(),
    );
    Server::start(served)
}

fn open(name: &str, server: &Server, cache: &Path) -> pagelens::Result<Checkpoint> {
    let address = Address::parse(name, &server.url)?;
    pollster::block_on(Checkpoint::open(Source::at(address, cache)?))
}

/// A weight of the fixture as it is in a local folder.
fn first_weight(checkpoint: &Checkpoint) -> pagelens::weights::Weight {
    let name = "language.embed_tokens.weight";
    pollster::block_on(checkpoint.weight(name, Precision::F32)).unwrap()
}

#[test]
fn a_repository_is_pinned_verified_and_there_without_its_host() {
    let server = repository(Fixture::plain().build());
    let cache = tempfile::tempdir().unwrap();
    let expected = first_weight(&Fixture::plain().open().unwrap());
    {
        let checkpoint = open("Org/Tiny", &server, cache.path()).unwrap();
        checkpoint.fetch(|_, _| {}).unwrap();
        assert_eq!(first_weight(&checkpoint), expected);
    }
    let asked = server.asked();
    let tree = |path: &str| path.starts_with("/api/") || path.contains("/resolve/c0ffee/");
    assert!(asked.iter().all(|asked| tree(&asked.path)), "{asked:?}");

    // Without the host, and with a mirror of it that has other bytes under the same digest.
    let address = Address::parse("Org/Tiny", &server.url).unwrap();
    server.state().files.clear();
    {
        let source = Source::at(address, cache.path()).unwrap();
        let checkpoint = pollster::block_on(Checkpoint::open(source));
        assert!(
            checkpoint.is_err(),
            "a host that answers 404 has no such repository"
        );
    }
    let weights = "model.safetensors";
    let mut files = Fixture::plain().build();
    let server = repository(files.clone());
    let last = files[weights].len() - 1;
    files.get_mut(weights).unwrap()[last] ^= 1;
    let path = format!("/Org/Tiny/resolve/c0ffee/{weights}");
    let other = files[weights].clone();
    server.state().files.insert(path, other);
    let cache = tempfile::tempdir().unwrap();
    let checkpoint = open("Org/Tiny", &server, cache.path()).unwrap();
    let fetched = checkpoint.fetch(|_, _| {});
    assert!(
        matches!(&fetched, Err(Error::Unverified { file, .. }) if file == weights),
        "{fetched:?}"
    );
}

#[test]
fn a_pack_behind_a_url_is_a_pack() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::plain().open().unwrap();
    let (vision, language) = (Precision::Q8, Precision::Q4);
    pollster::block_on(write_pack(
        &fixture,
        folder.path(),
        "Tiny",
        vision,
        language,
        |_, _| {},
    ))
    .unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (format!("/m/{name}"), std::fs::read(path).unwrap())
    });
    let server = Server::start(files.collect());
    let cache = tempfile::tempdir().unwrap();
    let checkpoint = open(&format!("{}/m", server.url), &server, cache.path()).unwrap();
    let (mut last, mut all) = (0, 0);
    checkpoint
        .fetch(|done, total| (last, all) = (done, total))
        .unwrap();
    assert_eq!((last, all), (checkpoint.bytes(), checkpoint.bytes()));
    assert_eq!(checkpoint.name(), Some("Tiny"));
    let local = Source::Folder(folder.path().into());
    let local = pollster::block_on(Checkpoint::open(local)).unwrap();
    assert_eq!(first_weight(&checkpoint), first_weight(&local));
}

#[test]
fn eight_billion_weights_on_an_adapter_of_one_gibibyte_are_refused_before_any_of_them() {
    let models = published();
    let model = models
        .iter()
        .find(|model| model.id.ends_with("InternVL3-8B"));
    let (files, data) = model.unwrap().files();
    let header = files["model.safetensors"].len() as u64;
    let files = files
        .into_iter()
        .map(|(name, bytes)| (format!("/m/{name}"), bytes));
    let server = Server::start(files.collect());
    server
        .state()
        .zeros
        .insert("/m/model.safetensors".into(), data);
    let cache = tempfile::tempdir().unwrap();
    let checkpoint = open(&format!("{}/m/", server.url), &server, cache.path()).unwrap();
    let precisions = Precisions {
        vision: Precision::Q8,
        language: Precision::Q4,
        kv: CachePrecision::F16,
    };
    let limits = Limits {
        tensor: 1 << 30,
        memory: 4 << 30,
    };
    let fit = Fit::of(&checkpoint, precisions, limits, Use::default());
    assert_eq!(fit.verdict, Verdict::No);
    assert!(fit.download > 15_000_000_000, "{fit:?}");
    let message = fit.check().unwrap_err().to_string();
    for word in [
        "does not fit",
        "MB of memory",
        "this device has 4295 MB",
        "smaller model",
    ] {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
    let beyond = |end: u64| end >= header;
    let asked = server.asked();
    assert!(
        asked.iter().all(|asked| asked.head
            || !asked.path.ends_with("model.safetensors")
            || asked.range.is_some_and(|(_, end)| !beyond(end))),
        "{asked:?}"
    );

    // More memory makes it fit, however small a buffer may be: its matrices are cut.
    let large = Limits {
        tensor: 128 << 20,
        memory: 64 << 30,
    };
    let fit = Fit::of(&checkpoint, precisions, large, Use::default());
    assert_eq!((fit.verdict, fit.reason.as_str()), (Verdict::Fits, ""));
    // Room for the weights and little more: fewer tiles.
    let tight = Limits {
        memory: fit.memory - 1,
        ..large
    };
    let fit = Fit::of(&checkpoint, precisions, tight, Use::default());
    assert_eq!(fit.verdict, Verdict::Tight, "{fit:?}");
    assert!(fit.advice.starts_with("use at most 1"), "{}", fit.advice);
}
