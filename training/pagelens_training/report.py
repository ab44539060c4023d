"""What a model gets right on held-out documents: tables and a plot from the files of `pagelens eval`.

Lines are split by language, then by what is asked, by the height of the text in the picture and by the number of tiles.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

# What the report calls each kind of question: those answered right or not, and those that read text, where lower is better.
SHARES = {
    "field": "fields",
    "missing": "not stated",
    "stated": "yes or no",
    "json": "JSON",
    "locate": "boxes",
    "describe": "kinds",
    "count": "counts",
}
RATES = {"transcribe": "CER of pages", "region": "CER of regions", "markdown": "CER of tables"}
HEIGHTS = (0, 12, 16, 20, 28, 40)  # pixels: where the groups begin

Answer = dict[str, object]


def answers(questions: Path, predictions: Path) -> list[Answer]:
    """Every question with its prediction and score.

    Raises:
        ValueError: a question was not answered.
    """
    asked, answered = (
        {entry["id"]: entry for entry in map(json.loads, file.read_text().splitlines())} for file in (questions, predictions)
    )
    if missing := asked.keys() - answered.keys():
        raise ValueError(f"{predictions}: {len(missing)} questions were not answered, {min(missing)} among them")
    return [question | answered[key] for key, question in asked.items()]


def share(entries: Iterable[Answer]) -> float:
    """Of answers, those that are right."""
    right = [entry["score"] >= (0.5 if entry["metric"] == "iou" else 1) for entry in entries]
    return sum(right) / len(right)


def rate(entries: Iterable[Answer]) -> float:
    """The character error rate of all the text together."""
    lengths = [(entry["score"], max(1, len(entry["answers"][0]))) for entry in entries]
    return sum(score * length for score, length in lengths) / sum(length for _, length in lengths)


def height(entry: Answer) -> str:
    """The group that its page's text belongs to."""
    pixels = entry.get("text_px")
    if pixels is None:
        return "unknown"
    group = max(i for i, start in enumerate(HEIGHTS) if pixels >= start)
    return f"{HEIGHTS[group]}-{HEIGHTS[group + 1] - 1} px" if group + 1 < len(HEIGHTS) else f"{HEIGHTS[group]} px and more"


def rows(entries: list[Answer], by: Callable[[Answer], object]) -> list[tuple[str, str, int, float]]:
    """(language, group, count, score) for the groups that `by` makes."""
    groups: dict[tuple, list[Answer]] = {}
    for entry in entries:
        groups.setdefault((entry["lang"], by(entry)), []).append(entry)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], _number(item[0][1])))
    return [(lang, str(group), len(part), (rate if part[0]["kind"] in RATES else share)(part)) for (lang, group), part in ordered]


def _number(group: object) -> tuple[float, str]:
    digits = "".join(c for c in str(group).split("-")[0] if c.isdigit())
    return (float(digits) if digits else -1.0, str(group))


def table(title: str, found: list[tuple[str, str, int, float]]) -> str:
    """Markdown."""
    lines = [f"| {title} | language | questions | |", "|---|---|---:|---:|"]
    return "\n".join(lines + [f"| {group} | {lang} | {count} | {score:.1%} |" for lang, group, count, score in found])


def sections(entries: list[Answer]) -> list[tuple[str, list[tuple[str, str, int, float]]]]:
    """The report's tables."""
    fields = [entry for entry in entries if entry["kind"] == "field"]
    pages = [entry for entry in entries if entry["kind"] == "transcribe"]
    return [
        ("asked, right", rows([e for e in entries if e["kind"] in SHARES], lambda e: SHARES[e["kind"]])),
        ("read, character error rate", rows([e for e in entries if e["kind"] in RATES], lambda e: RATES[e["kind"]])),
        ("fields by text height, right", rows(fields, height)),
        ("pages by text height, character error rate", rows(pages, height)),
        ("fields by tiles, right", rows(fields, lambda e: e["tiles"])),
    ]


def plot(found: list[tuple[str, list[tuple[str, str, int, float]]]], file: Path) -> None:
    """A panel for each table, a bar for each group and language."""
    figure, panels = pyplot.subplots(len(found), 1, figsize=(8, 2.6 * len(found)), layout="constrained")
    for panel, (title, part) in zip(panels, found):
        groups = list(dict.fromkeys(group for _, group, *_ in part))
        languages = sorted({lang for lang, *_ in part})
        for k, lang in enumerate(languages):
            scores = {group: score for of, group, _, score in part if of == lang}
            places = [i + (k - (len(languages) - 1) / 2) * 0.4 for i in range(len(groups))]
            panel.bar(places, [100 * scores.get(group, 0) for group in groups], 0.38, label=lang)
        panel.set_xticks(range(len(groups)), groups)
        panel.set_ylim(0, 100)
        panel.set_title(f"{title} (%)", fontsize=10)
        panel.legend(fontsize=8)
    figure.savefig(file)
    pyplot.close(figure)


def described(name: str, entries: list[Answer], out: Path) -> list[str]:
    """A set's part of the report, as lines of Markdown; its plot goes to `out`."""
    found = sections(entries)
    plot(found, out / f"{name}.svg")
    text = [f"## Set {name}", "", f"![What is right, by language]({name}.svg)", ""]
    for title, part in found:
        text += [table(title, part), ""]
    return text
