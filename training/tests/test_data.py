"""Labels lie where the characters are, and a generated picture can be read in only one way."""

from random import Random

import numpy as np
from PIL import Image

from pagelens_training import data, draw, fonts
from pagelens_training.draw import ALPHABET, Glyph, Picture


def blank(glyphs, size=(448, 448)):
    return Picture(Image.new("RGB", size, "white"), glyphs, "", "")


def patch_grid(cells: np.ndarray) -> np.ndarray:
    return cells.reshape(16, 16, 2, 2, -1).transpose(0, 2, 1, 3, 4).reshape(32, 32, -1)


def test_a_character_covers_patches_and_has_one_centre():
    picture = blank([Glyph("A", 0, 0, (28, 14, 70, 56))])
    grid = patch_grid(data.labels(picture, data.owners(picture)))
    kind = ALPHABET.index("A") + 1
    assert (grid[1:4, 2:5, 0] == kind).all() and (grid[..., 0] == kind).sum() == 9
    assert (grid[1:4, 2:5, 1] == 0).all()
    assert grid[2, 3, 2] == kind and (grid[..., 2:] > 0).sum() == 1


def test_two_narrow_characters_share_a_patch_from_left_to_right():
    picture = blank([Glyph("i", 1, 0, (21, 0, 27, 12)), Glyph("l", 0, 0, (14, 0, 20, 12))])
    grid = patch_grid(data.labels(picture, data.owners(picture)))
    assert list(grid[0, 1, 2:]) == [ALPHABET.index("l") + 1, ALPHABET.index("i") + 1]


def test_a_cell_spells_the_characters_centred_in_it():
    picture = blank([Glyph("7", 0, 0, (28, 14, 40, 40)), Glyph("B", 1, 0, (40, 14, 54, 40)), Glyph("x", 2, 0, (54, 14, 64, 40))])
    spelled = data.spelling(picture)
    found = {(int(c), int(place)): ALPHABET[spelled[c, place] - 1] for c, place in zip(*np.nonzero(spelled))}
    assert found == {(1, 0): "7", (1, 1): "B", (2, 2): "x"}


def test_boxes_are_scaled_with_the_picture():
    picture = blank([Glyph("A", 0, 0, (56, 7, 140, 28))], size=(896, 224))
    assert data.boxes(picture).tolist() == [[2, 1, 5, 4]]


def test_windows_do_not_teach_cut_characters():
    picture = blank([Glyph("W", 0, 0, (200, 28, 250, 70)), Glyph("e", 1, 0, (250, 28, 280, 70))])
    left, right = list(data.windows(picture))[:2]
    assert (left[2][..., 0] == data.IGNORE).any() and not (left[2][..., 0] > 0).any()
    assert (right[2][..., 0] == ALPHABET.index("e") + 1).any()  # whole, and known
    assert (right[2][..., 1][right[2][..., 0] > 0] == data.IGNORE).all()  # but its word is cut


def test_kept_cells_hold_the_text():
    random = Random(3)
    for _ in range(20):
        picture = draw.one_word(random)
        budget, cells = data.kept_cells(random, picture, None)
        assert len(cells) == budget == len(set(cells)) and (np.diff(cells) > 0).all()
        held = set(cells)
        x0, y0, x1, y1 = *data.boxes(picture).min(0)[:2], *data.boxes(picture).max(0)[2:]
        for row in range(max(0, int(y0 / 2)), min(15, int(y1 / 2)) + 1):
            assert {16 * row + c for c in range(max(0, int(x0 / 2)), min(15, int(x1 / 2)) + 1)} <= held


def test_texts_are_readable():
    random = Random(4)
    for _ in range(200):
        face = draw.face(random, 1.0)
        text = draw.text(random, face)
        assert 1 <= len(text) <= draw.LONGEST and set(text) <= set(ALPHABET)
        assert not all(face.shapes[c] for c in text)


def test_lookalikes():
    face = next(f for f in fonts.faces() if (f.family, f.style) == ("DejaVu Sans", "Book"))
    assert "l" in face.twins["I"] and "O" in face.twins["0"] and "O" not in face.shapes["0"]
    assert "Z" in face.shapes["z"] and "Z" not in face.twins["z"] and not face.shapes["R"]


def test_boxes_enclose_the_ink():
    random = Random(5)
    for _ in range(20):
        picture = draw.one_word(random, hard=0.0)
        ink = np.asarray(picture.image.convert("L")) < 128
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        box = np.array([g.box for g in picture.glyphs])
        assert abs(box[:, 1].min() - rows[0]) <= 3 and abs(box[:, 3].max() - rows[-1]) <= 3
        assert abs(box[0, 0] - columns[0]) <= 20 and abs(box[-1, 2] - columns[-1]) <= 20  # side bearings
