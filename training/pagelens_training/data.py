"""Batches of training examples: tiles as patches, labels for every patch, prompts as token ids.

A picture with one word is mostly background. Cells far from the text are left out of the batch, all but a random
few, which makes an example several times cheaper; every patch keeps the position it has in the tile. One batch in
ten keeps everything, as inference does.
"""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
import torch
from PIL import Image, ImageChops

from . import tiles
from .draw import ALPHABET, LONGEST, Glyph, Picture, one_word, page_of_words
from .tiles import CELLS, SIDE, TILE
from .tokenizer import Tokenizer

IGNORE = -100
SLOTS = 2
LABELS = 2 + SLOTS  # the covering character, its index in the word, then the characters centred in the patch
BUDGETS = (32, 64, 128, 256)  # cells kept of a tile
PATCHES = 6144  # in a batch


@dataclass
class Batch:
    """B examples of K cells."""

    patches: torch.Tensor  # [B, K*4, 588] u8
    cells: torch.Tensor  # [B, K] index in the tile
    labels: torch.Tensor  # [B, K*4, LABELS]
    spelling: torch.Tensor | None  # [B, K, LONGEST] class of the character at each place of the word, if it is centred in the cell
    prompt: torch.Tensor | None  # [B, T] ids after the image, answer included
    target: torch.Tensor | None  # [B, T] what each position must predict


def boxes(picture: Picture) -> np.ndarray:
    """[glyphs, 4] in patches, for the picture squeezed into one tile."""
    sx, sy = SIDE / picture.image.width, SIDE / picture.image.height
    return np.array([g.box for g in picture.glyphs]).reshape(-1, 4) * (sx, sy, sx, sy)


def owners(picture: Picture) -> np.ndarray:
    """[256 cells, 4, 1 + SLOTS] numbers of glyphs, -1 for none: the one that covers the patch's centre, those centred in it."""
    grid = np.full((SIDE, SIDE, 1 + SLOTS), -1)
    area = boxes(picture)
    covered = np.maximum(0, np.ceil(area - 0.5)).astype(int)
    middle = np.floor((area[:, :2] + area[:, 2:]) / 2).astype(int)
    for i in np.argsort(area[:, 0]):
        c0, r0, c1, r1 = covered[i]
        grid[r0:r1, c0:c1, 0] = i
        column, row = middle[i]
        if 0 <= column < SIDE and 0 <= row < SIDE:
            slots = grid[row, column, 1:]
            free = int((slots >= 0).sum())
            if free < SLOTS:
                slots[free] = i
    return np.stack([tiles.cell_major(grid[..., k]) for k in range(1 + SLOTS)], -1)


def labels(picture: Picture, owner: np.ndarray) -> np.ndarray:
    """[..., 1 + SLOTS] owners -> [..., LABELS]; character k of ALPHABET is class k + 1, 0 is none."""
    kinds = np.array([ALPHABET.index(g.char) + 1 for g in picture.glyphs] + [0])  # the last for -1
    places = np.array([g.index for g in picture.glyphs] + [IGNORE])
    return np.concatenate([kinds[owner[..., :1]], places[owner[..., :1]], kinds[owner[..., 1:]]], -1)


def spelling(picture: Picture) -> np.ndarray:
    """[256 cells, LONGEST]: the class of the word's character at each place, in the cell where its centre lies."""
    spelled = np.zeros((CELLS * CELLS, LONGEST), int)
    for glyph, (x0, y0, x1, y1) in zip(picture.glyphs, boxes(picture)):
        spelled[int((y0 + y1) / 4) * CELLS + int((x0 + x1) / 4), glyph.index] = ALPHABET.index(glyph.char) + 1
    return spelled


def squeezed(picture: Picture) -> np.ndarray:
    """[256, 4, 588] u8: the picture as one tile."""
    return tiles.patches(np.asarray(picture.image.resize((TILE, TILE), Image.Resampling.BICUBIC)))


def zoom(random: Random, picture: Picture, hard: float) -> Picture:
    """A random part of the picture: the same type at other sizes and other places of the patch grid."""
    width, height = picture.image.size
    part = random.uniform(0.65, 1)
    w, h = (int(side * part * random.uniform(1 - 0.15 * hard, 1)) for side in (width, height))
    x, y = random.randint(0, width - w), random.randint(0, height - h)
    moved = [Glyph(g.char, g.index, g.word, (g.box[0] - x, g.box[1] - y, g.box[2] - x, g.box[3] - y)) for g in picture.glyphs]
    image = picture.image.crop((x, y, x + w, y + h))
    return Picture(ImageChops.invert(image) if random.random() < 0.15 * hard else image, moved, picture.question, picture.answer)


def windows(picture: Picture):
    """The four quarters of a page of words: (patches, cells, labels)."""
    pixels, owner, area = squeezed(picture), owners(picture), boxes(picture)
    marks = labels(picture, owner)
    word = np.array([g.word for g in picture.glyphs])
    index = np.arange(CELLS * CELLS).reshape(CELLS, CELLS)
    for r in (0, CELLS // 2):
        for c in (0, CELLS // 2):
            kept = index[r : r + CELLS // 2, c : c + CELLS // 2].ravel()
            low, high = np.array((2 * c, 2 * r)), np.array((2 * c, 2 * r)) + CELLS
            beyond = np.maximum(low - area[:, :2], area[:, 2:] - high).max(1) > 0.3
            # A character cut by the edge is no example, nor are places in a word of which a part is missing.
            lame = np.append(np.isin(word, word[beyond]), False)
            known = marks[kept].copy()
            beyond = np.append(beyond, False)[owner[kept]]
            known[..., 0][beyond[..., 0]] = IGNORE
            known[..., 1][lame[owner[kept][..., 0]]] = IGNORE
            known[..., 2:][beyond[..., 1:]] = IGNORE
            yield pixels[kept], kept, known


def kept_cells(random: Random, picture: Picture, budget: int | None) -> tuple[int, np.ndarray]:
    """The smallest budget that holds the text with a margin, and the cells that fill it."""
    area = boxes(picture) / 2
    x0, y0, x1, y1 = *area.min(0)[:2], *area.max(0)[2:]
    near = np.zeros((CELLS, CELLS), bool)
    near[max(0, int(y0 - 0.6)) : int(y1 + 1.6), max(0, int(x0 - 0.8)) : int(x1 + 1.8)] = True
    need = int(near.sum())
    budget = budget or next(b for b in BUDGETS if b >= need)
    rest = np.flatnonzero(~near)
    chosen = random.sample(range(len(rest)), budget - need)
    return budget, np.sort(np.concatenate([np.flatnonzero(near), rest[chosen]]))


class Pages:
    """Batches of quarters of pages of words, without prompts. Drawing is slow, so each page is used several times."""

    POOL, USES = 32, 8

    def __init__(self, random: Random):
        self.random, self.pool = random, []

    def page(self, hard: float) -> Picture:
        """A part of a new page or of one in the pool."""
        if len(self.pool) < self.POOL or self.random.random() < 1 / self.USES:
            self.pool = self.pool[1 - self.POOL :] + [page_of_words(self.random, hard)]
        return zoom(self.random, self.random.choice(self.pool), hard)

    def batch(self, hard: float) -> Batch:
        """The next batch."""
        examples = [w for _ in range(PATCHES // 256 // 4) for w in windows(self.page(hard))]
        pixels, cells, marks = (torch.from_numpy(np.stack(part)) for part in zip(*examples))
        return Batch(pixels.flatten(1, 2), cells, marks.flatten(1, 2), None, None, None)


def easy(picture: Picture) -> bool:
    """Text of few letters, none twice in a row, or letters wider than three patches: what goes wrong is counting and small, narrow type."""
    area = boxes(picture)
    text = picture.answer
    short = len(text) < 6 and not any(a == b for a, b in pairwise(text))
    large = (area[:, 2] - area[:, 0]).mean() > 3
    return short or large


class Reading:
    """Batches of one-word pictures, examples of one budget together."""

    def __init__(self, random: Random, tokenizer: Tokenizer):
        self.random, self.tokenizer = random, tokenizer
        self.waiting = {budget: [] for budget in BUDGETS}

    def batch(self, hard: float, whole: float) -> Batch:
        """The next batch that is full; `whole` is the share of pictures of which every cell is kept."""
        while True:
            picture = one_word(self.random, hard)
            if easy(picture) and self.random.random() < 0.6 * hard:
                continue
            budget, cells = kept_cells(self.random, picture, BUDGETS[-1] if self.random.random() < whole else None)
            ids, target = self.tokenizer.example(picture.question, picture.answer)
            marks = labels(picture, owners(picture)[cells])
            self.waiting[budget].append((squeezed(picture)[cells], cells, marks, spelling(picture)[cells], ids, target))
            if len(self.waiting[budget]) == PATCHES // 4 // budget:
                examples, self.waiting[budget] = self.waiting[budget], []
                pixels, cells, marks, spelled = (torch.from_numpy(np.stack(part)) for part in list(zip(*examples))[:4])
                prompt = _padded([e[4] for e in examples], 0)
                target = _padded([e[5] for e in examples], IGNORE)
                return Batch(pixels.flatten(1, 2), cells, marks.flatten(1, 2), spelled, prompt, target)


def _padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])


class Stream(torch.utils.data.IterableDataset):
    """Endless batches. The share of pages among them, their variety and the share of whole tiles are read anew for each batch."""

    def __init__(self, seed: int, knobs: torch.Tensor):
        self.seed, self.knobs = seed, knobs  # [share of pages, hard, whole] in shared memory

    def __iter__(self):
        torch.set_num_threads(1)
        random = Random(self.seed)
        pages, reading = Pages(random), Reading(random, Tokenizer())
        while True:
            share, hard, whole = self.knobs.tolist()
            yield pages.batch(hard) if random.random() < share else reading.batch(hard, whole)
