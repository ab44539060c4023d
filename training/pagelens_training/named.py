"""What the reader's token heads name right of held-out pages: digits, letters, signs and Chinese, by their height in the tile.

python -m pagelens_training.named --run runs/reader --count 24
"""

import argparse
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import torch

from .documents import held_out
from .documents.examples import BEFORE, TOKEN_SLOTS, example, labelled, token_ids
from .documents.vocabulary import IGNORE, Vocabulary
from .reader import SIZES, Reader, collate
from .report import HEIGHTS
from .tiles import TILE
from .train_reader import HERE

KINDS = ("digit", "letter", "sign", "Chinese")


def kind(text: str) -> str:
    """Of a character."""
    if text.isalpha():
        return "Chinese" if text >= "\u2e80" else "letter"
    return "digit" if text.isdigit() else "sign"


@torch.no_grad()
def named(reader: Reader, vocabulary: Vocabulary, random: Random, lang: str, most_tiles: int) -> Counter:
    """(where its height's group begins, kind, whether it is right) of every character of a page in each of its tiles."""
    page = held_out.page(random, "generator", lang)
    batch = collate([example(page, [], vocabulary, most_tiles, random, 1.0)])
    features = reader.pixels(reader.model.model.vision_tower, batch.patches, batch.cells, batch.tiles)
    found = reader.tokens.named(reader.model.model.multi_modal_projector(features.flatten(1))).numpy()
    # The same labels with each line's number in place of its tokens.
    lines = [line for row in page.rows for line in row]
    numbers = [[(place, number) for place, _ in token_ids(line.text, vocabulary)] for number, line in enumerate(lines)]
    labels = labelled(page, numbers, IGNORE, most_tiles)
    heights = np.array([line.box()[3] - line.box()[1] for line in lines])
    line = np.concatenate([one.tokens.reshape(-1, TOKEN_SLOTS) for one in labels])
    scale = np.repeat([one.rows * TILE / page.image.height for one in labels], len(line) // len(labels))
    target = batch.tokens.numpy()
    begins = np.arange(TOKEN_SLOTS) % (TOKEN_SLOTS // 2) >= BEFORE
    counts: Counter = Counter()
    for cell, slot in np.argwhere((target != IGNORE) & (target != vocabulary.none) & begins):
        height = heights[line[cell, slot]] * scale[cell]
        text = vocabulary.fast.decode([target[cell, slot]], skip_special_tokens=False)
        counts[max(h for h in HEIGHTS if h <= height), kind(text), bool(found[cell, slot] == target[cell, slot])] += 1
    return counts


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "reader")
    parser.add_argument("--count", type=int, default=24, help="pages")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    parser.add_argument("--most-tiles", type=int, default=6)
    options = parser.parse_args()
    vocabulary = Vocabulary()
    state = torch.load(options.run / "average.pt", map_location="cpu")
    reader = Reader(SIZES[state["size"]], vocabulary).eval()
    reader.load_state_dict(state["reader"])
    counts: Counter = Counter()
    for number in range(options.count):
        counts += named(reader, vocabulary, Random(f"named {number}"), options.lang, options.most_tiles)
    print("| pixels | " + " | ".join(KINDS) + " |\n|---:|" + "---:|" * len(KINDS))
    for height in HEIGHTS:
        right = [(counts[height, name, True], counts[height, name, False]) for name in KINDS]
        print(f"| {height} and more | " + " | ".join(f"{a / (a + b):.1%} of {a + b}" if a + b else "-" for a, b in right) + " |")


if __name__ == "__main__":
    main()
