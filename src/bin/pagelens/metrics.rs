//! How right an answer is, as the papers that introduced each measure define it.

use pagelens::chat::grounding::{Region, Span, parse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

/// How an answer is compared with the accepted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metric {
    /// Equal to the character, case included; spaces around it are dropped.
    Verbatim,
    /// Equal after NFKC, with spaces collapsed, case folded and a final full stop dropped.
    Exact,
    /// Average normalised Levenshtein similarity, 0 below one half (Biten et al. 2019).
    Anls,
    /// Numbers within 5 %, other answers equal (Methani et al. 2020, as used by ChartQA).
    Relaxed,
    /// Character error rate: edits by characters of the accepted answer; the one measure of which less is better.
    Cer,
    /// Mean over the accepted boxes of the best intersection over union.
    Iou,
    /// All fields of a JSON object right.
    Json,
}

/// A score and its weight in an average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// 0 to 1, and beyond 1 for a character error rate.
    pub value: f64,
    /// 1, and for a character error rate the accepted answer's length.
    pub weight: f64,
}

impl Metric {
    /// Its name in questions and reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Verbatim => "verbatim",
            Self::Exact => "exact",
            Self::Anls => "anls",
            Self::Relaxed => "relaxed",
            Self::Cer => "cer",
            Self::Iou => "iou",
            Self::Json => "json",
        }
    }

    /// The best score over the accepted answers.
    pub(crate) fn score(self, answer: &str, accepted: &[String]) -> Score {
        let scores = accepted.iter().map(|accepted| self.one(answer, accepted));
        let better = |a: &Score, b: &Score| match self {
            Self::Cer => b.value.total_cmp(&a.value),
            _ => a.value.total_cmp(&b.value),
        };
        scores.max_by(better).unwrap_or(Score {
            value: 0.0,
            weight: 1.0,
        })
    }

    /// Whether an answer of this score counts as right: boxes that overlap by half, else no flaw at all.
    pub(crate) fn is_right(self, value: f64) -> bool {
        match self {
            Self::Cer => value == 0.0,
            Self::Iou | Self::Anls => value >= 0.5,
            _ => value == 1.0,
        }
    }

    fn one(self, answer: &str, accepted: &str) -> Score {
        let value = match self {
            Self::Verbatim => truth(answer.trim() == accepted.trim()),
            Self::Exact => truth(plain(answer) == plain(accepted)),
            Self::Anls => anls(answer, accepted),
            Self::Relaxed => truth(relaxed(answer, accepted)),
            Self::Cer => {
                let (answer, accepted) = (spaced(answer), spaced(accepted));
                let length = accepted.chars().count().max(1) as f64;
                return Score {
                    value: strsim::levenshtein(&answer, &accepted) as f64 / length,
                    weight: length,
                };
            }
            Self::Iou => iou(&boxes(answer), &boxes(accepted)),
            Self::Json => truth(fields(answer).is_some_and(|got| Some(got) == fields(accepted))),
        };
        Score { value, weight: 1.0 }
    }
}

fn truth(right: bool) -> f64 {
    f64::from(u8::from(right))
}

/// NFKC with runs of white space as one space.
fn spaced(text: &str) -> String {
    let text: String = text.nfkc().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain(text: &str) -> String {
    let text = spaced(text).to_lowercase();
    text.strip_suffix(['.', '。']).unwrap_or(&text).to_owned()
}

fn anls(answer: &str, accepted: &str) -> f64 {
    let similarity = strsim::normalized_levenshtein(
        &answer.trim().to_lowercase(),
        &accepted.trim().to_lowercase(),
    );
    if similarity > 0.5 { similarity } else { 0.0 }
}

fn relaxed(answer: &str, accepted: &str) -> bool {
    match (number(answer), number(accepted)) {
        (Some(answer), Some(accepted)) if accepted != 0.0 => {
            ((answer - accepted) / accepted).abs() <= 0.05
        }
        _ => plain(answer) == plain(accepted),
    }
}

/// A number as charts write it: separators of thousands are dropped, `%` divides by 100.
fn number(text: &str) -> Option<f64> {
    let text = plain(text).replace(',', "");
    match text.strip_suffix('%') {
        Some(percent) => percent
            .trim()
            .parse::<f64>()
            .ok()
            .map(|value| value / 100.0),
        None => text.parse().ok(),
    }
}

fn boxes(answer: &str) -> Vec<Region> {
    let regions = |span| match span {
        Span::Reference { regions, .. } => regions,
        Span::Text(_) => Vec::new(),
    };
    parse(answer).into_iter().flat_map(regions).collect()
}

fn iou(answer: &[Region], accepted: &[Region]) -> f64 {
    let area = |r: &Region| f64::from(r.right - r.left) * f64::from(r.bottom - r.top);
    let overlap = |a: &Region, b: &Region| {
        let width = f64::from(a.right.min(b.right) - a.left.max(b.left)).max(0.0);
        let height = f64::from(a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
        let both = width * height;
        let union = area(a) + area(b) - both;
        if union > 0.0 { both / union } else { 0.0 }
    };
    let best = |wanted: &Region| {
        let overlaps = answer.iter().map(|got| overlap(got, wanted));
        overlaps.fold(0.0, f64::max)
    };
    accepted.iter().map(best).sum::<f64>() / accepted.len().max(1) as f64
}

/// A JSON object, a fence of Markdown around it or not; texts compare as in [`Metric::Exact`].
fn fields(text: &str) -> Option<Value> {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|fenced| {
        let fenced = fenced.strip_prefix("json").unwrap_or(fenced);
        fenced.strip_suffix("```")
    });
    let parsed: Value = serde_json::from_str(inner.unwrap_or(text)).ok()?;
    parsed.is_object().then(|| folded(parsed))
}

fn folded(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(items) => items.into_iter().map(folded).collect(),
        Value::Object(items) => items
            .into_iter()
            .map(|(key, value)| (key, folded(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(metric: Metric, answer: &str, accepted: &[&str]) -> f64 {
        let accepted: Vec<_> = accepted.iter().map(|&text| text.to_owned()).collect();
        metric.score(answer, &accepted).value
    }

    #[test]
    fn verbatim_keeps_case_and_exact_folds_it() {
        assert_eq!(score(Metric::Verbatim, " aB1\n", &["aB1"]), 1.0);
        assert_eq!(score(Metric::Verbatim, "AB1", &["aB1"]), 0.0);
        assert_eq!(score(Metric::Exact, "ＡＢ１  two.", &["x", "ab1 Two"]), 1.0);
        assert_eq!(score(Metric::Exact, "是。", &["是"]), 1.0);
        assert_eq!(score(Metric::Exact, "ab12", &["ab1"]), 0.0);
        assert_eq!(score(Metric::Exact, "anything", &[]), 0.0);
    }

    #[test]
    fn anls_is_nothing_up_to_one_half() {
        assert!((score(Metric::Anls, "Hallo", &["hello"]) - 0.8).abs() < 1e-12);
        assert_eq!(score(Metric::Anls, "abxx", &["abcd"]), 0.0);
        assert_eq!(score(Metric::Anls, "hello", &["other", "HELLO"]), 1.0);
    }

    #[test]
    fn relaxed_allows_numbers_five_percent() {
        assert_eq!(score(Metric::Relaxed, "1,049", &["1000"]), 1.0);
        assert_eq!(score(Metric::Relaxed, "1051", &["1000"]), 0.0);
        assert_eq!(score(Metric::Relaxed, "25%", &["0.25"]), 1.0);
        assert_eq!(score(Metric::Relaxed, "0.01", &["0"]), 0.0);
        assert_eq!(score(Metric::Relaxed, "Blue", &["blue"]), 1.0);
    }

    #[test]
    fn cer_counts_edits_and_weighs_by_length() {
        let accepted = ["abcd e".to_owned()];
        let got = Metric::Cer.score("abxd  e!", &accepted);
        assert!((got.value - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(got.weight, 6.0);
        assert_eq!(score(Metric::Cer, "ab", &["abcd", "ab"]), 0.0);
    }

    #[test]
    fn iou_of_boxes() {
        let whole = "<ref>a</ref><box>[[0, 0, 500, 1000]]</box>";
        assert_eq!(score(Metric::Iou, whole, &[whole]), 1.0);
        let half = score(Metric::Iou, "[[0, 0, 500, 500]]", &[whole]);
        assert!((half - 0.5).abs() < 1e-6, "{half}");
        assert_eq!(score(Metric::Iou, "nowhere", &[whole]), 0.0);
    }

    #[test]
    fn json_needs_every_field() {
        let accepted = r#"{"total": "12.50 EUR", "items": 3}"#;
        let got = "```json\n{\"items\": 3, \"total\": \"12.50 eur\"}\n```";
        assert_eq!(score(Metric::Json, got, &[accepted]), 1.0);
        assert_eq!(
            score(Metric::Json, r#"{"total": "12.50 EUR"}"#, &[accepted]),
            0.0
        );
        assert_eq!(score(Metric::Json, "no JSON", &[accepted]), 0.0);
    }
}
