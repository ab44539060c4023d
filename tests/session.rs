//! A conversation over several turns: the KV cache keeps what did not change, and keeping it changes no answer.

use std::path::Path;
use std::rc::Rc;

use pagelens::chat::{Message, Part, Role};
use pagelens::engine::{GenerateOptions, Model, Picture, Session, Started, StopReason};
use pagelens::gpu::Compute;
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};

fn model(case: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(case);
    let load = async {
        let checkpoint = Checkpoint::open(Source::Folder(folder)).await?;
        Model::load(
            &checkpoint,
            Compute::cpu(),
            Precisions::all(Precision::F32),
            &mut |_, _| {},
        )
        .await
    };
    pollster::block_on(load).expect("a golden checkpoint loads")
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
            let step = session.next(model).await.expect("a step");
            text.push_str(&step.text);
            if let Some(stop) = step.stop {
                return (text, started, stop);
            }
        }
    })
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
