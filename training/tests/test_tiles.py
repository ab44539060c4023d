"""The tiler against InternVL's published behaviour: grids, and Pillow's bicubic resampling byte for byte."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from pagelens_training.tiles import CELLS, PATCH, TILE, grid, patches, tiles

GRIDS = [  # size, then the grid for at most 6, 12 and 40 tiles
    ((800, 1300), (2, 3), (2, 3), (5, 8)),
    ((1300, 800), (3, 2), (3, 2), (8, 5)),
    ((448, 448), (1, 1), (1, 1), (1, 1)),
    ((640, 640), (2, 2), (2, 2), (2, 2)),
    ((1000, 1000), (2, 2), (3, 3), (3, 3)),
    ((2000, 2000), (2, 2), (3, 3), (6, 6)),
    ((640, 480), (3, 2), (4, 3), (4, 3)),
    ((1920, 1080), (2, 1), (4, 2), (7, 4)),
    ((1170, 2532), (1, 2), (2, 4), (4, 9)),
    ((1600, 400), (4, 1), (4, 1), (4, 1)),
    ((3000, 50), (6, 1), (12, 1), (40, 1)),
    ((1, 1000), (1, 6), (1, 12), (1, 40)),
]
HASHES = [  # size, then SHA-256 prefixes of the canvas (at most 12 tiles) and of the thumbnail
    ((800, 1300), "91fb15c8a2e832ea", "ca1d4e7a13bacd38"),
    ((640, 480), "af6eafea5d0528e7", "2349464b3cce612c"),
    ((448, 448), "affb7f569427c72d", None),
    ((50, 3000), "db93ffefdcdd93fc", "cabfa192d72e73ab"),
    ((1920, 1080), "42868cec21085209", "6d3f4698a99b6d23"),
    ((37, 23), "db320453efb7122f", "3e663c189e478fda"),
]


def pattern(width: int, height: int) -> Image.Image:
    x, y, c = np.arange(width)[None, :, None], np.arange(height)[:, None, None], np.arange(3)[None, None]
    return Image.fromarray(((3 * x * x + 5 * y * y + 7 * x * y + 85 * c + x // 3 + y // 5) % 256).astype(np.uint8))


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("size, six, twelve, forty", GRIDS)
def test_grid(size, six, twelve, forty):
    assert [grid(*size, 1, n) for n in (6, 12, 40)] == [six, twelve, forty]


@pytest.mark.parametrize("size, canvas, thumbnail", HASHES)
def test_pixels(size, canvas, thumbnail):
    columns, rows = grid(*size, 1, 12)
    parts = tiles(pattern(*size), 1, 12)
    assert len(parts) == columns * rows + (thumbnail is not None)
    joined = parts[: columns * rows].reshape(rows, columns, TILE, TILE, 3).swapaxes(1, 2).reshape(rows * TILE, columns * TILE, 3)
    assert digest(joined) == canvas
    assert thumbnail is None or digest(parts[-1]) == thumbnail


def test_patches_are_grouped_by_cell():
    tile = np.asarray(pattern(TILE, TILE))
    cut = patches(tile).reshape(CELLS, CELLS, 2, 2, 3, PATCH, PATCH)
    y, x = 28 * 5 + 14, 28 * 9  # cell (5, 9), its lower left patch
    assert (cut[5, 9, 1, 0] == tile[y : y + PATCH, x : x + PATCH].transpose(2, 0, 1)).all()
