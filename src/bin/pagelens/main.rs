//! `pagelens`: ask about a picture, measure answers and speed, weigh, trace and pack a checkpoint, serve the page.
//!
//! Exit codes: 0 done; 1 failed, with one line on stderr that names the file or key and what is wrong; 2 usage.
#![expect(clippy::print_stdout, reason = "a command line answers on stdout")]

mod ask;
mod bench;
mod eval;
mod fit;
mod input;
mod metrics;
mod model;
mod pack;
mod schema;
mod serve;
mod trace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use pagelens::chat::{Message, Part, Role};
use pagelens::engine::Picture;
use pagelens::{Error, Result};

#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a question about one or more pictures; the answer streams to stdout.
    Ask(ask::Args),
    /// Write every stage of one answer to a safetensors file, for comparison with a reference.
    Trace(trace::Args),
    /// Say what a model needs and whether it fits here, before any of its weights is fetched.
    Fit(fit::Args),
    /// Turn a checkpoint, or GGUF files, into a pack.
    Pack(pack::Args),
    /// Measure how right a model's answers to a file of questions are.
    Eval(eval::Args),
    /// Measure how fast a model of published sizes runs here, with noise for weights.
    Bench(bench::Args),
    /// Serve the page on 127.0.0.1.
    Serve(serve::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Ask(args) => pollster::block_on(ask::run(&args)),
        Command::Trace(args) => pollster::block_on(trace::run(args)),
        Command::Fit(args) => pollster::block_on(fit::run(&args)),
        Command::Pack(args) => pollster::block_on(pack::run(&args)),
        Command::Eval(args) => pollster::block_on(eval::run(&args)),
        Command::Bench(args) => pollster::block_on(bench::run(&args)),
        Command::Serve(args) => serve::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pagelens: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `www/models/tiny`, from the working directory or any folder above the program.
fn shipped() -> Result<PathBuf> {
    const SHIPPED: &str = "www/models/tiny";
    let program = std::env::current_exe().unwrap_or_default();
    let roots = std::env::current_dir()
        .into_iter()
        .chain(program.ancestors().map(Path::to_owned));
    roots
        .map(|root| root.join(SHIPPED))
        .find(|folder| folder.join("manifest.json").is_file())
        .ok_or_else(|| Error::MissingFile {
            file: format!("{SHIPPED} (the model that ships; or name another with --model)"),
        })
}

/// A program of ours beside this one, or the one that the system finds.
fn program(name: &str) -> PathBuf {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(&name)));
    beside
        .filter(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

/// A bar on stderr.
fn bar(what: &'static str) -> (ProgressBar, impl FnMut(u64, u64)) {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent}%")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0)
        .with_style(style.progress_chars("=> "))
        .with_message(what);
    let handle = bar.clone();
    (bar, move |done, total| {
        handle.set_length(total);
        handle.set_position(done);
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| io(path, &error))
}

/// The question of a user about all these pictures.
fn about(pictures: &[Picture], question: &str) -> Message {
    let images = (0..pictures.len()).map(Part::Image);
    Message {
        role: Role::User,
        content: images.chain([Part::Text(question.to_owned())]).collect(),
    }
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Io {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}
