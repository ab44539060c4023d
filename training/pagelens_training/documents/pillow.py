"""Sets a document with Pillow: one column of blocks on a sheet, each block in one of several styles."""

import functools
import math
import re
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from ..draw import log_uniform
from ..fonts import HELD_OUT, Face, chinese_faces, faces
from .document import Chart, Document, Heading, Line, Page, Pairs, Paragraph, Piece, Table

TALLEST = 1900
BREAKS = re.compile(r"[^\s\u2e80-\u9fff\uff00-\uffef]+[，。、：；！？）》]*|[\u2e80-\u9fff\uff00-\uffef][，。、：；！？）》]*|\s+")
WIDTHS = {"receipt": (300, 620), "id_card": (480, 1000), "business_card": (480, 1000), "notice": (500, 1200)}
Colour = tuple[int, int, int]


class TooTall(ValueError):
    """The document does not fit on a page in this style."""


@dataclass
class Type:
    """A face at a size, another for what it lacks, and an ink."""

    face: Face
    spare: Face
    size: int
    ink: Colour

    def larger(self, factor: float) -> "Type":
        """The same type at another size."""
        return Type(self.face, self.spare, max(9, round(self.size * factor)), self.ink)

    def of(self, character: str) -> Face:
        """The face that has the character."""
        return self.face if _drawn(self.face, character) else self.spare

    def width(self, text: str) -> float:
        """Of a line, in pixels."""
        return sum(_advance(self.of(c), self.size, c) for c in text)

    def fitting(self, text: str, width: float) -> str:
        """The longest beginning of the text that is no wider."""
        for end, c in enumerate(text):
            width -= _advance(self.of(c), self.size, c)
            if width < 0:
                return text[:end]
        return text


@functools.cache
def _drawn(face: Face, character: str) -> bool:
    """Whether the face has the character and, unless it is a space, something to show for it."""
    box = face.at(40).getbbox(character)
    return ord(character) in face.characters and (character.isspace() or box[3] > box[1])


@functools.lru_cache(200_000)
def _advance(face: Face, size: int, character: str) -> float:
    return face.at(size).getlength(character)


@functools.lru_cache(200_000)
def _ink(face: Face, size: int, character: str) -> tuple[int, int]:
    box = face.at(size).getbbox(character, anchor="ls")
    return box[1], box[3]


class Sheet:
    """A column that is filled from the top."""

    def __init__(self, random: Random, width: int, margin: int, type_: Type, ground: Colour):
        self.random, self.width, self.margin, self.type = random, width, margin, type_
        self.image = Image.new("RGB", (width, TALLEST), ground)
        self.draw = ImageDraw.Draw(self.image)
        self.rows: list[list[Line]] = []
        self.y = float(margin)
        self.leading = random.uniform(1.2, 1.7)
        self.ground = ground
        self.rule = tuple((3 * g + i) // 4 for g, i in zip(ground, type_.ink))

    @property
    def room(self) -> int:
        """Width between the margins."""
        return self.width - 2 * self.margin

    def down(self, by: float) -> None:
        """Moves the pen."""
        self.y += by
        if self.y > TALLEST - self.margin:
            raise TooTall

    def line(self, x: float, baseline: float, pieces: list[tuple[str, str | None]], type_: Type) -> Line:
        """Sets a line and returns it with its boxes; it joins no row yet."""
        line = Line("", [])
        for text, key in pieces:
            start = len(line.text)
            for c in text:
                face = type_.of(c)
                right = x + _advance(face, type_.size, c)
                top, bottom = _ink(face, type_.size, c)
                if not c.isspace():
                    self.draw.text((round(x), round(baseline)), c, fill=type_.ink, font=face.at(type_.size), anchor="ls")
                line.boxes.append((x, baseline + top, right, baseline + bottom))
                x = right
            line.text += text
            if key and text.strip():
                line.facts.append((start, len(line.text), key))
        return line

    def broken(self, pieces: list[tuple[str, str | None]], type_: Type, width: float) -> list[list[tuple[str, str | None]]]:
        """The pieces as lines no wider than `width`, a word that is wider than that cut where it must be."""
        lines: list[list[tuple[str, str | None]]] = [[]]
        used = 0.0
        for text, key in pieces:
            for token in BREAKS.findall(text):
                for part in [token] if type_.width(token) <= width else token:
                    advance = type_.width(part)
                    if used + advance > width and used > 0 and not part.isspace():
                        lines.append([])
                        used = 0.0
                    if used == 0 and part.isspace():
                        continue
                    lines[-1].append((part, key))
                    used += advance
        return [_joined(line) for line in lines if line]

    def lines(self, x: float, width: float, pieces: list[tuple[str, str | None]], type_: Type, align: str = "left") -> list[Line]:
        """Sets pieces from the pen downwards without moving it; `align` is left, centre or right."""
        done = []
        for i, parts in enumerate(self.broken(pieces, type_, width)):
            spare = width - type_.width("".join(text for text, _ in parts))
            at = x + {"left": 0, "centre": spare / 2, "right": spare}[align]
            done.append(self.line(at, self.y + (i * self.leading + 0.95) * type_.size, parts, type_))
        return done

    def height(self, lines: int, type_: Type) -> float:
        """Of so many lines."""
        return lines * self.leading * type_.size

    def columns(self, cells: list[tuple[float, float, list[tuple[str, str | None]], Type, str]]) -> None:
        """Cells (x, width, pieces, type, align) side by side: a row for each line, and the pen below the longest."""
        done = [self.lines(*cell) for cell in cells]
        longest = max(map(len, done))
        if self.y + self.height(longest, self.type) > TALLEST - self.margin:
            raise TooTall
        self.rows += [[lines[i] for lines in done if i < len(lines)] for i in range(longest)]
        self.down(max(self.height(len(lines), cell[3]) for lines, cell in zip(done, cells)))


def _joined(parts: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Neighbours of one key as one, without the space at the end."""
    joined: list[tuple[str, str | None]] = []
    for text, key in parts:
        if joined and joined[-1][1] == key:
            joined[-1] = (joined[-1][0] + text, key)
        else:
            joined.append((text, key))
    joined[-1] = (joined[-1][0].rstrip(), joined[-1][1])
    return [part for part in joined if part[0]]


def _parts(*pieces: Piece) -> list[tuple[str, str | None]]:
    return [(piece.text, piece.key) for piece in pieces]


class Style:
    """How the blocks of one document look; each method sets one block."""

    def __init__(self, random: Random, document: Document):
        self.random = random
        self.title_align = random.choice(("left", "centre", "centre"))
        self.title_scale = random.uniform(1.2, 2.2)
        self.pairs_style = random.choice(("inline", "columns", "ends", "above", "boxed", "inline"))
        self.colon = random.choice(("：", ":", " :", "")) if document.lang == "zh" else random.choice((":", ":", ""))
        self.table_style = random.choice(("grid", "rules", "zebra", "header", "bare"))
        self.gap = random.uniform(0.4, 1.6)
        self.bold_labels = random.random() < 0.3

    def heading(self, sheet: Sheet, block: Heading, bold: Type) -> None:
        """A title or a section's name."""
        scale = self.title_scale if block.level == 1 else 1 + (self.title_scale - 1) / 3
        align = self.title_align if block.level == 1 else "left"
        type_ = bold.larger(scale)
        lines = sheet.lines(sheet.margin, sheet.room, _parts(block.piece), type_, align)
        sheet.rows += [[line] for line in lines]
        sheet.down(sheet.height(len(lines), type_))

    def pairs(self, sheet: Sheet, block: Pairs, bold: Type) -> None:
        """Labels and values."""
        type_ = sheet.type
        label_type = bold if self.bold_labels else type_
        labels = [label + self.colon if label and label[-1] not in ":：" else label for label, _ in block.items]
        widest = min(max(map(label_type.width, labels)), 0.5 * sheet.room)
        for label, (_, value) in zip(labels, block.items):
            parts, x, room = _parts(value), sheet.margin, sheet.room
            if not label:
                sheet.columns([(x, room, parts, type_, "left")])
            elif self.pairs_style == "inline":
                space = "" if label.endswith("：") else " "
                sheet.columns([(x, room, [(label + space, None), *parts], type_, "left")])
            elif self.pairs_style == "columns":
                second = widest + 1.2 * type_.size
                cells = [(x, widest + 1, [(label, None)], label_type, "left"), (x + second, room - second, parts, type_, "left")]
                sheet.columns(cells)
            elif self.pairs_style == "ends":
                wanted = min(type_.width(value.text) + 1, 0.6 * room)
                left = min(label_type.width(label) + 1, room - wanted - type_.size)
                if left < 4 * type_.size:
                    raise TooTall
                cells = [(x, left, [(label, None)], label_type, "left"), (x + room - wanted, wanted, parts, type_, "right")]
                sheet.columns(cells)
            else:
                small = label_type.larger(0.75)
                sheet.columns([(x, room, [(label, None)], small, "left")])
                top = sheet.y
                inset = 0.3 * type_.size if self.pairs_style == "boxed" else 0
                sheet.down(inset)
                sheet.columns([(x + inset, room - 2 * inset, parts, type_, "left")])
                if inset:
                    sheet.draw.rectangle((x - inset, top, x + room, sheet.y), outline=sheet.rule)
                sheet.down(0.4 * type_.size)

    def table(self, sheet: Sheet, block: Table, bold: Type) -> None:
        """Rows of cells; type shrinks until the columns fit."""
        padding = self.random.uniform(0.4, 1.0)
        columns = [[Piece(head), *(row[i] for row in block.rows)] for i, head in enumerate(block.header)]
        for factor in (1, 0.9, 0.8, 0.7):
            type_, head = sheet.type.larger(factor), bold.larger(factor)
            if type_.size < 10:
                break
            wanted = [max(head.width(p.text) if i == 0 else type_.width(p.text) for i, p in enumerate(c)) for c in columns]
            gaps = 2 * padding * type_.size
            if sum(wanted) + gaps * len(columns) <= sheet.room:
                break
        else:
            raise TooTall
        extra = sheet.room - sum(wanted) - gaps * len(columns)
        if extra < 0:
            raise TooTall
        stretch = self.random.random() < 0.7
        widths = [w + gaps + (extra / len(columns) if stretch else 0) for w in wanted]
        edges = [sheet.margin + sum(widths[:i]) for i in range(len(widths) + 1)]
        tops = []
        for n, row in enumerate([tuple(map(Piece, block.header)), *block.rows]):
            if not any(piece.text for piece in row):
                continue
            tops.append(sheet.y)
            lead = 0.25 * type_.size if self.table_style in ("grid", "rules", "zebra") else 0.0
            height = sheet.leading * type_.size + lead
            if (self.table_style == "zebra" and n % 2) or (n == 0 and self.table_style in ("zebra", "header")):
                tint = tuple((9 * g + r) // 10 for g, r in zip(sheet.ground, sheet.rule)) if n else _between(sheet.ground, sheet.rule)
                sheet.draw.rectangle((edges[0], sheet.y, edges[-1], sheet.y + height), fill=tint)
            sheet.down(lead / 2)
            cells = []
            for i, piece in enumerate(row):
                if piece.text:
                    align = "right" if i in block.right else "left"
                    inner = widths[i] - gaps + 1
                    cells.append((edges[i] + gaps / 2 - 0.5, inner, _parts(piece), head if n == 0 else type_, align))
            sheet.columns(cells)
            sheet.y = tops[-1] + height
        tops.append(sheet.y)
        if self.table_style in ("grid", "rules"):
            for y in tops:
                sheet.draw.line((edges[0], y, edges[-1], y), fill=sheet.rule)
        if self.table_style == "grid":
            for x in edges:
                sheet.draw.line((x, tops[0], x, tops[-1]), fill=sheet.rule)

    def paragraph(self, sheet: Sheet, block: Paragraph) -> None:
        """Running text."""
        pieces = _parts(*block.pieces)
        lines = sheet.lines(sheet.margin, sheet.room, pieces, sheet.type)
        sheet.down(sheet.height(len(lines), sheet.type))
        sheet.rows += [[line] for line in lines]

    def chart(self, sheet: Sheet, block: Chart) -> None:
        """Bars or a line over labels, the values printed at each point."""
        type_ = sheet.type.larger(0.85)
        height = sheet.room * self.random.uniform(0.4, 0.75)
        top, bottom = sheet.y + 1.5 * type_.size, sheet.y + height
        sheet.down(height + 2 * type_.size)
        step = sheet.room / len(block.labels)
        high = max(block.values) * self.random.uniform(1.0, 1.3)
        colour = tuple(self.random.randrange(40, 190) for _ in range(3))
        sheet.draw.line((sheet.margin, bottom, sheet.margin + sheet.room, bottom), fill=sheet.rule)
        points, labels, values = [], [], []
        for i, (label, value) in enumerate(zip(block.labels, block.values)):
            middle, y = sheet.margin + (i + 0.5) * step, bottom - (bottom - top) * value / high
            points.append((middle, y))
            printed = f"{value:g}"
            if max(type_.width(label), type_.width(printed)) > step:
                raise TooTall
            if block.form == "bar":
                sheet.draw.rectangle((middle - 0.3 * step, y, middle + 0.3 * step, bottom), fill=colour)
            values.append(sheet.line(middle - type_.width(printed) / 2, y - 0.35 * type_.size, [(printed, f"value:{label}")], type_))
            labels.append(sheet.line(middle - type_.width(label) / 2, bottom + 1.2 * type_.size, [(label, None)], type_))
        if block.form == "line":
            sheet.draw.line(points, fill=colour, width=max(2, type_.size // 8))
        sheet.rows += [[line] for line in sorted(values, key=lambda line: line.boxes[0][1])] if block.form == "line" else [values]
        sheet.rows.append(labels)


def _between(a: Colour, b: Colour) -> Colour:
    return tuple((p + q) // 2 for p, q in zip(a, b))


def colours(random: Random) -> tuple[Colour, Colour]:
    """Paper and ink, at least 110 levels apart; dark grounds now and then."""
    if random.random() < 0.5:
        return (255, 255, 255), (0, 0, 0)
    ground, ink = tuple(random.randrange(205, 256) for _ in range(3)), tuple(random.randrange(0, 95) for _ in range(3))
    return (ink, ground) if random.random() < 0.08 else (ground, ink)


def typefaces(random: Random, lang: str, held_out: bool) -> tuple[Face, Face, Face]:
    """For the text, for what stands out, and for what both lack."""
    spare = next(f for f in chinese_faces() if f.family == "Noto Sans CJK SC" and f.style == "Regular")
    known = [f for f in (chinese_faces() if lang == "zh" else faces()) if (f.family in HELD_OUT) == held_out]
    body = random.choices(known, [f.weight for f in known])[0]
    bold = next((f for f in known if f.family == body.family and "Bold" in f.style and "Italic" not in f.style), body)
    return body, random.choice((bold, body, random.choice(known))), spare


def render(document: Document, random: Random, held_out: bool = False) -> Page:
    """A picture of the document and where everything stands; `held_out` takes typefaces that training never sees.

    Raises `TooTall` where no style was found in which it fits.
    """
    for attempt in range(8):
        try:
            return _render(document, random, 0.85**attempt, held_out)
        except TooTall:
            continue
    raise TooTall(f"a {document.kind} does not fit on a page")


def _render(document: Document, random: Random, scale: float, held_out: bool) -> Page:
    narrow, wide = WIDTHS.get(document.kind, (560, 1300))
    width = int(log_uniform(random, narrow, wide))
    ground, ink = colours(random)
    body, bold, spare = typefaces(random, document.lang, held_out)
    size = max(10, int(log_uniform(random, 13, min(44, width / 16)) * scale))
    type_ = Type(body, spare, size, ink)
    emphasis = Type(bold, spare, size, ink if random.random() < 0.7 else tuple(c * 2 // 3 for c in ink))
    sheet = Sheet(random, width, int(random.uniform(0.03, 0.1) * width), type_, ground)
    style = Style(random, document)
    for block in document.blocks:
        match block:
            case Heading():
                style.heading(sheet, block, emphasis)
            case Pairs():
                style.pairs(sheet, block, emphasis)
            case Table():
                style.table(sheet, block, emphasis)
            case Paragraph():
                style.paragraph(sheet, block)
            case Chart():
                style.chart(sheet, block)
        sheet.down(style.gap * size)
        if random.random() < 0.1:
            sheet.draw.line((sheet.margin, sheet.y, width - sheet.margin, sheet.y), fill=sheet.rule)
            sheet.down(style.gap * size)
    height = min(TALLEST, math.ceil(sheet.y + sheet.margin))
    return Page(sheet.image.crop((0, 0, width, height)), document, sheet.rows)
