"""Generated pictures with the box of every character. A task draws a picture that answers a question.

`hard`, from 0 to 1, is how much of the variety is used: typefaces, sizes, shapes, colours, blemishes. Training begins
with little and widens it as the model learns; pictures for evaluation have all of it.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .fonts import ALPHABET, LETTERS, Face, faces

LONGEST = 8
WORDS = Path("/usr/share/dict/words")
QUESTION = "What does it say?"
Made = TypeVar("Made")
QUESTIONS = (QUESTION, "Read the text.", "What is written here?", "图里写的是什么？", "读出文字。")


@dataclass
class Glyph:
    """A character, its place in its word, the word's number in the picture, and its box in pixels."""

    char: str
    index: int
    word: int
    box: tuple[float, float, float, float]


@dataclass
class Picture:
    """What a task draws."""

    image: Image.Image
    glyphs: list[Glyph]
    question: str
    answer: str


@functools.cache
def words() -> tuple[str, ...]:
    """The word list: 1 to 8 plain lower-case letters."""
    lines = WORDS.read_text().split()
    return tuple(w for w in lines if 2 <= len(w) <= LONGEST and w.isascii() and w.isalpha() and w.islower())


def text(random: Random, face: Face) -> str:
    """A word, a number or a code which can be read from its picture in this face alone."""
    while True:
        kind = random.random()
        if kind < 0.45:
            word = random.choice(words())
            candidate = random.choice((word, word.capitalize(), word.upper()))
            clear = not (candidate[0] == "I" and candidate[1:].islower() and "l" in face.twins["I"])
        else:
            length = random.randint(1, LONGEST)
            digits = ALPHABET[:10]
            alphabet = digits if kind < 0.65 else random.choices((digits + LETTERS.upper(), digits + LETTERS, ALPHABET), (3, 1, 1))[0]
            candidate = "".join(random.choices(alphabet, k=length))
            # Among digits alone a 0 is no O; in a code nothing else decides.
            clear = kind < 0.65 or not any(face.twins[c] & set(alphabet) for c in candidate)
        # Without one character of unmistakable shape nothing gives the scale: "cow" is "COW" set smaller.
        if clear and not all(face.shapes[c] for c in candidate):
            return candidate


@functools.cache
def common_first() -> tuple[Face, ...]:
    """The faces in the order in which training meets them."""
    usual = ("Liberation Sans", "DejaVu Sans", "Liberation Serif", "Noto Sans", "DejaVu Sans Mono", "Roboto", "Noto Serif", "Open Sans")
    return tuple(sorted(faces(), key=lambda f: (-f.weight, f.family not in usual)))


def face(random: Random, hard: float) -> Face:
    """A typeface, upright regular ones more often."""
    known = common_first()[: 8 + int(hard * len(faces()))]
    return random.choices(known, [f.weight for f in known])[0]


def colours(random: Random, hard: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Background and ink with a luminance contrast of at least 100 levels."""
    if random.random() > 0.7 * hard:
        ground, ink = (255, 255, 255), (0, 0, 0)
        return (ground, ink) if random.random() > 0.2 * hard else (ink, ground)
    while True:
        ground, ink = (tuple(random.randrange(256) for _ in range(3)) for _ in range(2))
        if random.random() < 0.6:  # paper and pen
            ground, ink = tuple(200 + c * 55 // 255 for c in ground), tuple(c * 110 // 255 for c in ink)
        if abs(_luminance(ground) - _luminance(ink)) >= 100:
            return ground, ink


def _luminance(colour: tuple[int, ...]) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def line(draw: ImageDraw.ImageDraw, x: float, baseline: float, content: str, type_: Face, size: int, ink, word: int) -> list[Glyph]:
    """Sets one word and returns its glyphs; the boxes share out the word's width (kerning moves them a little)."""
    font, metrics = type_.at(size), [type_.metrics[c] for c in content]
    draw.text((x, baseline), content, fill=ink, font=font, anchor="ls")
    scale = font.getlength(content) / sum(m[0] for m in metrics)
    glyphs = []
    for i, (c, (advance, top, bottom)) in enumerate(zip(content, metrics)):
        glyphs.append(Glyph(c, i, word, (x, baseline + top * size, x + advance * scale, baseline + bottom * size)))
        x += advance * scale
    return glyphs


def finish(random: Random, image: Image.Image, hard: float) -> Image.Image:
    """Sometimes a little blur or noise."""
    if random.random() < 0.12 * hard:
        image = image.filter(ImageFilter.BoxBlur(random.uniform(0.3, 1.2)))
    if random.random() < 0.15 * hard:
        noise = np.random.default_rng(random.getrandbits(32)).normal(0, random.uniform(2, 14), (image.height, image.width, 1))
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    return image


def log_uniform(random: Random, low: float, high: float) -> float:
    """A size: doubling is as likely anywhere."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def reused(random: Random, make: Callable[[], Made], pool: int, uses: int) -> Iterator[Made]:
    """What `make` draws, each some `uses` times, out of the last so many: drawing costs as much as learning, and from a large pool it
    is forgotten before it comes again. The pool grows while it is used, from an eighth on."""
    made: list[Made] = []
    while True:
        if len(made) < pool // 8 or random.random() < 1 / uses:
            made = made[1 - pool :] + [make()]
        yield random.choice(made)


def one_word(random: Random, hard: float = 1.0, smallest: int = 40) -> Picture:
    """One word, number or code of at least `smallest` pixels anywhere on a plain picture."""
    narrow = 1 - hard  # without variety: text of 25 to 60 pixels once the picture is a tile
    while True:
        width = int(log_uniform(random, 280 + 70 * narrow, 640 - 120 * narrow))
        height = int(log_uniform(random, 140 + 210 * narrow, 560 - 60 * narrow))
        type_ = face(random, hard)
        content = text(random, type_)
        left, top, right, bottom = type_.at(100).getbbox(content, anchor="ls")
        largest = min(0.94 * width / (right - left), 0.9 * height / (bottom - top)) * 100
        if largest > smallest and 0.5 < width / height < 3:
            break
    size = int(log_uniform(random, smallest, min(largest, 70 + 250 * hard)))
    left, top, right, bottom = type_.at(size).getbbox(content, anchor="ls")
    x = random.uniform(0.02 * width - left, 0.98 * width - right)
    baseline = random.uniform(0.03 * height - top, 0.97 * height - bottom)
    ground, ink = colours(random, hard)
    image = Image.new("RGB", (width, height), ground)
    glyphs = line(ImageDraw.Draw(image), int(x), int(baseline), content, type_, size, ink, 0)
    question = QUESTION if random.random() < 0.8 else random.choice(QUESTIONS)
    return Picture(finish(random, image, hard), glyphs, question, content)


def page_of_words(random: Random, hard: float) -> Picture:
    """A picture packed with unrelated words in rows of different type: much to learn from each tile."""
    width = int(log_uniform(random, 600 - 200 * hard, 700 + 300 * hard))
    height = int(log_uniform(random, 600 - 200 * hard, 700 + 300 * hard))
    ground, ink = colours(random, hard)
    image = Image.new("RGB", (width, height), ground)
    draw, glyphs, word, y = ImageDraw.Draw(image), [], 0, 0.0
    scale = 0.8 * math.sqrt(width * height) / 448  # the picture is cut smaller before it becomes a tile
    largest = random.choice((40, 70, 70, 160)) if random.random() < hard else 45
    while True:
        type_ = face(random, hard)
        size = int(log_uniform(random, 25 - 5 * hard, largest) * scale)
        y += size * random.uniform(0.8, 1.0)
        if y > height:
            break
        x = random.uniform(-0.3, 0.3) * size
        while x < width:
            content = text(random, type_)
            glyphs += line(draw, int(x), int(y), content, type_, size, ink, word)
            x = glyphs[-1].box[2] + size * random.uniform(0.35, 0.8)
            word += 1
        y += size * random.uniform(0.23, 0.35)
    return Picture(finish(random, image, hard), glyphs, QUESTION, "")
