"""Bands of unrelated runs of text, each in a type of its own: what the encoder learns most from in the least time.

A page is mostly blank and set in one typeface; every cell of a band holds text, and neighbours differ in face, size and ink.
"""

from collections.abc import Callable, Iterator
from functools import cache
from random import Random

import numpy as np
from PIL import Image

from ..draw import WORDS, log_uniform, reused
from ..tiles import CELLS, PATCH, TILE
from . import kinds
from .document import Document, Line, Page
from .effects import scanner, shaded, warp, worn
from .examples import Example, Labels, conversation, located, token_ids
from .pillow import Sheet, Type, colours, typefaces
from .tasks import Task, locate, read_place, transcribe
from .vocabulary import Vocabulary

CELL = 2 * PATCH
POOL, USES = 1500, 3  # of bands
ASKED: dict[Task, float] = {transcribe: 4, read_place: 1, locate: 1}
ROWS = (2, 3, 4, 4, 6)  # heights in cells
SIZES = (11, 46)  # of type, in pixels of the tile
PATTERNS = "#|##|###|####|#,###.##|##.##|###.##|####-##-##|##/##/####|##:##|+## ### ### ####|@#####|@@-####|##%|#@#@#@#@".split("|")


class Texts:
    """What is written in bands: mostly what documents say, and words, numbers and codes that they do not."""

    def __init__(self, random: Random):
        self.random = random
        self.known: dict[str, list[str]] = {"en": [], "zh": []}

    def one(self, lang: str) -> str:
        """A run of at most 40 characters."""
        random, known = self.random, self.known[lang]
        kind = random.random()
        if kind < 0.12:
            return "".join(self._sign(sign) for sign in random.choice(PATTERNS))
        if kind < 0.35 and lang == "en":
            return " ".join(
                random.choice((str, str, str.capitalize, str.upper))(random.choice(_words())) for _ in range(random.randint(1, 5))
            )
        if len(known) < 20:
            known += [text for text in kinds.build(random, lang=lang).texts() if text.strip()]
        text = known.pop(random.randrange(len(known))).replace("\n", " ")
        start = random.randrange(max(1, len(text) - 30))
        start = text.rfind(" ", 0, start + 1) + 1 if lang == "en" else start
        return text[start : start + 40].strip() or "0"

    def _sign(self, sign: str) -> str:
        return {"#": str(self.random.randrange(10)), "@": self.random.choice("ABCDEFGHJKLMNPRSTUVWXYZ")}.get(sign, sign)


@cache
def _words() -> list[str]:
    return [word for word in WORDS.read_text().split() if word.isascii() and 1 < len(word) < 15]


def band(random: Random, texts: Texts, chinese: float) -> Page:
    """A band of text as wide as a tile, at another scale."""
    rows = random.choice(ROWS)
    scale = log_uniform(random, 0.6, 1.7)  # what is drawn is resized to the tile, as pages are
    width, height = round(TILE * scale), round(CELL * rows * scale)
    ground, ink = colours(random)
    sheet = Sheet(random, width, 0, Type(*typefaces(random, "en", held_out=False)[1:], 20, ink), ground)
    y = random.uniform(0, 0.2) * CELL * scale
    while (most := min(SIZES[1] * scale, (height - y) / 1.25)) >= max(9, SIZES[0] * scale):
        lang = "zh" if random.random() < chinese else "en"
        body, bold, spare = typefaces(random, lang, held_out=False)
        type_ = Type(random.choice((body, body, bold)), spare, max(9, int(log_uniform(random, SIZES[0] * scale, most))), ink)
        x = random.uniform(-1, 1.5) * type_.size
        while x < width:
            run = type_
            text = run.fitting(texts.one(lang), width + 0.3 * run.size - x).rstrip()
            if not text:
                break
            if random.random() < 0.1:  # on a ground of its own
                other, mark = colours(random)
                run = Type(type_.face, spare, type_.size, mark)
                sheet.draw.rectangle((x - 2, y, x + run.width(text) + 2, y + 1.25 * run.size), fill=other)
            sheet.rows.append([sheet.line(x, y + 0.98 * type_.size, [(text, None)], run)])
            x = sheet.rows[-1][0].boxes[-1][2] + random.uniform(0.6, 3) * type_.size
        y += type_.size * random.uniform(1.2, 1.5)
        if random.random() < 0.12:
            sheet.draw.line((0, y, width, y), fill=sheet.rule)
    return Page(sheet.image.crop((0, 0, width, height)), Document("band", "en", (), {}), sheet.rows)


def seen(page: Page, random: Random, strength: float) -> Page:
    """The band through a scanner or a camera."""
    if random.random() < 0.35:
        page = warp(page, *scanner(page, random, strength), random)
    image = shaded(page.image, random, strength) if random.random() < 0.2 else page.image
    return Page(worn(image, random, strength), page.document, page.rows)


def placed(page: Page, random: Random) -> tuple[Page, np.ndarray]:
    """The band somewhere in a tile, and its cells."""
    rows = round(page.image.height * TILE / page.image.width / CELL)
    row = random.randint(0, CELLS - rows)
    tile = Image.new("RGB", (TILE, TILE))
    tile.paste(page.image.resize((TILE, rows * CELL), Image.Resampling.BICUBIC), (0, row * CELL))
    sx, sy = TILE / page.image.width, rows * CELL / page.image.height
    moved = [
        [Line(line.text, [(a * sx, b * sy + row * CELL, c * sx, d * sy + row * CELL) for a, b, c, d in line.boxes])]
        for (line,) in page.rows
    ]
    return Page(tile, page.document, moved), np.arange(row * CELLS, (row + rows) * CELLS)


def bands(
    random: Random, chinese: float, vocabulary: Vocabulary, strength: Callable[[], float], longest: Callable[[], int]
) -> Iterator[Example]:
    """Bands as tiles of which only their cells are seen, with conversations of so many tokens; each is used several times,
    looking and lying differently."""
    texts = Texts(random)
    for drawn in reused(random, lambda: band(random, texts, chinese), POOL, USES):
        page, cells = placed(seen(drawn, random, strength()), random)
        labels = Labels(page, [token_ids(line.text, vocabulary) for (line,) in page.rows], vocabulary.none, 0, 0, 1, 1)
        turns = conversation(random, page, longest(), vocabulary, ASKED) if longest() and page.rows else []
        yield Example([labels.tile(np.asarray(page.image), cells)], *vocabulary.conversation(1, cells, located(turns, [labels])))
