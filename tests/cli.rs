//! The command line as a user meets it: exit codes, one clear line where something is wrong, and packs that answer as the
//! checkpoint does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CASE: &str = "tests/golden/hf-qwen2-448";
const PICTURE: &str = "www/samples/word.png";

fn pagelens(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pagelens"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code 1 and a single line that names each of the words.
fn fails(arguments: &[&str], words: &[&str]) {
    let output = pagelens(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    let lines: Vec<_> = message
        .lines()
        .filter(|line| line.starts_with("pagelens: "))
        .collect();
    assert_eq!(lines.len(), 1, "{arguments:?}: {message}");
    for word in words {
        assert!(
            lines[0].contains(word),
            "{arguments:?}: {:?} does not say {word:?}",
            lines[0]
        );
    }
    assert!(
        output.stdout.is_empty(),
        "{arguments:?}: {}",
        text(&output.stdout)
    );
}

/// The one JSON object it prints.
fn json(arguments: &[&str]) -> serde_json::Value {
    let output = pagelens(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn ask(model: &Path, more: &[&str]) -> serde_json::Value {
    let model = model.to_str().expect("a path in UTF-8");
    let mut arguments = vec![
        "ask",
        "--model",
        model,
        "--device",
        "cpu",
        "--max-tokens",
        "6",
        "--json",
    ];
    arguments.extend(more);
    arguments.extend([PICTURE, "Read it."]);
    json(&arguments)
}

#[test]
fn usage_is_exit_code_2() {
    for arguments in [
        &["ask"][..],
        &["ask", "--max-tiles", "41", "a", "b"],
        &["nonsense"],
        &["trace"],
    ] {
        assert_eq!(pagelens(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(pagelens(&["--help"]).status.code(), Some(0));
}

#[test]
fn what_is_wrong_is_named() {
    fails(
        &["ask", "--model", CASE, "no-such.png", "?"],
        &["no-such.png"],
    );
    fails(
        &["ask", "--model", CASE, "--device", "cpu", "Cargo.toml", "?"],
        &["Cargo.toml"],
    );
    fails(&["ask", "--model", "src", PICTURE, "?"], &["config.json"]);
    fails(&["pack", "no-such-folder", "out"], &["config.json"]);
    fails(&["serve", "--dir", "src"], &["src/index.html"]);
}

#[test]
fn json_has_every_field() {
    let answer = ask(Path::new(CASE), &["--weights", "f32"]);
    let fields = [
        "text",
        "tiles",
        "prompt_tokens",
        "image_tokens",
        "generated_tokens",
        "ttft_ms",
        "tokens_per_s",
        "stop_reason",
    ];
    let object = answer.as_object().expect("an object");
    assert_eq!(object.keys().collect::<Vec<_>>(), fields);
    let tiles = answer["tiles"].as_u64().expect("a count");
    assert_eq!(answer["image_tokens"], 256 * tiles);
    assert!(answer["prompt_tokens"].as_u64() > answer["image_tokens"].as_u64());
    // One tile less a side, no thumbnail.
    assert_eq!(ask(Path::new(CASE), &["--max-tiles", "1"])["tiles"], 1);
}

#[test]
fn the_answer_streams_to_stdout_and_the_rest_to_stderr() {
    let output = pagelens(&[
        "ask",
        "--model",
        CASE,
        "--device",
        "cpu",
        "--max-tokens",
        "6",
        "--weights",
        "f32",
        PICTURE,
        "Read it.",
    ]);
    let streamed = text(&output.stdout);
    assert_eq!(
        streamed.trim_end_matches('\n'),
        ask(Path::new(CASE), &["--weights", "f32"])["text"]
    );
    assert!(
        text(&output.stderr).contains("running on the CPU"),
        "{}",
        text(&output.stderr)
    );
}

/// `training/README.md` says how the pictures are made; none was trained on.
#[test]
fn the_model_that_ships_reads_held_out_pictures() {
    let report = json(&["eval", "--json", "tests/reading/questions.jsonl"]);
    let group = &report["groups"][0];
    assert_eq!(group["count"], 100);
    assert!(
        group["score"].as_f64().expect("a number") >= 0.95,
        "{group}"
    );
}

/// Drawn by `pagelens-pdf`, which `make native` puts beside the program.
#[test]
fn pages_of_a_pdf_are_read() {
    const LOCKED: &str = "tests/e2e/fixtures/locked.pdf";
    let ask = |more: &[&'static str]| [&["ask", LOCKED, "What does it say?"], more].concat();
    let output = pagelens(&ask(&["--password", "open sesame"]));
    assert_eq!(
        text(&output.stdout),
        "INVOICE\n",
        "{}",
        text(&output.stderr)
    );
    fails(&ask(&[]), &[LOCKED, "a password is needed"]);
    fails(
        &ask(&["--password", "open sesame", "--pages", "1,9"]),
        &[LOCKED, "it has no page 9"],
    );
    let usage = pagelens(&ask(&["--pages", "3-1"]));
    assert_eq!(usage.status.code(), Some(2));
    assert!(text(&usage.stderr).contains("3-1 is not a list of pages"));
}

/// As those of a PDF.
#[test]
fn pages_of_a_tiff_are_read() {
    const PAGES: &str = "tests/e2e/fixtures/pages.tif";
    let ask = |pages: &'static str| ["ask", PAGES, "What does it say?", "--pages", pages];
    fails(&ask("2,15"), &[PAGES, "it has no page 15"]);
    let output = pagelens(&ask("2-3"));
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_pack_answers_as_its_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    for (precision, name) in [("q8", "eight"), ("q4", "four")] {
        let pack: PathBuf = folder.path().join(name);
        let out = pack.to_str().expect("a path in UTF-8");
        let packed = pagelens(&[
            "pack",
            CASE,
            out,
            "--vision",
            precision,
            "--language",
            precision,
        ]);
        assert!(packed.status.success(), "{}", text(&packed.stderr));
        let (mut from_pack, mut from_folder) = (
            ask(&pack, &[]),
            ask(Path::new(CASE), &["--weights", precision]),
        );
        for answer in [&mut from_pack, &mut from_folder] {
            let answer = answer.as_object_mut().expect("an object");
            answer.remove("ttft_ms");
            answer.remove("tokens_per_s");
        }
        assert_eq!(from_pack, from_folder, "{precision}");
    }
    fails(
        &[
            "pack",
            CASE,
            folder.path().join("four").to_str().expect("a path"),
        ],
        &["not empty"],
    );
}

#[test]
fn fit_adds_up() {
    let fit = json(&["fit", CASE, "--device", "cpu", "--max-tiles", "1", "--json"]);
    assert_eq!(fit["verdict"], "fits");
    let bytes = |part: &str| fit[part].as_u64().expect("a count of bytes");
    let parts = ["vision", "language", "cache", "activations"].map(bytes);
    assert_eq!(parts.iter().sum::<u64>(), bytes("memory"));
    assert_eq!(fit["context"], 2048);
    let table = pagelens(&["fit", CASE, "--device", "cpu"]);
    assert!(text(&table.stdout).ends_with("fits on the CPU\n"));
}

/// A program that is ended with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_model_behind_a_url_is_fetched_once() {
    use std::io::{BufRead, BufReader};

    let cache = tempfile::tempdir().expect("a folder");
    let mut server = Running(
        Command::new(env!("CARGO_BIN_EXE_pagelens"))
            .args(["serve", "--port", "0"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the server starts"),
    );
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("its address");
    let (model, folder) = (
        format!("{}/models/tiny", line.trim()),
        cache.path().to_str().expect("a path in UTF-8"),
    );
    let arguments = [
        "ask",
        "--model",
        &model,
        "--cache",
        folder,
        "--device",
        "cpu",
        "--json",
        PICTURE,
        "What does it say?",
    ];
    assert_eq!(json(&arguments)["text"], "INVOICE");
    drop(server);
    assert_eq!(json(&arguments)["text"], "INVOICE", "without the server");
    let empty = tempfile::tempdir().expect("a folder");
    let elsewhere = empty.path().to_str().expect("a path in UTF-8");
    fails(
        &["ask", "--model", &model, "--cache", elsewhere, PICTURE, "?"],
        &["manifest.json", &model],
    );
}

#[test]
fn eval_scores_answers_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a path in UTF-8")
            .to_owned()
    };
    let (questions, predictions) = (file("questions.jsonl"), file("predictions.jsonl"));
    std::fs::copy(PICTURE, file("word.png")).expect("a copy");
    let said = ask(Path::new(CASE), &[])["text"].clone();
    let lines = [("a", &said), ("b", &serde_json::json!("something else"))].map(|(id, answer)| {
        serde_json::json!({
            "id": id, "image": "word.png", "question": "Read it.", "answers": [answer], "metric": "verbatim", "kind": id, "size": 40,
        })
    });
    std::fs::write(&questions, format!("{}\n{}\n", lines[0], lines[1])).expect("a file");
    let arguments = [
        "eval",
        "--model",
        CASE,
        "--device",
        "cpu",
        "--max-tokens",
        "6",
        "--json",
        "--predictions",
        &predictions,
        &questions,
    ];
    let scores = || {
        let groups = json(&arguments)["groups"]
            .as_array()
            .expect("a list")
            .clone();
        groups
            .iter()
            .map(|group| (group["kind"].clone(), group["score"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        scores(),
        [("a".into(), 1.0.into()), ("b".into(), 0.0.into())]
    );

    // What the file holds is not asked again; a line that was cut off is.
    let held = std::fs::read_to_string(&predictions).expect("the predictions");
    let second = held.lines().nth(1).expect("two lines");
    let edited = r#"{"id": "a", "prediction": "edited", "score": 1.0}"#;
    std::fs::write(
        &predictions,
        format!("{edited}\n{}", &second[..second.len() / 2]),
    )
    .expect("a file");
    assert_eq!(
        scores(),
        [("a".into(), 0.0.into()), ("b".into(), 0.0.into())]
    );
    let resumed = std::fs::read_to_string(&predictions).expect("the predictions");
    assert_eq!(resumed, format!("{edited}\n{second}\n"));

    // Four pages of which two do not say; one of them is told rightly, and one page that does say is not read.
    let asked = ["12", "Not stated.", "Not stated.", "7"].map(|answer| {
        serde_json::json!({
            "image": "word.png", "question": "?", "answers": [answer], "metric": "exact",
            "lang": "en", "not_stated": answer.len() > 2,
        })
    });
    let told = ["12", "not stated", "9", "Not stated."];
    let (mut asked, mut answered) = (asked.to_vec(), String::new());
    for (number, (question, said)) in asked.iter_mut().zip(told).enumerate() {
        question["id"] = number.to_string().into();
        let line = serde_json::json!({ "id": question["id"], "prediction": said, "score": 0.0 });
        answered += &format!("{line}\n");
    }
    let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
    std::fs::write(&questions, asked.join("\n")).expect("a file");
    std::fs::write(&predictions, answered).expect("a file");
    let report = json(&arguments);
    assert_eq!(report["groups"][0]["right"], 2);
    assert_eq!(
        report["not_stated"],
        serde_json::json!([{ "lang": "en", "count": 2, "f1": 0.5 }])
    );

    std::fs::write(&questions, format!("{}\n{{\"id\": 1}}\n", lines[0])).expect("a file");
    fails(&arguments, &["questions.jsonl line 2"]);
    std::fs::write(
        &questions,
        lines[0].to_string().replace("word.png", "gone.png"),
    )
    .expect("a file");
    std::fs::remove_file(&predictions).expect("gone");
    fails(&arguments, &["gone.png"]);
}

#[test]
fn gguf_files_answer_with_pictures_and_without() {
    let folder = Path::new("tests/golden/gguf/original-qwen2");
    let path = |file: &str| folder.join(file).display().to_string();
    let (model, mmproj) = (path("model.gguf"), path("mmproj.gguf"));
    let q8 = ["--weights", "q8"];
    let checkpoint = ask(Path::new("tests/golden/original-qwen2"), &q8);
    let pair = ask(Path::new(&model), &["--mmproj", &mmproj, "--weights", "q8"]);
    assert_eq!(pair["text"], checkpoint["text"]);
    assert_eq!(pair["image_tokens"], checkpoint["image_tokens"]);

    let out = tempfile::tempdir().expect("a folder");
    let pack = out.path().join("pack");
    let to = pack.to_str().expect("a path in UTF-8");
    let packed = pagelens(&["pack", &model, to, "--mmproj", &mmproj, "--language", "q8"]);
    assert!(packed.status.success(), "{}", text(&packed.stderr));
    assert_eq!(ask(&pack, &[])["text"], checkpoint["text"]);

    let alone = [
        "ask",
        "--model",
        &model,
        "--device",
        "cpu",
        "--max-tokens",
        "6",
        "--json",
    ];
    assert_eq!(
        json(&[&alone[..], &["Read it."]].concat())["image_tokens"],
        0
    );
    fails(
        &["ask", "--model", &model, "--device", "cpu", PICTURE, "?"],
        &["reads no pictures"],
    );
    fails(&["ask", "--model", "no-such.gguf", "?"], &["no-such.gguf"]);
}
