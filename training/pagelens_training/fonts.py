"""The typefaces pictures are set in, found with fontconfig, and what cannot be told apart in each of them."""

import functools
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALPHABET = "0123456789" + LETTERS.upper() + LETTERS

FAMILIES = (
    "Arimo", "C059", "Caladea", "Cantarell", "Carlito", "Cousine", "DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif",
    "FreeMono", "FreeSans", "FreeSerif", "Hack", "Inconsolata", "Lato", "Liberation Mono", "Liberation Sans",
    "Liberation Sans Narrow", "Liberation Serif", "Linux Biolinum O", "Linux Libertine O", "Nimbus Mono PS",
    "Nimbus Roman", "Nimbus Sans", "Nimbus Sans Narrow", "Noto Sans", "Noto Sans Display", "Noto Sans Mono", "Noto Serif",
    "Noto Serif Display", "Open Sans", "P052", "Roboto", "Roboto Condensed", "Roboto Slab", "TeX Gyre Adventor",
    "TeX Gyre Bonum", "TeX Gyre Cursor", "TeX Gyre Heros", "TeX Gyre Pagella", "TeX Gyre Schola", "TeX Gyre Termes",
    "Tinos", "URW Bookman", "URW Gothic",
)  # fmt: skip
CHINESE_FAMILIES = (
    "AR PL KaitiM GB", "AR PL SungtiL GB", "AR PL UKai CN", "AR PL UMing CN", "LXGW WenKai", "LXGW WenKai Mono", "Noto Sans CJK SC",
    "Noto Sans Mono CJK SC", "Noto Serif CJK SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
)  # fmt: skip
CONFUSED = ("0O", "Il")  # standing alone these are taken for each other even where their shapes differ a little
# Documents to train on are not set in these.
HELD_OUT = {"C059", "Caladea", "Hack", "Lato", "Nimbus Sans Narrow", "Roboto Slab", "Tinos", "WenQuanYi Micro Hei", "AR PL SungtiL GB"}
STYLES = {
    "Regular": 4, "Book": 4, "Roman": 4, "Medium": 1, "Bold": 2, "Italic": 1, "Oblique": 1, "Demi": 1, "Bold Italic": 1,
    "Bold Oblique": 1,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Face:
    """One font file; a face is itself alone, which is quick to hash."""

    family: str
    style: str
    path: str
    index: int = 0

    @property
    def weight(self) -> int:
        """How often the face is drawn, relative to the others."""
        return STYLES.get(self.style, 1)

    @functools.lru_cache(1024)
    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """The face at `size` pixels."""
        return ImageFont.truetype(self.path, size, self.index, layout_engine=ImageFont.Layout.BASIC)

    @functools.cached_property
    def characters(self) -> frozenset[int]:
        """Code points it has glyphs for."""
        with TTFont(self.path, fontNumber=self.index, lazy=True) as font:
            font.setGlyphOrder([str(i) for i in range(font["maxp"].numGlyphs)])  # any names: reading the real ones takes long
            return frozenset(font.getBestCmap())

    @functools.cached_property
    def metrics(self) -> dict[str, tuple[float, float, float]]:
        """Advance, top and bottom of each character relative to the baseline, in units of the size."""
        font = self.at(200)
        boxes = {c: font.getbbox(c, anchor="ls") for c in ALPHABET}
        return {c: (font.getlength(c) / 200, boxes[c][1] / 200, boxes[c][3] / 200) for c in ALPHABET}

    @functools.cached_property
    def twins(self) -> dict[str, frozenset[str]]:
        """For each character, those of the same shape and about the same size: `I` and `l` in many sans faces."""
        return _lookalikes(self, same_size=True)

    @functools.cached_property
    def shapes(self) -> dict[str, frozenset[str]]:
        """For each character, those of the same shape whatever their size: also `c` and `C`, `o` and `0`."""
        return _lookalikes(self, same_size=False)


@functools.cache
def faces() -> tuple[Face, ...]:
    """The installed faces of FAMILIES, one file for each family and style, in a fixed order."""
    return _installed(FAMILIES, STYLES)


@functools.cache
def chinese_faces() -> tuple[Face, ...]:
    """The same of CHINESE_FAMILIES."""
    return _installed(CHINESE_FAMILIES, {*STYLES, "Light"})


def _installed(families: Collection[str], styles: Collection[str]) -> tuple[Face, ...]:
    template = "%{family[0]}|%{style[0]}|%{index}|%{file}\n"
    listing = subprocess.run(["fc-list", "--format", template], capture_output=True, text=True, check=True)
    found = {}
    for line in sorted(listing.stdout.splitlines()):
        family, style, index, path = line.split("|")
        # Above 65,535 is an instance of a variable font.
        if family in families and style in styles and path.endswith((".ttf", ".otf", ".ttc")) and int(index) < 65536:
            found.setdefault((family, style), Face(family, style, path, int(index)))
    return tuple(found.values())


def _lookalikes(face: Face, same_size: bool) -> dict[str, frozenset[str]]:
    font = face.at(96)
    boxes = np.array([font.getbbox(c, anchor="ls") for c in ALPHABET], float)
    sizes = boxes[:, 2:] - boxes[:, :2]
    shapes = []
    for c, box in zip(ALPHABET, boxes):
        glyph = Image.new("L", tuple(int(v) for v in box[2:] - box[:2]))
        ImageDraw.Draw(glyph).text((-box[0], -box[1]), c, fill=255, font=font, anchor="ls")
        shapes.append(np.asarray(glyph.resize((24, 24), Image.Resampling.BOX), float) / 255)
    shapes = np.stack(shapes).reshape(len(ALPHABET), -1)
    ink = shapes.mean(-1)
    apart = np.abs(shapes[:, None] - shapes[None]).mean(-1) / (ink[:, None] + ink[None])  # 0: same, 1: no ink in common
    confused = np.array([[same_size and (a + b in CONFUSED or b + a in CONFUSED) for b in ALPHABET] for a in ALPHABET])
    alike = apart < np.where(confused, 0.3, 0.11)
    ratio = np.abs(np.log(sizes[:, None] / sizes[None]))  # of widths and of heights
    aspect = np.abs(ratio[..., 0] - ratio[..., 1])
    alike &= ((ratio.max(-1) < 0.2) | confused) & (ratio[..., 1] < 0.1) if same_size else aspect < 0.25
    return {c: frozenset(ALPHABET[j] for j in np.flatnonzero(alike[i]) if j != i) for i, c in enumerate(ALPHABET)}
