"""Bands of text: what they show is what they are labelled with."""

from random import Random

import numpy as np
import pytest
from pagelens_training.documents import bands
from pagelens_training.documents.characters import CLASS
from pagelens_training.documents.vocabulary import IGNORE, Vocabulary
from pagelens_training.tiles import CELLS, PATCH


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary()


def placed(seed):
    random = Random(f"band {seed}")
    return bands.placed(bands.band(random, bands.Texts(random), 0.2), random)


def test_ink_is_where_the_boxes_are():
    """Around the middle of every character of some size something is drawn that is not the ground."""
    seen = 0
    for seed in range(20):
        page, cells = placed(seed)
        pixels = np.asarray(page.image.convert("L")).astype(int)
        for (line,) in page.rows:
            for character, box in zip(line.text, line.boxes):
                x0, y0, x1, y1 = (int(v) for v in box)
                if character.isalnum() and x0 >= 0 and x1 < 448 and y1 - y0 >= 8:
                    part = pixels[y0 : y1 + 2, x0 : x1 + 2]
                    seen += 1
                    assert part.max() - part.min() > 40, (seed, line.text, character)
    assert seen > 300


def test_text_stays_in_the_cells_that_are_kept():
    for seed in range(20):
        page, cells = placed(seed)
        rows = sorted({cell // CELLS for cell in cells})
        assert len(cells) == CELLS * len(rows)
        for (line,) in page.rows:
            for _, top, _, bottom in line.boxes:
                assert rows[0] * 2 * PATCH <= (top + bottom) / 2 < (rows[-1] + 1) * 2 * PATCH, (seed, line.text)


def test_examples_are_mostly_text_and_name_it(vocabulary):
    random = Random("examples of bands")
    source = bands.bands(random, 0.2, vocabulary, lambda: 1.0, lambda: 120)
    examples = [next(source) for _ in range(60)]
    tokens = np.concatenate([e.tiles[0].tokens for e in examples])
    characters = np.concatenate([e.tiles[0].characters.reshape(-1, 3) for e in examples])
    assert ((tokens != IGNORE) & (tokens != vocabulary.none)).any(1).mean() > 0.4
    assert ((characters > 0) & (characters != IGNORE)).any(1).mean() > 0.25
    assert len(np.unique(characters)) > 200 and characters.max() <= len(CLASS)
    assert all((e.target != IGNORE).sum() > 1 for e in examples), "something is asked about each"
