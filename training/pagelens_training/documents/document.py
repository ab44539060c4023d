"""What a document says, before it has a look, and what a picture of it shows, with the box of every character."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the picture


@dataclass(frozen=True)
class Piece:
    """A text that is set as one. `key` names the fact it states, a key of `Document.facts`."""

    text: str
    key: str | None = None


@dataclass(frozen=True)
class Heading:
    """A line that stands out; level 1 is the document's title."""

    piece: Piece
    level: int = 1


@dataclass(frozen=True)
class Pairs:
    """Labels, each with its value."""

    items: tuple[tuple[str, Piece], ...]


@dataclass(frozen=True)
class Table:
    """A header and rows of cells; columns named in `right` are numbers, aligned right."""

    header: tuple[str, ...]
    rows: tuple[tuple[Piece, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Paragraph:
    """Running text, broken into lines as its width asks. `pieces` are set one after the other."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Chart:
    """Values by label: `bar` or `line`."""

    form: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


Block = Heading | Pairs | Table | Paragraph | Chart


@dataclass(frozen=True)
class Document:
    """What a document says.

    `facts` maps a key to its value exactly as printed; `absent` names keys a document of this kind might state and this one
    does not. `lang` is `en` or `zh`; `kind` a key of `kinds.KINDS`.
    """

    kind: str
    lang: str
    blocks: tuple[Block, ...]
    facts: dict[str, str]
    absent: tuple[str, ...] = ()

    def texts(self) -> Iterator[str]:
        """Everything it says, piece by piece."""
        for block in self.blocks:
            match block:
                case Heading(piece):
                    yield piece.text
                case Pairs(items):
                    for label, piece in items:
                        yield from (label, piece.text)
                case Table(header, rows):
                    yield from header
                    yield from (piece.text for row in rows for piece in row)
                case Paragraph(pieces):
                    yield "".join(piece.text for piece in pieces)
                case Chart(_, labels, values):
                    yield from labels
                    yield from (f"{value:g}" for value in values)


@dataclass
class Line:
    """A run of text set on one baseline: a box for each character, spaces included, and which stretch states which fact."""

    text: str
    boxes: list[Box]
    facts: list[tuple[int, int, str]] = field(default_factory=list)  # start, end, key

    def inked(self, start: int = 0, end: int | None = None) -> list[Box]:
        """The boxes of the characters `start..end`, without spaces."""
        return [box for c, box in zip(self.text[start:end], self.boxes[start:end]) if not c.isspace()]

    def box(self, start: int = 0, end: int | None = None) -> Box:
        """Encloses the characters `start..end`, spaces at its ends left out."""
        lefts, tops, rights, bottoms = zip(*self.inked(start, end))
        return min(lefts), min(tops), max(rights), max(bottoms)


@dataclass
class Page:
    """A picture of a document. `lines` stand in reading order; those of one `row` share a height on the page."""

    image: Image.Image
    document: Document
    rows: list[list[Line]]

    @property
    def transcript(self) -> str:
        """All text: rows as lines, the runs of a row joined by a space."""
        return "\n".join(" ".join(line.text for line in row) for row in self.rows)

    def stretches(self, key: str) -> list[tuple[Line, int, int]]:
        """Where a fact is stated: for each line it takes, from which character to which."""
        return [(line, start, end) for row in self.rows for line in row for start, end, named in line.facts if named == key]

    def places(self, key: str) -> list[Box]:
        """Where a fact is stated: a box for each line it takes."""
        return [line.box(start, end) for line, start, end in self.stretches(key)]

    def label(self, key: str) -> Box | None:
        """Where the last character stands of what says which fact a value is: the name of the thing of which it is a fact, in its
        row or anywhere; or what precedes it in its line or its row."""
        _, _, thing = key.partition(":")
        for row in self.rows:
            for i, line in enumerate(row):
                for start in (start for start, _, named in line.facts if named == key):
                    if thing:
                        called = [*(other for other in row if other.text.startswith(thing)), self.single().get(thing)]
                        runs = [other.inked() for other in called if other]
                    else:
                        runs = [line.inked(0, start), *(other.inked() for other in row[:i][-1:])]
                    return next((run[-1] for run in runs if run), None)
        return None

    def single(self) -> dict[str, Line]:
        """The lines whose text stands nowhere else, by that text."""
        lines = [line for row in self.rows for line in row]
        count = Counter(line.text.strip() for line in lines)
        return {line.text.strip(): line for line in lines if count[line.text.strip()] == 1}
