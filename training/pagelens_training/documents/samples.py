"""The documents shown on the page, with a question each: pictures and samples.json.

    python -m pagelens_training.documents.samples --out ../www/samples

They are set by the web renderer in looks and with words that no training run draws, and are committed, since other typefaces
would make other pictures.
"""

import argparse
import json
from pathlib import Path
from random import Random

from . import kinds, tasks
from .document import Page
from .html import Browser

# Name, kind, language, number of the draw, and the fact that is asked for.
SAMPLES = (
    ("receipt", "receipt", "en", 3, "total"),
    ("receipt-zh", "receipt", "zh", 2, "total"),
    ("invoice", "invoice", "en", 5, "invoice_number"),
    ("letter", "letter", "en", 2, "deadline"),
    ("table", "table", "en", 2, "code:Bananas"),
    ("chart", "bar_chart", "en", 0, "value:Apr"),
    ("id-card", "id_card", "en", 4, "id_number"),
)


def draw(browser: Browser, kind: str, lang: str, number: int) -> Page:
    """One sample's page."""
    random = Random(f"sample {number}")
    return browser.render(kinds.build(random, kind, lang), random)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    entries = []
    with Browser() as browser:
        for name, kind, lang, number, key in SAMPLES:
            page = draw(browser, kind, lang, number)
            page.image.save(folder / f"{name}.png", optimize=True)
            question = tasks.ask(Random(name), key, lang)
            entries.append(
                {
                    "id": name,
                    "image": f"{name}.png",
                    "question": question,
                    "answers": [page.document.facts[key]],
                    "metric": "exact",
                    "lang": lang,
                    "kind": "sample",
                }
            )
    (folder / "samples.jsonl").write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))


if __name__ == "__main__":
    main()
