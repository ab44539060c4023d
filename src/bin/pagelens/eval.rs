//! `pagelens eval`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pagelens::engine::{GenerateOptions, Model, Session};
use pagelens::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::metrics::{Metric, Score};
use crate::model::ModelArgs;

/// Measure how right a model's answers to a file of questions are.
///
/// A line of the file is a JSON object: `id`, `image` or `images` (paths relative to the file), `question`, `answers` (the
/// accepted ones), `metric` (verbatim, exact, anls, relaxed, cer, iou or json), and if wanted `kind`, `lang`, and
/// `"not_stated": true` where the page does not say: how well that is told is then reported too.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
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
    #[serde(default)]
    not_stated: bool,
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
    right: usize,
    sum: f64,
    weight: f64,
}

/// How often a model said that the page does not say.
#[derive(Default)]
struct NotStated {
    asked: usize,
    said: usize,
    rightly: usize,
}

impl NotStated {
    /// The harmonic mean of precision and recall.
    fn f1(&self) -> f64 {
        2.0 * self.rightly as f64 / (self.asked + self.said).max(1) as f64
    }
}

#[derive(Default)]
struct Report<'a> {
    groups: BTreeMap<(Metric, &'a str, &'a str), Group>,
    not_stated: BTreeMap<&'a str, NotStated>,
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
    let options = args.model.options();
    let folder = args.questions.parent().unwrap_or(Path::new(""));
    let mut session = Session::new();
    let mut report = Report::default();
    let refusals = refusals(&questions);
    let (bar, mut progress) = crate::bar("answering");
    for (done, question) in questions.iter().enumerate() {
        progress(done as u64, questions.len() as u64);
        let prediction = if let Some(prediction) = before.get(&question.id) {
            prediction.clone()
        } else {
            let prediction =
                answer(&model, &mut session, folder, question, options.clone()).await?;
            if let Some(file) = &mut out {
                file.append(&Prediction {
                    id: question.id.clone(),
                    score: question.score(&prediction).value,
                    prediction: prediction.clone(),
                })?;
            }
            prediction
        };
        report.add(question, &prediction, &refusals);
    }
    bar.finish_and_clear();
    report.print(args.json);
    Ok(())
}

/// What is said, by language, where the page does not say.
fn refusals(questions: &[Question]) -> HashMap<&str, Vec<String>> {
    let mut said: HashMap<&str, Vec<String>> = HashMap::new();
    for question in questions.iter().filter(|question| question.not_stated) {
        said.entry(&question.lang)
            .or_default()
            .extend(question.answers.iter().cloned());
    }
    for answers in said.values_mut() {
        answers.sort();
        answers.dedup();
    }
    said
}

impl Question {
    fn score(&self, prediction: &str) -> Score {
        self.metric.score(prediction, &self.answers)
    }
}

impl<'a> Report<'a> {
    fn add(
        &mut self,
        question: &'a Question,
        prediction: &str,
        refusals: &HashMap<&str, Vec<String>>,
    ) {
        let Score { value, weight } = question.score(prediction);
        let key = (question.metric, &*question.kind, &*question.lang);
        let group = self.groups.entry(key).or_default();
        group.count += 1;
        group.right += usize::from(question.metric.is_right(value));
        group.sum += value * weight;
        group.weight += weight;
        if question.metric == Metric::Exact
            && let Some(refusals) = refusals.get(&*question.lang)
        {
            let said = Metric::Exact.score(prediction, refusals).value == 1.0;
            let tally = self.not_stated.entry(&question.lang).or_default();
            tally.asked += usize::from(question.not_stated);
            tally.said += usize::from(said);
            tally.rightly += usize::from(said && question.not_stated);
        }
    }

    fn print(&self, json: bool) {
        if json {
            let groups = self.groups.iter().map(|((metric, kind, lang), group)| {
                serde_json::json!({
                    "metric": metric, "kind": kind, "lang": lang, "count": group.count, "score": group.sum / group.weight,
                    "right": group.right,
                })
            });
            let not_stated = self.not_stated.iter().map(|(lang, tally)| {
                serde_json::json!({ "lang": lang, "count": tally.asked, "f1": tally.f1() })
            });
            let whole = serde_json::json!({
                "groups": groups.collect::<Vec<_>>(), "not_stated": not_stated.collect::<Vec<_>>(),
            });
            println!("{whole}");
            return;
        }
        println!(
            "{:10} {:16} {:6} {:>6} {:>8} {:>8}",
            "metric", "kind", "lang", "count", "score", "right"
        );
        for ((metric, kind, lang), group) in &self.groups {
            let (score, right) = (
                group.sum / group.weight,
                group.right as f64 / group.count as f64,
            );
            println!(
                "{:10} {kind:16} {lang:6} {:6} {:7.2}% {:7.2}%",
                metric.as_str(),
                group.count,
                100.0 * score,
                100.0 * right
            );
        }
        for (lang, tally) in &self.not_stated {
            println!(
                "{:10} {:16} {lang:6} {:6} {:7.2}%",
                "f1",
                "not stated",
                tally.asked,
                100.0 * tally.f1()
            );
        }
    }
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
    let pictures = crate::input::pictures(
        images.map(|image| folder.join(image)),
        &crate::input::PdfArgs::default(),
    )?;
    let message = crate::about(&pictures, &question.question);
    session
        .start(model, &[message], &pictures, options, async |_, _| true)
        .await?;
    let mut text = String::new();
    loop {
        let step = session.next(model, None).await?;
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
