//! Boxes in answers: `<ref>name</ref><box>[[x1, y1, x2, y2], ...]</box>`, or `name[[x1, y1, x2, y2]]` where the tags were
//! lost with the other special tokens. Coordinates are 0..1000 of the original page, not of a tile.
//!
//! Works on an answer that is still growing: a tag or a list that has begun is held back until it is whole.

/// A place on the page, in fractions of its width and height, `0.0..=1.0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge.
    pub left: f32,
    /// Top edge.
    pub top: f32,
    /// Right edge, not left of `left`.
    pub right: f32,
    /// Bottom edge, not above `top`.
    pub bottom: f32,
}

/// A stretch of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// Plain words.
    Text(String),
    /// Words that name places on the page.
    Reference {
        /// The words; empty where a box has no name.
        label: String,
        /// Where; none yet while the answer grows.
        regions: Vec<Region>,
    },
}

/// What can begin a reference.
const OPENINGS: [&str; 3] = ["<ref>", "<box>", "[["];

/// The spans of an answer, tags removed.
pub fn parse(answer: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut text = String::new();
    let mut rest = answer;
    while let Some(next) = rest.chars().next() {
        if let Some(named) = rest.strip_prefix("<ref>") {
            let (label, after) = named.split_once("</ref>").unwrap_or((until_tag(named), ""));
            let (regions, after) = match places(after.trim_start()) {
                Places::Found(regions, after) => (regions, after),
                Places::Growing => (Vec::new(), ""),
                Places::None => (Vec::new(), after),
            };
            push_text(&mut spans, &mut text);
            spans.push(Span::Reference {
                label: label.into(),
                regions,
            });
            rest = after;
            continue;
        }
        match places(rest) {
            Places::Found(regions, after) => {
                let label = text.split_off(label_start(&text));
                push_text(&mut spans, &mut text);
                spans.push(Span::Reference {
                    label: label.trim_end().into(),
                    regions,
                });
                rest = after;
            }
            Places::Growing => break,
            Places::None if OPENINGS.iter().any(|opening| opening.starts_with(rest)) => break,
            Places::None => {
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    push_text(&mut spans, &mut text);
    spans
}

fn push_text(spans: &mut Vec<Span>, text: &mut String) {
    if !text.is_empty() {
        spans.push(Span::Text(std::mem::take(text)));
    }
}

/// A growing label without the closing tag that may have begun.
fn until_tag(label: &str) -> &str {
    let begun = label
        .rfind('<')
        .filter(|&at| "</ref>".starts_with(&label[at..]));
    &label[..begun.unwrap_or(label.len())]
}

/// Where the words before an untagged box begin: after the last line break or punctuation.
fn label_start(text: &str) -> usize {
    let end = text.rfind([
        '\n', '.', ',', ';', ':', '!', '?', '。', '，', '、', '；', '：', '！', '？',
    ]);
    let after = end.map_or(text, |at| {
        text[at..].trim_start_matches(|c: char| !c.is_alphanumeric())
    });
    text.len() - after.len()
}

/// What stands at one place of an answer.
enum Places<'a> {
    Found(Vec<Region>, &'a str),
    Growing,
    None,
}

/// `<box>[[..], ..]</box>` or `[[..], ..]`.
fn places(text: &str) -> Places<'_> {
    let (list, end) = match text.strip_prefix("<box>") {
        Some(list) => (list, "</box>"),
        None if text.starts_with("[[") => (text, "]]"),
        None if !text.is_empty() && "<box>".starts_with(text) => return Places::Growing,
        None => return Places::None,
    };
    match list.split_once(end) {
        Some((list, after)) => match regions(list) {
            regions if regions.is_empty() => Places::None,
            regions => Places::Found(regions, after),
        },
        None if list
            .trim_end_matches(|c: char| "</box>".contains(c))
            .chars()
            .all(|c| "[]0123456789., ".contains(c)) =>
        {
            Places::Growing
        }
        None => Places::None,
    }
}

/// All groups of four numbers. Fractions are accepted as the reference's evaluation accepts them: by their small sum.
fn regions(list: &str) -> Vec<Region> {
    let groups = list.split(['[', ']']).filter_map(|group| {
        let number = |n: &str| n.trim().parse().ok().filter(|n: &f32| n.is_finite());
        let numbers: Vec<f32> = group.split(',').map(number).collect::<Option<_>>()?;
        <[f32; 4]>::try_from(numbers).ok()
    });
    let region = |numbers: [f32; 4]| {
        let side = if numbers.iter().sum::<f32>() < 4.0 {
            1.0
        } else {
            1000.0
        };
        let [x1, y1, x2, y2] = numbers.map(|n| (n / side).clamp(0.0, 1.0));
        Region {
            left: x1.min(x2),
            top: y1.min(y2),
            right: x1.max(x2),
            bottom: y1.max(y2),
        }
    };
    groups.map(region).collect()
}
