//! Parity with transformers, stage by stage, on the tiny random checkpoints under `golden/`: every decoder, both encoders,
//! both layouts of the files, every chat template. `golden/README.md` says what a case folder holds.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pagelens::engine::trace::{Trace, TraceRequest, trace};
use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::kernels::product::{
    Factors, Integers, avoid_barriers, multiply_in, multiply_on_gpu_in,
};
use pagelens::quant::Precision;
use pagelens::weights::{Checkpoint, Source};
use safetensors::SafeTensors;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Largest difference allowed, as a fraction of the reference's largest magnitude. On the GPU rounding costs about 2e-6, and a
/// GELU by tanh in place of erf would show as 1e-4; the CPU's attention is computed in integers of 13 bits and a sign.
fn tolerance(compute: &Compute) -> f64 {
    match compute.adapter {
        None => 1e-3,
        Some(_) => 5e-5,
    }
}
const COSINE: f64 = 0.99999;
/// What 8-bit weights may cost the logits.
const COSINE_Q8: f64 = 0.999;
/// In bytes: activations are rounded to 8 bits in blocks of 32, as llama.cpp does.
const COSINE_Q8_BYTES: f64 = 0.9975;
/// How far the logits of 4-bit weights may fall below the figure that transformers shows with the same rounding.
const SLACK_Q4: f64 = 0.1;

/// `case.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    image: PathBuf,
    prompt: String,
    system: Option<String>,
    max_tiles: Option<usize>,
    max_tokens: usize,
    #[serde(rename = "seed")]
    _seed: u64,
    quantized: BTreeMap<String, f64>,
    stages: BTreeMap<String, Stage>,
}

/// How `expected.safetensors` holds one stage: every `stride`-th value of the row-major tensor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    shape: Vec<usize>,
    stride: usize,
    /// Largest magnitude of the whole tensor.
    max: Option<f64>,
    /// Of the tiles as bytes, `[n, 3, S, S]`.
    sha256: Option<String>,
}

struct Case {
    name: String,
    /// Whether the weights are read from the pair of GGUF files.
    gguf: bool,
    folder: PathBuf,
    facts: Facts,
    expected: Vec<u8>,
}

/// One line of the table.
struct Row {
    case: String,
    stage: &'static str,
    difference: f64,
    cosine: f64,
    /// Empty when the stage agrees.
    fault: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            case,
            stage,
            difference,
            cosine,
            fault,
        } = self;
        let verdict = if fault.is_empty() { "ok" } else { fault };
        write!(
            f,
            "{case:26} {stage:14} max difference {difference:9.2e}  cosine {cosine:.7}  {verdict}"
        )
    }
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = Vec::new();
    for entry in fs::read_dir(&root).expect("tests/golden") {
        let folder = entry.expect("an entry of tests/golden").path();
        let Ok(text) = fs::read_to_string(folder.join("case.json")) else {
            continue;
        };
        let name = folder
            .file_name()
            .expect("a folder has a name")
            .to_string_lossy()
            .into_owned();
        let facts =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}/case.json: {error}"));
        let expected = fs::read(folder.join("expected.safetensors")).expect("expected.safetensors");
        cases.push(Case {
            name,
            gguf: false,
            folder,
            facts,
            expected,
        });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(
        cases.len() >= 12,
        "only {} cases under {}",
        cases.len(),
        root.display()
    );
    cases
}

fn run(
    case: &Case,
    compute: &Compute,
    precision: Precision,
    max_tokens: usize,
) -> Result<Trace, String> {
    let request = TraceRequest {
        checkpoint: case.open()?,
        compute: compute.clone(),
        precision,
        image: fs::read(case.folder.join(&case.facts.image)).map_err(|error| error.to_string())?,
        prompt: case.facts.prompt.clone(),
        system: case.facts.system.clone(),
        max_tiles: case.facts.max_tiles,
        max_tokens,
    };
    pollster::block_on(trace(request)).map_err(|error| error.to_string())
}

/// Largest difference relative to the largest expected magnitude, and the cosine.
fn agreement(expected: &[f32], actual: &[f32]) -> (f64, f64) {
    let (mut largest, mut difference) = (0f64, 0f64);
    let (mut dot, mut a2, mut b2) = (0f64, 0f64, 0f64);
    for (&a, &b) in expected.iter().zip(actual) {
        let (a, b) = (f64::from(a), f64::from(b));
        largest = largest.max(a.abs());
        // A NaN must not vanish in a maximum.
        difference = if (a - b).abs() <= difference {
            difference
        } else {
            (a - b).abs()
        };
        dot += a * b;
        a2 += a * a;
        b2 += b * b;
    }
    (difference / largest, dot / (a2 * b2).sqrt())
}

fn source_has(source: &Source, file: &str) -> bool {
    pollster::block_on(source.read(file, 0..4)).is_ok()
}

impl Case {
    fn open(&self) -> Result<Checkpoint, String> {
        let opened = match self.gguf {
            false => pollster::block_on(Checkpoint::open(Source::Folder(self.folder.clone()))),
            true => {
                let root = self.folder.parent().expect("a case lies in a folder");
                let source = Source::Folder(root.join("gguf").join(&self.name));
                let parts = ["model.gguf", "model-00001-of-00002.gguf"];
                let model = parts.into_iter().find(|part| source_has(&source, part));
                let model = model.expect("make_gguf.py has written the case");
                pollster::block_on(Checkpoint::open_gguf(source, model, Some("mmproj.gguf")))
            }
        };
        opened.map_err(|error| error.to_string())
    }

    fn floats(&self, stage: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.expected).expect("expected.safetensors");
        let tensor = file
            .tensor(stage)
            .unwrap_or_else(|error| panic!("{}: {stage}: {error}", self.name));
        assert_eq!(
            tensor.dtype(),
            safetensors::Dtype::F32,
            "{}: {stage}",
            self.name
        );
        let bytes = tensor.data().chunks_exact(4);
        bytes
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    fn ids(&self, stage: &str) -> Vec<u32> {
        let file = SafeTensors::deserialize(&self.expected).expect("expected.safetensors");
        let tensor = file
            .tensor(stage)
            .unwrap_or_else(|error| panic!("{}: {stage}: {error}", self.name));
        assert_eq!(
            tensor.dtype(),
            safetensors::Dtype::I32,
            "{}: {stage}",
            self.name
        );
        let bytes = tensor.data().chunks_exact(4);
        bytes
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    fn row(&self, stage: &'static str, difference: f64, cosine: f64, fault: String) -> Row {
        Row {
            case: self.name.clone(),
            stage,
            difference,
            cosine,
            fault,
        }
    }

    fn compare_floats(
        &self,
        tolerance: f64,
        stage: &'static str,
        (shape, actual): (&[usize], &[f32]),
    ) -> Row {
        let Stage {
            shape: expected_shape,
            stride,
            max,
            sha256,
        } = &self.facts.stages[stage];
        if shape != expected_shape || actual.len() != expected_shape.iter().product::<usize>() {
            let fault = format!(
                "shape {shape:?} ({} values) instead of {expected_shape:?}",
                actual.len()
            );
            return self.row(stage, f64::NAN, f64::NAN, fault);
        }
        let sample: Vec<f32> = actual.iter().copied().step_by(*stride).collect();
        let expected = self.floats(stage);
        assert_eq!(
            sample.len(),
            expected.len(),
            "{}: {stage}: the fixture's stride",
            self.name
        );
        let (difference, cosine) = agreement(&expected, &sample);

        let max = max.expect("float stages carry their maximum");
        let largest = actual.iter().fold(0f64, |m, &x| {
            if f64::from(x.abs()) <= m {
                m
            } else {
                f64::from(x.abs())
            }
        });
        let pixels_agree = sha256
            .as_ref()
            .is_none_or(|sum| *sum == tile_bytes_sum(shape, actual));
        let demands = [
            (
                difference <= tolerance,
                format!("differs by more than {tolerance}"),
            ),
            (cosine >= COSINE, format!("cosine below {COSINE}")),
            (
                (largest - max).abs() <= tolerance * max,
                format!("largest magnitude {largest} instead of {max}"),
            ),
            (pixels_agree, "the tiles are not Pillow's bytes".to_owned()),
        ];
        let faults: Vec<String> = demands
            .into_iter()
            .filter(|(met, _)| !met)
            .map(|(_, fault)| fault)
            .collect();
        self.row(stage, difference, cosine, faults.join(", "))
    }

    fn compare_ids(&self, stage: &'static str, actual: &[u32]) -> Row {
        let expected = self.ids(stage);
        let first = expected
            .iter()
            .zip(actual)
            .position(|(a, b)| a != b)
            .unwrap_or(expected.len().min(actual.len()));
        if expected == actual {
            return self.row(stage, 0.0, 1.0, String::new());
        }
        let around = first.saturating_sub(3);
        let window = |ids: &[u32]| {
            format!(
                "{:?}",
                &ids[around.min(ids.len())..(first + 4).min(ids.len())]
            )
        };
        let fault = format!(
            "{} ids instead of {}, first difference at {first}: ..{} instead of ..{}",
            actual.len(),
            expected.len(),
            window(actual),
            window(&expected)
        );
        self.row(stage, 1.0, f64::NAN, fault)
    }

    fn compare(&self, compute: &Compute) -> Vec<Row> {
        let trace = match run(self, compute, Precision::F32, self.facts.max_tokens) {
            Ok(trace) => trace,
            Err(error) => return vec![self.row("run", f64::NAN, f64::NAN, error)],
        };
        let floats = |stage, shape: &[usize], actual: &[f32]| {
            self.compare_floats(tolerance(compute), stage, (shape, actual))
        };
        vec![
            floats("pixel_values", &trace.pixel_values.0, &trace.pixel_values.1),
            floats("vision", &trace.vision.0, &trace.vision.1),
            floats("projected", &trace.projected.0, &trace.projected.1),
            self.compare_ids("input_ids", &trace.input_ids),
            floats("logits", &[trace.logits.len()], &trace.logits),
            self.compare_ids("generated", &trace.generated),
        ]
    }

    fn compare_quantized(&self, compute: &Compute, precision: Precision, q8: f64) -> Row {
        let (kind, stage) = if precision == Precision::Q8 {
            ("q8", "logits q8")
        } else {
            ("q4", "logits q4")
        };
        let trace = match run(self, compute, precision, 1) {
            Ok(trace) => trace,
            Err(error) => return self.row(stage, f64::NAN, f64::NAN, error),
        };
        let reference = self.facts.quantized[kind];
        let floor = if precision == Precision::Q8 {
            q8
        } else {
            reference - SLACK_Q4
        };
        let (difference, cosine) = agreement(&self.floats("logits"), &trace.logits);
        let fault = if cosine >= floor {
            String::new()
        } else {
            format!("below {floor:.5} (the reference with the same rounding: {reference})")
        };
        self.row(stage, difference, cosine, fault)
    }
}

/// Undoes the normalisation, which is exact to far less than a level, and hashes the bytes.
fn tile_bytes_sum(shape: &[usize], values: &[f32]) -> String {
    const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
    const STD: [f64; 3] = [0.229, 0.224, 0.225];
    let plane = shape[2] * shape[3];
    let level = |(i, &x): (usize, &f32)| {
        ((f64::from(x) * STD[i / plane % 3] + MEAN[i / plane % 3]) * 255.0).round() as u8
    };
    let bytes: Vec<u8> = values.iter().enumerate().map(level).collect();
    Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn judge(title: &str, rows: &[Row]) {
    let table: Vec<String> = rows.iter().map(Row::to_string).collect();
    eprintln!("{title}\n{}", table.join("\n"));
    let faults: Vec<String> = rows
        .iter()
        .filter(|row| !row.fault.is_empty())
        .map(Row::to_string)
        .collect();
    assert!(
        faults.is_empty(),
        "{title}: {} of {} stages disagree; regenerate with tests/golden/make.py if the reference is to change\n{}",
        faults.len(),
        rows.len(),
        faults.join("\n")
    );
}

#[test]
fn every_stage_agrees_on_the_cpu() {
    let rows: Vec<Row> = cases()
        .iter()
        .flat_map(|case| case.compare(&Compute::cpu()))
        .collect();
    judge("transformers and the CPU device, f32 weights", &rows);
}

/// `golden/make_gguf.py` has written the same weights as pairs of GGUF files.
#[test]
fn every_stage_of_gguf_pairs_agrees_on_the_cpu() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf");
    let mut pairs = cases();
    pairs.retain(|case| root.join(&case.name).is_dir());
    assert!(pairs.len() >= 5, "only {} pairs", pairs.len());
    let compare = |case| Case { gguf: true, ..case }.compare(&Compute::cpu());
    let rows: Vec<Row> = pairs.into_iter().flat_map(compare).collect();
    judge("transformers and GGUF pairs on the CPU device", &rows);
}

/// Fails where there is no adapter; a software adapter will do.
#[test]
fn every_stage_agrees_on_the_gpu() {
    on_every_kernel(&[Factors::F32], |gpu, kernels, _| {
        let rows: Vec<Row> = cases().iter().flat_map(|case| case.compare(gpu)).collect();
        judge(
            &format!("transformers and the GPU device, f32 weights, {kernels}"),
            &rows,
        );
    });
}

/// In 16-bit integers, then in bytes, as where a browser has relaxed SIMD.
#[test]
fn quantized_weights_keep_the_logits_on_the_cpu() {
    let precisions = [Precision::Q8, Precision::Q4];
    for (integers, q8) in [
        (Integers::Words, COSINE_Q8),
        (Integers::Bytes, COSINE_Q8_BYTES),
    ] {
        multiply_in(Some(integers));
        let rows: Vec<Row> = cases()
            .iter()
            .flat_map(|case| precisions.map(|p| case.compare_quantized(&Compute::cpu(), p, q8)))
            .collect();
        judge(
            &format!("transformers and the CPU device, quantized weights, {integers:?}"),
            &rows,
        );
    }
    multiply_in(None);
}

/// Fails where there is no adapter; a software adapter will do.
#[test]
fn quantized_weights_keep_the_logits_on_the_gpu() {
    let precisions = [Precision::Q8, Precision::Q4];
    let cases = cases();
    let all = [Factors::F32, Factors::F16, Factors::Bytes];
    on_every_kernel(&all, |gpu, kernels, factors| {
        let q8 = match factors {
            Factors::Bytes => COSINE_Q8_BYTES,
            _ => COSINE_Q8,
        };
        // A software adapter takes seconds to compile a shader with barriers; to a kernel, families differ in sizes alone.
        let every = if kernels == "registers" { 1 } else { 4 };
        let rows: Vec<Row> = cases
            .iter()
            .step_by(every)
            .flat_map(|case| precisions.map(|p| case.compare_quantized(gpu, p, q8)))
            .collect();
        judge(
            &format!("transformers and the GPU device, quantized weights, {kernels}"),
            &rows,
        );
    });
}

/// A device whose buffers hold a few dozen rows: every matrix is cut, the vocabulary's into many blocks.
fn short_of_buffers(compute: &Compute) -> Compute {
    let mut compute = compute.clone();
    compute.limits.tensor = 8 << 10;
    compute
}

#[test]
fn matrices_above_the_limit_of_a_buffer_agree_on_the_cpu() {
    let compute = short_of_buffers(&Compute::cpu());
    let rows: Vec<Row> = cases()
        .iter()
        .flat_map(|case| case.compare(&compute))
        .collect();
    judge("transformers and the CPU device, small buffers", &rows);
}

/// Fails where there is no adapter; a software adapter will do.
#[test]
fn matrices_above_the_limit_of_a_buffer_agree_on_the_gpu() {
    on_every_kernel(&[Factors::F32], |gpu, kernels, _| {
        let compute = short_of_buffers(gpu);
        let compare = |case: &Case| {
            let mut rows = case.compare(&compute);
            rows.push(case.compare_quantized(&compute, Precision::Q4, COSINE_Q8));
            rows
        };
        let rows: Vec<Row> = cases().iter().flat_map(compare).collect();
        judge(
            &format!("transformers and the GPU device, small buffers, {kernels}"),
            &rows,
        );
    });
}

/// Runs `work` with the products' kernels for GPUs, which multiply quantized weights in each of these factors, then with those
/// for software adapters; one test at a time.
fn on_every_kernel(factors: &[Factors], work: impl Fn(&Compute, &str, Factors)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let gpu = pollster::block_on(Compute::open(DeviceChoice::Gpu)).expect("a device to test on");
    for &factors in factors {
        if factors != Factors::F32 && !gpu.factors.contains(&factors) {
            // Not by a macro, whose output of a test that passes is not shown.
            writeln!(stderr(), "skipped: the {gpu} cannot multiply in {factors}").expect("stderr");
            continue;
        }
        avoid_barriers(false);
        multiply_on_gpu_in(factors);
        work(&gpu, &format!("workgroup memory, {factors}"), factors);
    }
    multiply_on_gpu_in(Factors::F32);
    avoid_barriers(true);
    work(&gpu, "registers", Factors::F32);
}
