//! The published models that www/models.js names: each one's config is accepted by the import, every tensor that its class
//! has is used, and the numbers that the page shows follow from it.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "zoo/published.rs"]
mod published;

use std::fs::File;
use std::io::Write;

use pagelens::engine::fit::{Fit, Use};
use pagelens::gpu::Limits;
use pagelens::language::cache::CachePrecision;
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};

use published::published;

#[test]
fn every_published_model_opens_and_is_as_large_as_the_page_says() {
    let precisions = Precisions {
        vision: Precision::Q8,
        language: Precision::Q4,
        kv: CachePrecision::F32,
    };
    let limits = Limits {
        tensor: u64::MAX,
        memory: u64::MAX,
    };
    let models = published();
    assert!(models.len() >= 15);
    for model in &models {
        let folder = tempfile::tempdir().unwrap();
        let (files, data) = model.files();
        for (name, bytes) in files {
            let mut file = File::create(folder.path().join(&name)).unwrap();
            file.write_all(&bytes).unwrap();
            if name == "model.safetensors" {
                file.set_len(bytes.len() as u64 + data).unwrap(); // a hole: it takes no room
            }
        }
        let source = Source::Folder(folder.path().into());
        let checkpoint = pollster::block_on(Checkpoint::open(source)).unwrap();
        let fit = Fit::of(&checkpoint, precisions, limits, Use::default());
        assert_eq!(
            (checkpoint.bytes(), fit.memory),
            (model.bytes, model.memory),
            "{}: {fit:?}",
            model.id
        );
        assert_eq!(model.revision, "main");
        assert!(!model.licence.is_empty());
        assert!(model.context <= checkpoint.config().language.max_positions);
    }
}
