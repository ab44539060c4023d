"""Held-out documents as files for `pagelens eval`: pictures and questions.jsonl.

    python -m pagelens_training.documents.held_out --renderer generator --count 200 --out held-out/a
    python -m pagelens_training.documents.held_out --renderer pdf --count 200 --out held-out/b

`generator` is the one that training uses, with typefaces, names and seeds it never saw; `pdf` is another renderer.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median

from .. import tiles
from . import kinds, pdf, pillow, tasks
from .document import Page
from .effects import photograph


def page(random: Random, renderer: str, lang: str | None = None) -> Page:
    """A new document's picture, in either language if none is named."""
    while True:
        document = kinds.build(random, lang=lang)
        try:
            return pdf.render(document, random) if renderer == "pdf" else photograph(pillow.render(document, random, held_out=True), random)
        except ValueError:  # too long for a page in the style that was drawn
            continue


def questions(random: Random, shown: Page, count: int) -> list[tasks.Turn]:
    """Different questions about the page."""
    asked: dict[str, tasks.Turn] = {}
    for _ in range(8 * count):
        turn = tasks.turn(random, shown, tasks.WEIGHTS if shown.rows else tasks.WITHOUT_BOXES)
        asked.setdefault(turn.question, turn)
        if len(asked) == count:
            break
    return list(asked.values())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renderer", choices=("generator", "pdf"), required=True)
    parser.add_argument("--count", type=int, default=200, help="documents")
    parser.add_argument("--questions", type=int, default=4, help="about each")
    parser.add_argument("--lang", choices=("en", "zh"), help="of the documents; both if none is named")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-tiles", type=int, default=6, help="for the tag that says how many there are")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "questions.jsonl").open("w") as file:
        for number in range(options.count):
            random = Random(f"held out {options.renderer} {options.seed} {number}")
            shown = page(random, options.renderer, options.lang)
            name = f"{number:04}.webp"
            shown.image.save(options.out / name, quality=90)
            columns, rows = tiles.grid(*shown.image.size, 1, options.max_tiles)
            tags = {"document": shown.document.kind, "tiles": columns * rows}
            if shown.rows:
                tags["text_px"] = round(median(line.box()[3] - line.box()[1] for row in shown.rows for line in row))
            for k, turn in enumerate(questions(random, shown, options.questions)):
                entry = {key: value for key, value in asdict(turn).items() if key not in ("places", "label")}
                entry["answers"] = [entry.pop("answer")]
                entry["not_stated"] = turn.kind == "missing"
                file.write(json.dumps({"id": f"{number:04}-{k}", "image": name} | entry | tags, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
