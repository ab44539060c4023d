//! `pagelens ask`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pagelens::chat::{Message, Role};
use pagelens::engine::{GenerateOptions, Session, StopReason};
use pagelens::{Error, Result};

use crate::input;
use crate::model::ModelArgs;
use crate::schema::Held;

/// Ask a question, mostly about one or more pictures or documents (PDF, TIFF).
#[derive(clap::Args)]
#[command(override_usage = "pagelens ask [OPTIONS] [FILE]... QUESTION")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// 0 is greedy.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f32,
    /// Same seed, same answer.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The system message, in place of the checkpoint's.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// A JSON Schema that the answer is held to.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Print one JSON object instead of streaming.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pdf: input::PdfArgs,
    /// Pictures or documents, if any, then the question.
    #[arg(required = true, num_args = 1.., value_names = ["FILE", "QUESTION"])]
    input: Vec<String>,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let (question, files) = args.input.split_last().expect("clap asks for one or more");
    let pictures = input::pictures(files.iter().map(Path::new), &args.pdf)?;
    let model = args.model.load().await?;
    let schema = args.schema.as_deref();
    let mut held = schema.map(|file| Held::start(file, &model)).transpose()?;
    let mut allowed = held.as_mut().map(Held::allowed).transpose()?;

    let mut messages = Vec::new();
    if let Some(system) = &args.system {
        messages.push(Message::text(Role::System, system));
    }
    messages.push(crate::about(&pictures, question));
    let options = GenerateOptions {
        temperature: args.temperature,
        seed: args.seed,
        ..args.model.options()
    };

    let mut session = Session::new();
    let (bar, mut progress) = crate::bar("reading");
    let started = session
        .start(
            &model,
            &messages,
            &pictures,
            options,
            async |done, total| {
                progress(done as u64, total as u64);
                true
            },
        )
        .await?;
    bar.finish_and_clear();
    let mut text = String::new();
    let stop = loop {
        let step = session.next(&model, allowed.as_deref()).await?;
        text.push_str(&step.text);
        if !args.json {
            print!("{}", step.text);
            std::io::stdout().flush().map_err(|error| stdout(&error))?;
        }
        if let Some(stop) = step.stop {
            break stop;
        }
        if let (Some(held), Some(id)) = (&mut held, step.id) {
            held.accept(id);
            allowed = Some(held.allowed()?);
        }
    };
    let usage = session.usage();
    if args.json {
        let answer = serde_json::json!({
            "text": text,
            "tiles": started.tiles.iter().sum::<usize>(),
            "prompt_tokens": usage.prompt_tokens,
            "image_tokens": usage.image_tokens,
            "generated_tokens": usage.completion_tokens,
            "ttft_ms": usage.ttft_ms,
            "tokens_per_s": usage.tokens_per_s,
            "stop_reason": stop.as_str(),
        });
        println!("{answer}");
    } else {
        println!();
        if stop == StopReason::Length {
            eprintln!("(cut at {} tokens)", usage.completion_tokens);
        }
    }
    eprintln!(
        "{} tiles, {} prompt tokens ({} of the pictures); first token after {:.0} ms, then {:.1} tokens/s",
        started.tiles.iter().sum::<usize>(),
        usage.prompt_tokens,
        usage.image_tokens,
        usage.ttft_ms,
        usage.tokens_per_s
    );
    Ok(())
}

fn stdout(error: &std::io::Error) -> Error {
    Error::Io {
        path: "stdout".to_owned(),
        reason: error.to_string(),
    }
}
