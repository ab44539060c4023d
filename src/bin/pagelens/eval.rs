//! `pagelens eval`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pagelens::chat::{Message, Part, Role};
use pagelens::engine::{GenerateOptions, Model, Session};
use pagelens::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::ModelArgs;
use crate::metrics::{Metric, Score};

/// Measure how right a model's answers to a file of questions are.
///
/// A line of the file is a JSON object: `id`, `image` or `images` (paths relative to the file), `question`, `answers` (the
/// accepted ones), `metric` (verbatim, exact, anls, relaxed, cer, iou or json), and if wanted `kind` and `lang`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Most tiles a picture is cut into, 1 to 40.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=40))]
    max_tiles: Option<u8>,
    /// Most tokens of an answer.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_tokens: usize,
    /// A line {"id", "prediction", "score"} for each answer as it is made; what it holds already is not asked again.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// The questions.
    #[arg(value_name = "QUESTIONS.jsonl")]
    questions: PathBuf,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    image: Option<PathBuf>,
    #[serde(default)]
    images: Vec<PathBuf>,
    question: String,
    answers: Vec<String>,
    metric: Metric,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    lang: String,
}

#[derive(Deserialize, Serialize)]
struct Prediction {
    id: String,
    prediction: String,
    score: f64,
}

/// Questions of one metric, kind and language.
#[derive(Default)]
struct Group {
    count: usize,
    sum: f64,
    weight: f64,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let questions: Vec<Question> = lines(&args.questions, &text(&args.questions)?)?;
    let (before, mut out) = match &args.predictions {
        Some(path) => {
            let (before, file) = Predictions::reopen(path)?;
            (before, Some(file))
        }
        None => (HashMap::new(), None),
    };

    let model = args.model.load().await?;
    let options = GenerateOptions {
        max_tokens: args.max_tokens,
        max_tiles: args.max_tiles.map(usize::from),
        ..GenerateOptions::default()
    };
    let folder = args.questions.parent().unwrap_or(Path::new(""));
    let mut session = Session::new();
    let mut groups: BTreeMap<(Metric, &str, &str), Group> = BTreeMap::new();
    let (bar, mut progress) = crate::bar("answering");
    for (done, question) in questions.iter().enumerate() {
        progress(done as u64, questions.len() as u64);
        let score = |prediction: &str| question.metric.score(prediction, &question.answers);
        let Score { value, weight } = if let Some(prediction) = before.get(&question.id) {
            score(prediction)
        } else {
            let prediction =
                answer(&model, &mut session, folder, question, options.clone()).await?;
            let score = score(&prediction);
            if let Some(file) = &mut out {
                file.append(&Prediction {
                    id: question.id.clone(),
                    prediction,
                    score: score.value,
                })?;
            }
            score
        };
        let group = groups
            .entry((question.metric, &question.kind, &question.lang))
            .or_default();
        group.count += 1;
        group.sum += value * weight;
        group.weight += weight;
    }
    bar.finish_and_clear();
    report(&groups, args.json);
    Ok(())
}

/// The whole answer to one question. The session keeps the picture for the next question about it.
async fn answer(
    model: &Model,
    session: &mut Session,
    folder: &Path,
    question: &Question,
    options: GenerateOptions,
) -> Result<String> {
    let images = question.image.iter().chain(&question.images);
    let pictures = crate::pictures(images.map(|image| folder.join(image)))?;
    let images = (0..pictures.len()).map(Part::Image);
    let message = Message {
        role: Role::User,
        content: images
            .chain([Part::Text(question.question.clone())])
            .collect(),
    };
    session
        .start(model, &[message], &pictures, options, async |_, _| true)
        .await?;
    let mut text = String::new();
    loop {
        let step = session.next(model).await?;
        text.push_str(&step.text);
        if step.stop.is_some() {
            return Ok(text);
        }
    }
}

/// The file of answers, one line each.
struct Predictions {
    path: PathBuf,
    file: File,
}

impl Predictions {
    /// The answers by id that `path` holds, and the file to go on with. A last line that was cut off is dropped.
    fn reopen(path: &Path) -> Result<(HashMap<String, String>, Self)> {
        let mut before = String::new();
        if path.exists() {
            before = text(path)?;
            before.truncate(before.rfind('\n').map_or(0, |end| end + 1));
        }
        let failed = |error| crate::io(path, &error);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        file.set_len(before.len() as u64).map_err(failed)?;
        let known = lines::<Prediction>(path, &before)?;
        let known = known.into_iter().map(|p| (p.id, p.prediction));
        let path = path.to_owned();
        Ok((known.collect(), Self { path, file }))
    }

    fn append(&mut self, prediction: &Prediction) -> Result<()> {
        let mut line = serde_json::to_string(prediction).expect("texts and a number");
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| crate::io(&self.path, &error))
    }
}

fn report(groups: &BTreeMap<(Metric, &str, &str), Group>, json: bool) {
    let average = |group: &Group| group.sum / group.weight;
    if json {
        let rows = groups.iter().map(|((metric, kind, lang), group)| {
            serde_json::json!({
                "metric": metric, "kind": kind, "lang": lang, "count": group.count, "score": average(group),
            })
        });
        println!(
            "{}",
            serde_json::json!({ "groups": rows.collect::<Vec<_>>() })
        );
        return;
    }
    println!(
        "{:10} {:16} {:6} {:>6} {:>8}",
        "metric", "kind", "lang", "count", "score"
    );
    for ((metric, kind, lang), group) in groups {
        println!(
            "{:10} {kind:16} {lang:6} {:6} {:7.2}%",
            metric.as_str(),
            group.count,
            100.0 * average(group)
        );
    }
}

/// The objects of a JSON Lines file; an error names the line.
fn lines<T: serde::de::DeserializeOwned>(path: &Path, content: &str) -> Result<Vec<T>> {
    let lines = content.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| Error::Json {
                file: format!("{} line {}", path.display(), number + 1),
                reason: error.to_string(),
            })
        })
        .collect()
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| crate::io(path, &error))
}
