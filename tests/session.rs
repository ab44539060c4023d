//! A conversation over several turns: the KV cache keeps what did not change, and keeping it changes no answer.

use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Tensor, TensorData};
use pagelens::chat::{Message, Part, Role};
use pagelens::engine::{GenerateOptions, Model, Picture, Session, Started, StopReason};
use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::kernels::embed::Source as Row;
use pagelens::kernels::launch::dispatches;
use pagelens::language::cache::CachePrecision;
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};

fn model(case: &str) -> Model {
    on(case, Compute::cpu())
}

fn on(case: &str, compute: Compute) -> Model {
    remembering(case, compute, CachePrecision::F32)
}

fn remembering(case: &str, compute: Compute, kv: CachePrecision) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(case);
    let load = async {
        let checkpoint = Checkpoint::open(Source::Folder(folder)).await?;
        Model::load(
            &checkpoint,
            compute,
            Precisions {
                kv,
                ..Precisions::all(Precision::F32)
            },
            &mut |_, _| {},
        )
        .await
    };
    pollster::block_on(load).expect("a golden checkpoint loads")
}

/// Whatever adapter there is, for one test at a time: dispatches are counted.
fn gpu() -> (MutexGuard<'static, ()>, Compute) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = pollster::block_on(Compute::open(DeviceChoice::Gpu));
    (alone, opened.expect("a device to test on"))
}

fn picture(name: &str) -> Picture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/images")
        .join(name);
    Picture {
        name: name.to_owned(),
        bytes: Rc::from(std::fs::read(path).expect("a golden picture")),
    }
}

fn user(images: &[usize], text: &str) -> Message {
    let images = images.iter().map(|&image| Part::Image(image));
    Message {
        role: Role::User,
        content: images.chain([Part::Text(text.to_owned())]).collect(),
    }
}

/// The whole answer and what its prompt came to.
fn answer(
    session: &mut Session,
    model: &Model,
    messages: &[Message],
    pictures: &[Picture],
    options: &GenerateOptions,
) -> (String, Started, StopReason) {
    pollster::block_on(async {
        let started = session
            .start(model, messages, pictures, options.clone(), async |_, _| {
                true
            })
            .await
            .expect("the conversation starts");
        let mut text = String::new();
        loop {
            let step = session.next(model, None).await.expect("a step");
            text.push_str(&step.text);
            if let Some(stop) = step.stop {
                return (text, started, stop);
            }
        }
    })
}

/// A conversation of three turns about one picture.
fn talk(model: &Model) -> Vec<(String, Started, StopReason)> {
    let pictures = [picture("wide.png")];
    let mut session = Session::new();
    let mut messages = vec![user(&[0], "What is this?")];
    let mut answers = Vec::new();
    for _ in 0..3 {
        let said = answer(&mut session, model, &messages, &pictures, &options());
        messages.push(Message::text(Role::Assistant, said.0.clone()));
        messages.push(user(&[], "And then?"));
        answers.push(said);
    }
    answers
}

fn options() -> GenerateOptions {
    GenerateOptions {
        max_tokens: 12,
        ..GenerateOptions::default()
    }
}

#[test]
fn a_second_turn_pays_only_for_what_is_new_and_answers_the_same() {
    for case in ["hf-qwen3", "original-internlm2"] {
        let model = model(case);
        let pictures = [picture("small.png"), picture("square.png")];
        let mut session = Session::new();
        let mut messages = vec![user(&[0], "What is this?")];
        let (first, started, _) =
            answer(&mut session, &model, &messages, &pictures[..1], &options());
        assert_eq!(started.cached_tokens, 0, "{case}");
        assert_eq!(
            started.image_tokens,
            started.tiles[0] * model.tokens_per_tile()
        );

        messages.extend([
            Message::text(Role::Assistant, first),
            user(&[1], "And this?"),
        ]);
        let (kept, second, _) = answer(&mut session, &model, &messages, &pictures, &options());
        assert!(
            second.cached_tokens >= started.prompt_tokens,
            "{case}: {second:?} after {started:?}"
        );
        let (fresh, _, _) = answer(
            &mut Session::new(),
            &model,
            &messages,
            &pictures,
            &options(),
        );
        assert_eq!(kept, fresh, "{case}");
    }
}

#[test]
fn another_picture_in_the_same_place_is_not_taken_from_the_cache() {
    let model = model("hf-qwen3");
    let messages = [user(&[0], "What is this?")];
    let (small, square) = ([picture("small.png")], [picture("square.png")]);
    let mut session = Session::new();
    answer(&mut session, &model, &messages, &small, &options());
    let (kept, started, _) = answer(&mut session, &model, &messages, &square, &options());
    assert!(started.cached_tokens < started.prompt_tokens - started.image_tokens);
    assert_eq!(
        kept,
        answer(&mut Session::new(), &model, &messages, &square, &options()).0
    );
    // The same question again: everything but the last row.
    let (_, again, _) = answer(&mut session, &model, &messages, &square, &options());
    assert_eq!(again.cached_tokens, again.prompt_tokens - 1);
}

#[test]
fn another_resolution_encodes_only_what_is_new() {
    let model = model("hf-qwen3");
    let (messages, pictures) = ([user(&[0], "What is this?")], [picture("wide.png")]);
    let mut session = Session::new();
    // (most tiles, tiles of the page, tiles that are encoded for it): one tile is the thumbnail of several.
    for (max_tiles, tiles, encoded) in [(1, 1, 1), (6, 3, 2), (4, 3, 0), (1, 1, 0)] {
        let options = GenerateOptions {
            max_tiles: Some(max_tiles),
            ..options()
        };
        let mut count = 0;
        let encode = async |_, _| {
            count += 1;
            true
        };
        let start = session.start(&model, &messages, &pictures, options.clone(), encode);
        let started = pollster::block_on(start).expect("the conversation starts");
        assert_eq!((&started.tiles[..], count), (&[tiles][..], encoded));
        let (kept, ..) = answer(&mut session, &model, &messages, &pictures, &options);
        let fresh = answer(&mut Session::new(), &model, &messages, &pictures, &options);
        assert_eq!(kept, fresh.0, "{max_tiles} tiles");
    }
}

#[test]
fn tiles_encoded_at_once_are_as_each_alone() {
    let (_alone, compute) = gpu();
    for compute in [compute, Compute::cpu()] {
        let model = on("original-qwen3", compute);
        let side = model.config.vision.image_size;
        let wave = (0..3 * 3 * side * side).map(|i| (i as f32 * 0.37).sin());
        let pixels = TensorData::new(wave.collect::<Vec<f32>>(), [3, 3, side, side]);
        let tiles = Tensor::<4>::from_data(pixels, &model.compute.device);
        let values = |tensor: Tensor<2>| tensor.into_data().try_to_vec::<f32>().expect("floats");
        let (hidden, visual) = model.encode(&tiles, 0..3);
        let mut alone = (Vec::new(), Vec::new());
        for tile in 0..3 {
            let (hidden, visual) = model.encode(&tiles, tile..tile + 1);
            alone.0.extend(values(hidden));
            alone.1.extend(values(visual));
        }
        for (all, alone) in [(values(hidden), alone.0), (values(visual), alone.1)] {
            assert_eq!(all.len(), alone.len());
            let pairs = all.iter().zip(&alone);
            assert!(
                pairs
                    .clone()
                    .all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0))
            );
            assert_ne!(alone[..alone.len() / 3], alone[alone.len() / 3 * 2..]);
        }
    }
}

/// It works on what follows from a token before it has been read, also where that token ends the answer. Fails where there is
/// no adapter; a software adapter will do.
#[test]
fn a_gpu_that_works_ahead_answers_as_the_cpu_does() {
    let (_alone, compute) = gpu();
    let case = "hf-qwen3";
    let talk = |compute, stop: Option<&String>| {
        let mut model = on(case, compute);
        model.config.chat.stop.extend(stop.cloned());
        talk(&model)
    };
    let until_full = talk(Compute::cpu(), None);
    assert_eq!(talk(compute.clone(), None), until_full);

    // Any token that the answers have, but not at their beginning, as a stop token.
    let model = model(case);
    let mut session = Session::new();
    let messages = [user(&[0], "What is this?")];
    let pictures = [picture("wide.png")];
    let start = session.start(&model, &messages, &pictures, options(), async |_, _| true);
    pollster::block_on(start).expect("the conversation starts");
    let next = || pollster::block_on(session.next_id(&model, None)).expect("an id");
    let ids: Vec<u32> = std::iter::repeat_with(next).map_while(|id| id).collect();
    let last = ids.iter().rfind(|&id| *id != ids[0]).expect("two tokens");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hf-qwen3/tokenizer.json");
    let file = std::fs::read(file).expect("a tokenizer");
    let file: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
    let vocabulary = file["model"]["vocab"].as_object().expect("a vocabulary");
    let (name, _) = vocabulary
        .iter()
        .find(|(_, id)| id.as_u64() == Some(u64::from(*last)))
        .expect("its name");
    let until_stop = talk(Compute::cpu(), Some(name));
    assert_eq!(until_stop[0].2, StopReason::Stop);
    assert_eq!(talk(compute, Some(name)), until_stop);
}

#[test]
fn keys_and_values_in_halves_answer_as_those_in_floats() {
    let (_alone, compute) = gpu();
    for case in ["hf-qwen3", "original-internlm2", "original-llama-phi3"] {
        let floats = talk(&on(case, Compute::cpu()));
        for compute in [Compute::cpu(), compute.clone()] {
            let halves = talk(&remembering(case, compute, CachePrecision::F16));
            assert_eq!(halves, floats, "{case}");
        }
    }
}

#[test]
fn a_seed_repeats_and_other_seeds_differ() {
    let model = model("hf-qwen3");
    let (messages, pictures) = ([user(&[0], "What is this?")], [picture("small.png")]);
    let sampled = |seed| {
        let options = GenerateOptions {
            temperature: 1.5,
            seed,
            ..options()
        };
        answer(&mut Session::new(), &model, &messages, &pictures, &options).0
    };
    assert_eq!(sampled(7), sampled(7));
    assert!(
        (0..4)
            .map(sampled)
            .collect::<std::collections::HashSet<_>>()
            .len()
            > 1
    );
}

#[test]
fn limits_end_an_answer() {
    let model = model("hf-qwen3");
    let (messages, pictures) = ([user(&[0], "What is this?")], [picture("small.png")]);
    let short = GenerateOptions {
        max_tokens: 1,
        ..options()
    };
    let mut session = Session::new();
    let (_, _, stop) = answer(&mut session, &model, &messages, &pictures, &short);
    assert_eq!(
        (stop, session.usage().completion_tokens),
        (StopReason::Length, 1)
    );

    let long = [user(&[0], &"word ".repeat(model.context()))];
    let error =
        pollster::block_on(session.start(&model, &long, &pictures, options(), async |_, _| true));
    assert!(
        matches!(error, Err(pagelens::Error::ContextFull { .. })),
        "{error:?}"
    );
    let stopped = pollster::block_on(Session::new().start(
        &model,
        &messages,
        &pictures,
        options(),
        async |_, _| false,
    ));
    assert!(
        matches!(stopped, Err(pagelens::Error::Stopped)),
        "{stopped:?}"
    );
}

/// What a layer costs beside its arithmetic. Fails where there is no adapter; a software adapter will do.
#[test]
fn a_layer_is_few_dispatches() {
    let (_alone, compute) = gpu();
    for (case, encoder_layer) in [("hf-qwen2-tied", 5), ("original-qwen3", 6)] {
        let model = on(case, compute.clone());
        let (vision, language) = (&model.config.vision, &model.config.language);
        let side = vision.image_size;
        let tile = Tensor::<4>::ones([1, 3, side, side], &compute.device);
        let before = dispatches();
        model.encode(&tile, 0..1);
        // Beside the layers: patches, their product, positions; pixel shuffle and the projector's two products.
        let count = 6 + encoder_layer * vision.layers;
        assert_eq!(dispatches() - before, count, "{case}: a tile");
        let mut cache = model.cache(512);
        for (position, decoder_layer) in [(3, 6), (300, 7)] {
            cache.length = position;
            let before = dispatches();
            model.forward(&[Row::Token(1)], None, &mut cache);
            // Beside the layers: the embedding, the last norm and the head.
            let count = 3 + decoder_layer * language.layers;
            let label = format!("{case}: a token at {position}");
            assert_eq!(dispatches() - before, count, "{label}");
        }
    }
}
