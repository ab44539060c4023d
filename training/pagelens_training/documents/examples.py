"""Training examples: a page and a conversation about it as tiles, token ids and labels of what stands where."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from .. import tiles
from ..tiles import CELLS, PATCH, SIDE, TILE
from .characters import CLASS
from .document import Page
from .tasks import Turn
from .vocabulary import Vocabulary

IGNORE = -100
PATCH_SLOTS, CELL_SLOTS = 2, 8
SMALLEST = 5.0  # pixels in the tile: lines lower than this teach nothing there


@dataclass
class Example:
    """n tiles, thumbnail last, and L token ids."""

    patches: np.ndarray  # [n, 1024, 588] u8, cell-major
    covers: np.ndarray  # [n, 1024] class of the character over a patch's centre, 0 for none
    patch_slots: np.ndarray  # [n, 1024, PATCH_SLOTS] classes centred in a patch, left to right, then 0, then IGNORE
    cell_slots: np.ndarray  # [n, 256, CELL_SLOTS] the same of a cell, line by line
    ids: np.ndarray  # [L]
    target: np.ndarray  # [L] what each position must predict


def example(page: Page, turns: list[Turn], vocabulary: Vocabulary, max_tiles: int) -> Example:
    """The page cut into at most `max_tiles` tiles and a thumbnail."""
    pixels = tiles.tiles(page.image, 1, max_tiles)
    columns, rows = tiles.grid(*page.image.size, 1, max_tiles)
    views = [(c, r, columns, rows) for r in range(rows) for c in range(columns)]
    if len(pixels) > 1:
        views.append((0, 0, 1, 1))
    labels = [_labels(page, *view) for view in views]
    covers, patch_slots, cell_slots = (np.stack(part) for part in zip(*labels))
    ids, target = vocabulary.conversation(len(pixels), [(turn.question, turn.answer) for turn in turns])
    return Example(np.stack([_flat(tiles.patches(tile)) for tile in pixels]), covers, patch_slots, cell_slots, ids, target)


def _flat(patches: np.ndarray) -> np.ndarray:
    return patches.reshape(SIDE * SIDE, -1)


def _labels(page: Page, column: int, row: int, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the tile in this place of the grid."""
    covers = np.zeros((SIDE, SIDE), int)
    patches: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
    cells: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
    sx, sy = columns * TILE / page.image.width, rows * TILE / page.image.height
    for line in (line for row_ in page.rows for line in row_ if line.text.strip()):
        _, top, _, bottom = line.box()
        legible = (bottom - top) * sy >= SMALLEST
        for character, (x0, y0, x1, y1) in zip(line.text, line.boxes):
            x0, y0, x1, y1 = x0 * sx - column * TILE, y0 * sy - row * TILE, x1 * sx - column * TILE, y1 * sy - row * TILE
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            if character.isspace() or not (0 <= x < TILE and 0 <= y < TILE):
                continue
            kind = CLASS.get(character, IGNORE) if legible else IGNORE
            c0, r0, c1, r1 = (max(0, int(np.ceil(v / PATCH - 0.5))) for v in (x0, y0, x1, y1))
            covers[r0:r1, c0:c1] = kind
            patches.setdefault((int(y / PATCH), int(x / PATCH)), []).append((0, x, kind))
            cells.setdefault((int(y / PATCH / 2), int(x / PATCH / 2)), []).append((y1, x, kind))
    patch_slots = np.full((SIDE, SIDE, PATCH_SLOTS), IGNORE)
    patch_slots[..., 0] = 0
    for place, found in patches.items():
        _fill(patch_slots[place], [kind for _, _, kind in sorted(found)])
    cell_slots = np.full((CELLS, CELLS, CELL_SLOTS), IGNORE)
    cell_slots[..., 0] = 0
    for place, found in cells.items():
        _fill(cell_slots[place], _line_by_line(found))
    flat = [tiles.cell_major(values) for values in (covers, *np.moveaxis(patch_slots, -1, 0))]
    covers, *slots = (part.reshape(-1) for part in flat)
    return covers, np.stack(slots, -1), cell_slots.reshape(CELLS * CELLS, CELL_SLOTS)


def _fill(slots: np.ndarray, kinds: list[int]) -> None:
    """Classes, then an end; of a crowd that does not fit, only as many as there are slots."""
    kinds = (kinds + [0])[: len(slots)]
    slots[: len(kinds)] = kinds


def _line_by_line(found: list[tuple[float, float, int]]) -> list[int]:
    """(bottom, x, kind) in reading order: bottoms less than half a patch apart are one line."""
    found = sorted(found)
    line, lines = 0, [0]
    for (above, *_), (below, *_) in zip(found, found[1:]):
        line += below - above > PATCH / 2
        lines.append(line)
    return [kind for _, _, kind in sorted((line, x, kind) for line, (_, x, kind) in zip(lines, found))]


def endless(random: Random, pages: Iterator[Page], vocabulary: Vocabulary, max_tiles: int, longest: int) -> Iterator[Example]:
    """Examples of several turns about a page, at most `longest` tokens after the tiles."""
    from .tasks import turn

    for page in pages:
        turns: list[Turn] = []
        room = longest
        for _ in range(random.choice((2, 3, 4, 6))):
            asked = turn(random, page)
            room -= vocabulary.length(asked.question) + vocabulary.length(asked.answer) + 8
            if room < 0 and turns:
                break
            if asked.question not in [t.question for t in turns]:
                turns.append(asked)
        yield example(page, turns, vocabulary, max_tiles)
