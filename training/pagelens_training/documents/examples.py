"""Training examples: a page and a conversation about it as tiles, token ids and labels of what stands where.

Half of a page is blank. Cells away from the text are left out, all but a random few, which makes an example about half as
dear; what is kept keeps its position in the tile and in the prompt. Some tiles are whole, as in use.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from statistics import median

import numpy as np

from .. import tiles
from ..tiles import CELLS, PATCH, SIDE, TILE
from .characters import CLASS
from .document import Box, Line, Page
from .tasks import WEIGHTS, Task, Turn, quoted, turn
from .vocabulary import IGNORE, Located, Vocabulary

CHARACTER_SLOTS = 3  # of a patch: the character over its centre, then those centred in it
BEFORE, IN_PATCH = 2, 3
# Of a cell, for its upper and for its lower patches: the tokens before the first that begins there, then those that begin in the
# left patch and those that begin in the right one.
TOKEN_SLOTS = 2 * (BEFORE + 2 * IN_PATCH)
SMALLEST = 6.0  # pixels in the tile: lines lower than this teach nothing there
LEGIBLE = 10.0  # pixels in the tile: what questions are asked about
LONG_LAST = 0.8  # share of conversations whose longest answers come last
BLANK = 8  # cells away from the text that are kept of a tile, and one more for so many near it


@dataclass
class Tile:
    """K cells of a tile. A slot holds IGNORE where it has no label, 0 or `<|endoftext|>` where there is nothing to see."""

    cells: np.ndarray  # [K] index in the tile
    patches: np.ndarray  # [K, 4, 588] u8
    characters: np.ndarray  # [K, 4, CHARACTER_SLOTS] classes of `CLASS`
    tokens: np.ndarray  # [K, TOKEN_SLOTS] ids


@dataclass
class Example:
    """A page's tiles, thumbnail last, and L token ids."""

    tiles: list[Tile]
    ids: np.ndarray  # [L]
    positions: np.ndarray  # [L] in the prompt that all cells would give
    target: np.ndarray  # [L] what each position must predict
    sources: np.ndarray  # [L, SOURCES] places in `ids` of the cells in which each stands, -1 for none


def example(page: Page, turns: list[Turn], vocabulary: Vocabulary, max_tiles: int, random: Random, whole: float) -> Example:
    """The page cut into at most `max_tiles` tiles and a thumbnail; a share `whole` of them is kept whole."""
    ids = [token_ids(line.text, vocabulary) for row in page.rows for line in row]
    labels = labelled(page, ids, vocabulary.none, max_tiles)
    pixels = tiles.tiles(page.image, 1, max_tiles)
    kept = [_tile(tile, one, random, random.random() < whole) for tile, one in zip(pixels, labels)]
    cells = np.concatenate([tile.cells + CELLS * CELLS * k for k, tile in enumerate(kept)])
    return Example(kept, *vocabulary.conversation(len(kept), cells, located(turns, labels)))


def labelled(page: Page, ids: list[list[tuple[int, int]]], none: int, max_tiles: int) -> "list[Labels]":
    """What stands where in each tile of the page, in the thumbnail last."""
    columns, rows = tiles.grid(*page.image.size, 1, max_tiles)
    views = [(column, row, columns, rows) for row in range(rows) for column in range(columns)]
    if len(views) > 1:
        views.append((0, 0, 1, 1))
    return [Labels(page, ids, none, *view) for view in views]


def located(turns: list[Turn], labels: "list[Labels]") -> list[Located]:
    """Turns with the cells, numbered through all tiles, of what they quote, of the label and of what they copy."""
    lines = labels[0].page.single()

    def cells(boxes: tuple[Box | None, ...]) -> list[tuple[int, ...]]:
        found = ([(number, one.cell(box)) for number, one in enumerate(labels)] if box else [] for box in boxes)
        return [tuple(CELLS * CELLS * number + cell for number, cell in some if cell is not None) for some in found]

    return [(t.question, t.answer, cells((*quoted(t.question, lines), t.label)), cells(t.places)) for t in turns]


def _tile(pixels: np.ndarray, labels: "Labels", random: Random, whole: bool) -> Tile:
    """The cells at and around the text, and random others."""
    near, rest = np.flatnonzero(labels.near), np.flatnonzero(~labels.near)
    blank = len(rest) if whole else min(len(rest), BLANK + len(near) // BLANK)
    chosen = random.sample(rest.tolist(), blank)
    return labels.tile(pixels, np.sort(np.concatenate([near, np.array(chosen, int)])))


def token_ids(text: str, vocabulary: Vocabulary) -> list[tuple[int, int]]:
    """(place of its first character that is not a space, id) of every token."""
    encoded = vocabulary.fast.encode(text, add_special_tokens=False)
    found = []
    for token, (start, end) in zip(encoded.ids, encoded.offsets):
        inked = [i for i in range(start, end) if not text[i].isspace()]
        if inked:
            found.append((inked[0], token))
    return found


@dataclass
class Labels:
    """What stands where in the tile at this place of the grid."""

    page: Page
    ids: list[list[tuple[int, int]]]  # of every line, rows in order
    none: int  # the token that says there is none
    column: int
    row: int
    columns: int
    rows: int
    near: np.ndarray = field(init=False)  # [256] whether there is text in a cell or close to it
    characters: np.ndarray = field(init=False)  # [32, 32, CHARACTER_SLOTS]
    tokens: np.ndarray = field(init=False)  # [16, 16, 2, TOKEN_SLOTS / 2]

    def __post_init__(self):
        self.near = np.zeros((CELLS, CELLS), bool)
        self.characters = np.full((SIDE, SIDE, CHARACTER_SLOTS), IGNORE)
        self.characters[..., :2] = 0
        self.tokens = np.full((CELLS, CELLS, 2, BEFORE + 2 * IN_PATCH), IGNORE)
        self.tokens[..., BEFORE::IN_PATCH] = self.none
        patches: dict[tuple[int, int], list[tuple[float, int]]] = {}
        halves: dict[tuple[int, int, int], list[tuple[float, float, int, list[int], int]]] = {}
        lines = (line for row in self.page.rows for line in row)
        for line, ids in zip(lines, self.ids):
            if line.text.strip():
                self._line(line, ids, patches, halves)
        for place, centred in patches.items():
            _fill(self.characters[place][1:], [kind for _, kind in sorted(centred)], 0)
        for place, begun in halves.items():
            ordered, slots = _line_by_line(begun), self.tokens[place]
            slots[:BEFORE] = ordered[0][1]
            for side, room in enumerate(np.split(slots[BEFORE:], 2)):
                _fill(room, [token for where, _, token in ordered if where == side], self.none)
        self.near = self.near.ravel()

    def tile(self, pixels: np.ndarray, cells: np.ndarray) -> Tile:
        """These cells of the tile [448, 448, 3]."""
        characters = np.stack([tiles.cell_major(self.characters[..., k]) for k in range(CHARACTER_SLOTS)], -1)
        return Tile(cells, tiles.patches(pixels)[cells], characters[cells], self.tokens.reshape(-1, TOKEN_SLOTS)[cells])

    def _in_tile(self, boxes: list[Box]) -> np.ndarray:
        """Boxes of the page in pixels of the tile, [n, 4]."""
        scale = np.array((self.columns / self.page.image.width, self.rows / self.page.image.height) * 2) * TILE
        return np.array(boxes) * scale - np.array((self.column, self.row) * 2) * TILE

    def cell(self, box: Box) -> int | None:
        """Where in the tile a character stands that is large enough to be read."""
        ((left, top, right, bottom),) = self._in_tile([box])
        x, y = (left + right) / 2, (top + bottom) / 2
        legible = 0 <= x < TILE and 0 <= y < TILE and bottom - top >= SMALLEST
        return int(y / PATCH / 2) * CELLS + int(x / PATCH / 2) if legible else None

    def _line(self, line: Line, ids: list[tuple[int, int]], patches: dict, halves: dict) -> None:
        boxes, ((_, top, _, bottom),) = self._in_tile(line.boxes), self._in_tile([line.box()])
        legible = bottom - top >= SMALLEST
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        inside = (x >= 0) & (x < TILE) & (y >= 0) & (y < TILE)
        if not inside.any():
            return
        margin = np.array((-0.25, -0.15, 0.25, 0.15)) * 2 * PATCH
        around = np.clip(np.floor((boxes + margin) / PATCH / 2).astype(int), 0, CELLS - 1)
        covered = np.clip(np.ceil(boxes / PATCH - 0.5).astype(int), 0, SIDE)
        around, covered, x, y = (values.tolist() for values in (around, covered, x, y))
        for i in np.flatnonzero(inside).tolist():
            if line.text[i].isspace():
                continue
            kind = CLASS.get(line.text[i], IGNORE) if legible else IGNORE
            c0, r0, c1, r1 = around[i]
            self.near[r0 : r1 + 1, c0 : c1 + 1] = True
            c0, r0, c1, r1 = covered[i]
            self.characters[r0:r1, c0:c1, 0] = kind
            patches.setdefault((int(y[i] / PATCH), int(x[i] / PATCH)), []).append((x[i], kind))
        before = [IGNORE] * BEFORE  # what stands to the left of a line is anybody's guess
        for place, token in ids:
            token = token if legible else IGNORE
            if inside[place]:
                row, column = int(y[place] / PATCH), int(x[place] / PATCH)
                found = (boxes[place, 3], x[place], column % 2, before, token)
                halves.setdefault((row // 2, column // 2, row % 2), []).append(found)
            before = [*before[1:], token]


def _fill(slots: np.ndarray, kinds: list[int], end: int) -> None:
    """Classes, then an end; of a crowd that does not fit, only as many as there are slots."""
    kinds = (kinds + [end])[: len(slots)]
    slots[: len(kinds)] = kinds


def _line_by_line(found: list[tuple[float, float, int, list[int], int]]) -> list[tuple[int, list[int], int]]:
    """(bottom, x, side, before, token) in reading order: bottoms less than half a patch apart are one line."""
    found = sorted(found)
    line, lines = 0, [0]
    for (above, *_), (below, *_) in pairwise(found):
        line += below - above > PATCH / 2
        lines.append(line)
    return [rest for _, _, rest in sorted((line, x, rest) for line, (_, x, *rest) in zip(lines, found))]


def legible_tiles(page: Page, most: int) -> list[int]:
    """The largest numbers of tiles, up to `most`, with which most of its text can be read."""
    heights = [bottom - top for row in page.rows for line in row if line.text.strip() for _, top, _, bottom in [line.box()]]
    height = median(heights) if heights else page.image.height
    return [n for n in range(1, most + 1) if height * tiles.grid(*page.image.size, 1, n)[1] * TILE / page.image.height >= LEGIBLE]


def conversation(random: Random, page: Page, longest: int, vocabulary: Vocabulary, weights: dict[Task, float] = WEIGHTS) -> list[Turn]:
    """As many turns as fit into `longest` tokens, at least one. Little can be copied from earlier answers: there is one
    transcription at most, and mostly the long answers come last."""
    turns: dict[str, Turn] = {}
    room = longest
    for _ in range(40):
        asked = turn(random, page, weights)
        key = asked.kind if asked.kind == "transcribe" else asked.question
        if key in turns:
            continue
        length = vocabulary.length(asked.question) + vocabulary.length(asked.answer) + 8
        if length <= room or not turns:
            turns[key] = asked
            room -= length
    asked = list(turns.values())
    return sorted(asked, key=lambda one: len(one.answer)) if random.random() < LONG_LAST else asked
