"""Dynamic-resolution tiling as InternVL does it: closest aspect ratio, Pillow bicubic, thumbnail last."""

import numpy as np
from PIL import Image

TILE = 448
PATCH = 14
SIDE = TILE // PATCH  # patches along a tile's edge
CELLS = SIDE // 2  # projector cells (2x2 patches) along a tile's edge


def grid(width: int, height: int, min_tiles: int, max_tiles: int, tile: int = TILE) -> tuple[int, int]:
    """(columns, rows) of the candidate closest in aspect ratio; an exact tie goes to the larger area if the picture fills half of it."""
    shapes = [(i, j) for i in range(1, max_tiles + 1) for j in range(1, max_tiles + 1) if min_tiles <= i * j <= max_tiles]
    ratio, best, best_difference = width / height, (1, 1), float("inf")
    for i, j in sorted(shapes, key=lambda s: s[0] * s[1]):
        difference = abs(ratio - i / j)
        if difference < best_difference:
            best, best_difference = (i, j), difference
        elif difference == best_difference and width * height > 0.5 * tile * tile * i * j:
            best = (i, j)
    return best


def tiles(image: Image.Image, min_tiles: int, max_tiles: int, tile: int = TILE) -> np.ndarray:
    """[n, tile, tile, 3] u8, row-major, thumbnail last when there is more than one tile."""
    columns, rows = grid(*image.size, min_tiles, max_tiles, tile)
    canvas = np.asarray(image.resize((columns * tile, rows * tile), Image.Resampling.BICUBIC))
    parts = canvas.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
    if len(parts) == 1:
        return parts
    thumbnail = np.asarray(image.resize((tile, tile), Image.Resampling.BICUBIC))
    return np.concatenate([parts, thumbnail[None]])


def patches(tile: np.ndarray) -> np.ndarray:
    """[448, 448, 3] -> [256 cells, 4 patches, 588]: cells row-major, patches row-major in the cell, values channel-first."""
    x = tile.reshape(CELLS, 2, PATCH, CELLS, 2, PATCH, 3)
    return x.transpose(0, 3, 1, 4, 6, 2, 5).reshape(CELLS * CELLS, 4, 3 * PATCH * PATCH)


def cell_major(values: np.ndarray) -> np.ndarray:
    """[32, 32] patch grid -> [256 cells, 4]."""
    return values.reshape(CELLS, 2, CELLS, 2).transpose(0, 2, 1, 3).reshape(CELLS * CELLS, 4)
