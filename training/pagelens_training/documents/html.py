"""Documents as web pages set by Chromium: semantic HTML in a design of its kind; its own layout tells where each character is."""

import base64
import colorsys
import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from html import escape
from itertools import count
from random import Random

from PIL import Image
from playwright.sync_api import sync_playwright

from ..draw import log_uniform
from ..fonts import HELD_OUT, chinese_faces, faces
from .document import Block, Chart, Document, Heading, Line, Page, Pairs, Paragraph, Piece, Table

CHROMIUM = "/usr/bin/chromium"
WIDEST, TALLEST, SMALLEST = 1400, 1900, 11  # pixels: page width, page height, type
CONTRAST = 3.5  # at least, of text to what it stands on
LEADER = '<div class="leader"><b>{}</b><hr><span>{}</span></div>'
MONO = re.compile("Mono|Hack|Cousine|Inconsolata|Cursor")
PLACES = {"en": "Home Search Inbox Files Reports Settings Help".split(), "zh": "首页 搜索 消息 文件 报表 设置 帮助".split()}
Colour = tuple[float, float, float]  # red, green, blue from 0 to 1


class Setter:
    """Sets one document: chooses a look, then gives the blocks their HTML."""

    def __init__(self, document: Document, design: "Design", random: Random):
        self.random, self.design, self.lang, self.facts = random, design, document.lang, document.facts
        self.columns, self.width = count(), round(log_uniform(random, *design.widths))
        size = random.uniform(13, 24) if self.chance(0.8) else random.uniform(SMALLEST, 34)
        self.size = round(max(SMALLEST, min(size, self.width / design.ems)), 1)
        self.margin, self.desk, self.centred = random.uniform(*design.margin), self.chance(design.desk), self.chance(design.centred)
        self.ems = self.width / self.size - 2 * self.margin - 3 * self.desk  # between the margins
        self.emphasis, self.end = random.choice(("bold-label", "bold-value", "")), random.choice(("", "", "end"))  # of pairs
        self.pairs_as, self.table_as = (random.choice(ways.split()) for ways in (design.pairs, design.tables))
        self.table_as += random.choice(("", "", " zebra")) + random.choice((" strong", " strong", " filled", " tinted", " lined", " muted"))
        self.printed, self.heads_follow = self.chance(0.65), self.chance(0.8)  # a chart's values; header cells aligned as their columns
        self.heading_as = [self._heading(*sizes) for sizes in ((1.3, 2.6), (1.1, 1.6), (1.0, 1.25))]
        self.paragraph_as = random.choices(("", "text-align:justify", "text-indent:2em"), (6, 2, 6 if self.lang == "zh" else 1))[0]

    def chance(self, p: float) -> bool:
        return self.random.random() < p

    def _heading(self, low: float, high: float) -> str:
        random, where = self.random, "center" if self.centred or self.chance(0.12) else "start"
        look = f"font-size:{random.uniform(low, high):.2f}em;line-height:{random.uniform(1.15, 1.4):.2f};text-align:{where};letter-spacing:"
        look += f"{random.uniform(0.02, 0.18) * self.chance(0.3):.2f}em;font-weight:{random.choice((400, 600, 700, 700, 800))};"
        band, bar = "background:var(--fill);color:var(--on);padding:.2em .5em", "border-left:.25em solid var(--fill);padding-left:.5em"
        decorations = ("", "color:var(--accent)", "font-style:italic", "border-bottom:.1em solid var(--rule)", band, bar)
        return look + random.choices(decorations, (10, 6, 1, 4, 2, 2))[0]

    def page(self, blocks: list[Block]) -> str:
        """The whole document."""
        random, colours = self.random, theme(self.random, self.chance(self.design.coloured))
        colours = {name: "#" + "".join(f"{round(255 * part):02x}" for part in colour) for name, colour in colours.items()}
        look = {f"--{name}": colour for name, colour in colours.items()} | {
            "--gap": f"{random.uniform(0.5, 1.4):.2f}em", "--pad": f"{random.uniform(0.08, 0.5):.2f}em {random.uniform(0.3, 0.9):.2f}em",
            "--round": random.choice(("0", "0", ".2em", ".5em")), "--dots": random.choice(("dotted", "dotted", "dashed", "solid")),
            "--label": colours[random.choice(("ink", "muted", "accent"))], "--number": random.choice(("end", "end", "center", "start")),
            "--margin": f"{self.margin * random.uniform(0.6, 1.2):.2f}em {self.margin:.2f}em",
            "font-family": families(random, self.lang, self.chance(self.design.mono)),
            "font-weight": random.choices((400, 300, 500, 700), (16, 1, 2, 1))[0],
            "line-height": f"{random.uniform(1.35, 2) if self.lang == 'zh' else random.uniform(1.15, 1.8):.2f}",
            "letter-spacing": f"{random.uniform(-0.02, 0.12) * self.chance(0.15):.3f}em",
        }  # fmt: skip
        style = escape(";".join(f"{name}:{value}" for name, value in look.items()))
        main = f'<main lang="{self.lang}" class="{"desk " * self.desk + "centred" * self.centred}" style="{style}">'
        return f'{main}<div class="sheet {random.choice(self.design.sheets)}">{self.design.arrange(self, blocks)}</div></main>'

    def band(self, *columns: str, look: str = "") -> str:
        """Columns side by side, each read to its end before the next."""
        inner = "".join(f'<div class="column" data-column="{next(self.columns)}">{column}</div>' for column in columns)
        return f'<section class="band {look}">{inner}</section>' * any(columns)

    def spread(self, blocks: list[Block], lead: bool, two: bool) -> str:
        """A title across, if wanted, and one column or two."""
        title, parts = divided(blocks, lead, two)
        return self.band(self.blocks(title)) + self.band(*(self.blocks(part, 1 / len(parts)) for part in parts))

    def stacked(self, blocks: list[Block]) -> str:
        return self.spread(blocks, True, self.width > 38 * self.size and self.chance(self.design.halved))

    def invoice(self, blocks: list[Block]) -> str:
        """What stands before the first table in two columns; pairs after it at the right."""
        table = next((i for i, b in enumerate(blocks) if isinstance(b, Table)), len(blocks))
        table -= table > 0 and isinstance(blocks[table - 1], Heading)
        right, head = "right" * self.chance(0.75), self.spread(blocks[:table], self.chance(0.3), self.chance(0.65))
        return head + self.band("".join(self.blocks([b], look=right * isinstance(b, Pairs)) for b in blocks[table:]))

    def card(self, blocks: list[Block]) -> str:
        """A title, perhaps in a band of colour, a photograph or a sign at one side."""
        lead, parts = divided(blocks, self.chance(0.6), self.chance(0.4))
        head = self.band(self.blocks(lead), look=self.random.choice(("", "banner")))
        columns = [self.blocks(part, 0.8 / len(parts)) for part in parts]
        if self.chance(0.6) and len(parts) == 1:
            columns.insert(self.random.randrange(2), f'<i class="{self.random.choice(("photo", "photo", "logo"))}"></i>')
        return head + self.band(*columns)

    def screen(self, blocks: list[Block]) -> str:
        """A window: a bar, perhaps a side bar, and cards."""
        random, (lead, parts) = self.random, divided(blocks, self.chance(0.3), self.ems > 45 and self.chance(0.5))
        bar = self.band('<i class="buttons"></i>' + self.blocks(lead), look="bar " + random.choice(("banner", "")))
        names = "".join(f"<p>{name}</p>" for name in random.sample(PLACES[self.lang], random.randint(3, 7)))
        side = [f'<nav class="{random.choice(("banner", ""))}">{names}</nav>'] * (self.ems > 36 and self.chance(0.6))
        look = random.choice(("paper", "paper", "")) + " tile"
        return bar + self.band(*side, *(self.blocks(part, 0.75 / len(parts), look) for part in parts))

    def blocks(self, blocks: Iterable[Block], share: float = 1, look: str = "") -> str:
        """Blocks one below the other in a share of the width."""
        parts = ((look * (not isinstance(block, Heading)), self.block(block, share * self.ems)) for block in blocks)
        return "".join(f'<div class="block {look}">{inner}</div>' for look, inner in parts)

    def block(self, block: Block, ems: float) -> str:
        match block:
            case Heading(piece, level):
                return f'<h{min(level, 3)} style="{self.heading_as[min(level, 3) - 1]}">{span(piece)}</h{min(level, 3)}>'
            case Paragraph(pieces):
                running = sum(extent(piece.text) for piece in pieces) > 40 and not self.centred
                return f'<p style="{self.paragraph_as if running else ""}">{"".join(map(span, pieces))}</p>'
            case Pairs(items):
                return self.pairs([(escape(label), span(piece)) for label, piece in items])
            case _:
                return self.table(block) if isinstance(block, Table) else self.chart(block, ems)

    def pairs(self, items: list[tuple[str, str]]) -> str:
        form = self.pairs_as if self.chance(0.85) else self.random.choice(self.design.pairs.split())
        across = self.random.choice((1, 2, 2, 3)) if len(items) > 2 else 1
        if form == "inline":
            inner = "".join(f"<p><b>{label}</b> {value}</p>" for label, value in items)
        elif form == "leaders":
            inner = "".join(LEADER.format(*item) for item in items)
        elif form == "grid":
            cells = [f"{'<tr>' * (i % across == 0)}<th>{label}</th><td>{value}</td>" for i, (label, value) in enumerate(items)]
            inner = f'<table class="cells grid">{"".join(cells)}</table>'
        else:
            inner = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in items)
            inner = f'<dl class="{self.end if form in ("split", "ruled") else ""}" style="--across:{across}">{inner}</dl>'
        return f'<div class="pairs {form} {self.emphasis}">{inner}</div>'

    def table(self, block: Table) -> str:
        if self.table_as.startswith("leaders") and len(block.header) == 2:
            head = LEADER.format(*map(escape, block.header)) * any(block.header)
            return head + "".join(LEADER.format(*map(span, row)) for row in block.rows)
        number = ["number" * (i in block.right) for i in range(len(block.header))]
        head = "".join(f'<th class="{name * self.heads_follow}">{escape(text)}</th>' for name, text in zip(number, block.header))
        cell = '<td class="{} {}">{}</td>'
        body = ("".join(cell.format(n, "whole" * (extent(p.text) < 8), span(p)) for n, p in zip(number, row)) for row in block.rows)
        head = f"<thead><tr>{head}</tr></thead>" * any(block.header)
        return f'<table class="cells {self.table_as}">{head}<tbody><tr>{"<tr>".join(body)}</tbody></table>'

    def chart(self, block: Chart, ems: float) -> str:
        """Bars or a line as SVG in sixteenths of an em; lying bars where labels are long."""
        random, bars, font, texts = self.random, block.form == "bar", self.random.uniform(14, 17), [f"{v:.10g}" for v in block.values]
        keys = [f"value:{name}" if self.facts.get(f"value:{name}") == text else None for name, text in zip(block.labels, texts)]
        widest, wide = 1.15 * font * max(map(extent, (*block.labels, *texts))), 16 * max(14, min(ems, 50)) * random.uniform(0.75, 1)
        if bars and (widest * len(texts) > wide or self.chance(0.2)):
            cells = zip(block.labels, block.values, map(span, map(Piece, texts, keys)))
            bar = '<dt>{}</dt><dd><u style="width:{:.1f}%"></u>{}</dd>'
            return f'<dl class="lying">{"".join(bar.format(escape(n), 70 * v / (max(block.values) or 1), t) for n, v, t in cells)}</dl>'
        axis = not self.printed or self.chance(0.4)
        ticks = scale(block.values, from_zero=bars or self.chance(0.5))
        left = font * (1 + max(extent(f"{t:.10g}") for t in ticks)) * axis
        slot, height = max(widest, (wide - left) / len(texts)), min(wide * random.uniform(0.35, 0.6), 400)
        heights = [2 * font + height * (ticks[-1] - v) / (ticks[-1] - ticks[0]) for v in (*block.values, *ticks)]
        places = [(left + slot * (i + 0.5), y) for i, y in enumerate(heights[: len(texts)])]
        marks = [(x, height + 3.3 * font, "middle", escape(name)) for (x, _), name in zip(places, block.labels)]
        marks += [(x, y - font / 2, "middle", span(Piece(t, k), "tspan")) for (x, y), t, k in zip(places, texts, keys) if self.printed]
        marks += [(left - font / 2, y + font * 0.35, "end", f"{t:.10g}") for t, y in zip(ticks, heights[len(texts) :]) if axis]
        width, foot = left + slot * len(texts), height + 2 * font
        shapes = [f'<path d="M{left:.1f} {y:.1f}H{width:.1f}"/>' for y in heights[len(texts) :][: len(ticks) if axis else 1]]
        shapes += [f'<path class="box" d="M{x - slot / 3:.1f} {foot:.1f}V{y:.1f}h{slot / 1.5:.1f}V{foot:.1f}"/>' for x, y in places if bars]
        shapes += [] if bars else [f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>']
        shapes += [f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in marks]
        look = f"width:{width / 16:.2f}em;min-width:{width / 24:.2f}em;--font:{font:.2f}px"
        return f'<svg viewBox="0 0 {width:.1f} {height + 4 * font:.1f}" style="{look}">{"".join(shapes)}</svg>'


def span(piece: Piece, tag: str = "span") -> str:
    """A piece's text, marked with its fact."""
    return f'<{tag} data-key="{escape(piece.key)}">{escape(piece.text)}</{tag}>' if piece.key else escape(piece.text)


def divided(blocks: list[Block], lead: bool, two: bool) -> tuple[list[Block], list[list[Block]]]:
    """Leading headings, if wanted, and one or two columns of about the same length, no heading at the foot of the first."""
    first = next((i for i, b in enumerate(blocks) if not isinstance(b, Heading)), len(blocks)) if lead else 0
    rest, lengths = blocks[first:], [len(str(b)) for b in blocks[first:]]
    cuts = [i for i in range(1, len(rest)) if two and sum(lengths) > 400 and not isinstance(rest[i - 1], Heading)]
    cut = min(cuts, key=lambda i: abs(sum(lengths[:i]) - sum(lengths[i:])), default=0)
    return blocks[:first], [rest[:cut], rest[cut:]] if cut else [rest]


def extent(text: str) -> float:
    """About how many ems a text is wide."""
    return sum(1 if ord(c) > 0x2E80 else 0.62 for c in text)


def scale(values: Iterable[float], from_zero: bool) -> list[float]:
    """Round numbers at equal steps around the values."""
    low, high = (min(0, *values), max(0, *values)) if from_zero else (min(values), max(values))
    rough = (high - low or abs(high) or 1) / 4
    step = next(step for m in (1, 2, 5, 10) if (step := m * 10 ** math.floor(math.log10(rough))) >= rough * 0.999)
    first = math.floor(low / step)
    return [i * step for i in range(first, max(math.ceil(high / step), first + 1) + 1)]


def families(random: Random, lang: str, mono: bool) -> str:
    """A stack of typefaces; Chinese text sometimes has its Latin from another one."""
    stack = []
    for script in [faces] * (lang == "en" or random.random() < 0.35) + [chinese_faces] * (lang == "zh"):
        known = {face.family for face in script()} - HELD_OUT
        stack.append(random.choice(sorted(family for family in known if mono == bool(MONO.search(family)))))
    return ",".join(f"'{name}'" for name in (*stack, "DejaVu Sans", "Noto Sans CJK SC"))


def contrast(a: Colour, b: Colour) -> float:
    """WCAG's contrast ratio."""
    linear = ([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour] for colour in (a, b))
    dark, light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (light + 0.05) / (dark + 0.05)


def theme(random: Random, coloured: bool) -> dict[str, Colour]:
    """Paper and its tint; ink, muted and accent for text on both; a fill and the colour of text on it; rules."""

    def any_colour(low: float, high: float, vivid: float) -> Colour:
        return colorsys.hls_to_rgb(random.random(), min(1, random.uniform(low, high)), random.uniform(0, vivid))

    def mix(a: Colour, b: Colour, part: float) -> Colour:
        return tuple(x + (y - x) * part for x, y in zip(a, b))

    def legible(ratio: float, grounds: list[Colour], colour: Callable[[], Colour]) -> Colour:
        tries = [(min(contrast(c, ground) for ground in grounds), c) for c in (*(colour() for _ in range(24)), (0.0,) * 3, (1.0,) * 3)]
        return next((c for worst, c in tries if worst >= ratio), max(tries)[1])

    paper = any_colour(*random.choice(((0.05, 0.25), (0.2, 0.8), (0.7, 0.95)) if coloured else ((0.93, 1.05),)), 0.8)
    grounds = [paper, mix(paper, any_colour(0, 1, 1), random.uniform(0.05, 0.12))]
    ink = legible(random.choice((4.5, 7, 7)), grounds, lambda: any_colour(0, 1, 0.4))
    fill = legible(1.7, [paper], lambda: any_colour(0.15, 0.85, 1))
    return {
        "paper": paper, "tint": grounds[1], "ink": ink, "fill": fill, "rule": mix(paper, ink, random.uniform(0.15, 0.9)),
        "muted": legible(CONTRAST, grounds, lambda: mix(ink, paper, random.uniform(0, 0.5))),
        "accent": legible(CONTRAST, grounds, lambda: any_colour(0.1, 0.9, 1)),
        "on": legible(CONTRAST, [fill], lambda: random.choice(((1.0,) * 3, any_colour(0, 1, 0.3)))),
    }  # fmt: skip


@dataclass(frozen=True)
class Design:
    """How pages of a kind look: where blocks go, the range of widths, fewest ems across, ways to set pairs and tables, chances."""

    arrange: Callable[[Setter, list[Block]], str]
    widths: tuple[int, int]
    ems: int
    pairs: str
    tables: str = "every every rules rules outer heads bare"
    margin: tuple[float, float] = (1.2, 4)
    coloured: float = 0.15  # the paper is not nearly white
    centred: float = 0.1
    mono: float = 0.06
    desk: float = 0.15  # the sheet lies on something
    halved: float = 0.0  # two columns, where there is room
    sheets: tuple[str, ...] = ("", "", "framed")


DESIGNS = {  # by a word in the kind's name
    "receipt": Design(Setter.stacked, (360, 620), 18, "split split ruled leaders inline", "bare bare dashes heads", (0.6, 1.6),
                      0.05, 0.4, mono=0.6, desk=0.3, sheets=("cut", "cut", "")),
    "invoice": Design(Setter.invoice, (560, 1300), 30, "split split ruled inline grid above"),
    "letter": Design(Setter.stacked, (560, 1200), 32, "inline inline split", margin=(2.5, 6), coloured=0.08, centred=0.04),
    "card": Design(Setter.card, (360, 800), 19, "split split inline above", "bare rules", (0.8, 2), 0.6, desk=0.4, sheets=("card",)),
    "screen": Design(Setter.screen, (420, 1400), 24, "split ruled above above boxes beside", desk=0, sheets=("window",)),
    "menu": Design(Setter.stacked, (400, 1200), 22, "leaders leaders split ruled", "leaders bare dashes", (1.5, 4), 0.35, 0.5, halved=0.7),
    "table": Design(Setter.stacked, (500, 1400), 30, "split inline inline", "every every every rules outer heads", (0.8, 3)),
    "notice": Design(Setter.stacked, (400, 1200), 20, "inline inline split", margin=(1.5, 5), coloured=0.35, centred=0.5),
    "": Design(Setter.stacked, (420, 1400), 24, "split ruled inline inline grid above leaders boxes beside", halved=0.5),
}  # fmt: skip

STYLE = """
* { margin: 0; padding: 0; box-sizing: border-box; font: inherit; letter-spacing: inherit; border-spacing: 0; border-collapse: collapse }
main { position: absolute; top: 0; left: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word }
.desk { background: var(--tint); padding: 1.5em } .desk > .sheet { box-shadow: 0 .1em .5em #0004; border-radius: var(--round) }
.sheet, .paper { background: var(--paper); padding: var(--margin) } .card { border-radius: .6em }
.framed { border: .12em solid var(--rule) } .band { display: flex; column-gap: calc(2 * var(--gap)) } .column { flex: 1 1 0 }
.column:has(> nav, > .photo, > .logo) { flex: none } .band + .band, .block + .block, .buttons + * { margin-top: var(--gap) }
p + p { margin-top: .3em } i { display: block } .cut .block + .block { border-top: .08em dashed var(--rule); padding-top: var(--gap) }
.whole, th, dt { white-space: nowrap } .centred p { text-align: center } .right { width: fit-content; min-width: 45%; margin-left: auto }
.banner { background: var(--fill); color: var(--on); padding: .4em .8em } .banner * { color: inherit !important }
.window { padding: 0; background: var(--tint) } .window > .band { margin: 0; gap: 0 } .column:has(.tile) { padding: var(--gap) }
.bar { border-bottom: .06em solid var(--rule); padding: .3em .8em } nav { height: 100%; padding: .7em 1.2em; line-height: 2 }
.tile { padding: var(--gap); border: .06em solid var(--rule); border-radius: var(--round) }
.buttons { width: .8em; height: .8em; border-radius: 50%; background: #e66; box-shadow: 1.3em 0 #db4, 2.6em 0 #6b6 }
.logo { width: 2.5em; height: 2.5em; background: var(--fill) } .zebra tr:nth-child(even) { background: var(--tint) }
.photo { width: 6em; height: 8em; background: radial-gradient(circle at 50% 38%, #888 24%, #0000 25%),
  radial-gradient(circle at 50% 105%, #888 40%, #ccc 41%) }
.pairs :is(th, dt, b) { color: var(--label) } .bold-label :is(th, dt, b), .strong th, .bold-value :is(td, dd, span) { font-weight: 700 }
dl { display: grid; gap: .3em 1.2em; grid-template-columns: auto 1fr; align-items: baseline } dl > div { display: contents }
.ruled > dl { gap: 0 } .ruled :is(dt, dd) { border-bottom: .06em solid var(--rule); padding: .25em 1em .25em 0 } .end dd { text-align: end }
:is(.above, .boxes) > dl { grid-template-columns: repeat(var(--across), 1fr); row-gap: .7em } :is(.above, .boxes) dt { font-size: .85em }
:is(.above, .boxes) dl > div { display: block } :is(.boxes, .beside) dd { border: .08em solid var(--rule); padding: .2em .5em }
.leader { display: flex; align-items: baseline; column-gap: .4em } .leader > :last-child { text-align: end }
.leader > b { min-width: fit-content } .leader > hr { flex: 1 0 1em; border: 0; border-bottom: .1em var(--dots) var(--rule) }
.cells { width: 100% } .cells :is(td, th) { text-align: start; vertical-align: baseline; padding: var(--pad) }
.cells .number { text-align: var(--number); white-space: nowrap } .rules tr { border-bottom: .07em solid var(--rule) }
:is(.every, .grid) :is(td, th) { border: .07em solid var(--rule) } .dashes tr { border-bottom: .08em dashed var(--rule) }
.outer { border: .12em solid var(--rule) } .heads :is(thead, tbody) { border-bottom: .12em solid var(--rule) }
.muted th { color: var(--muted) } .filled th { background: var(--fill); color: var(--on) } .tinted thead { background: var(--tint) }
.box { fill: var(--fill) } svg { display: block; max-width: 100%; margin: auto; fill: none; stroke: var(--fill); stroke-width: 2px }
text { font-size: var(--font); fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke }
path { stroke: var(--rule); stroke-width: 1px } .lined th { border-bottom: .12em solid var(--ink) } .lying > dd { white-space: nowrap }
u { display: inline-block; height: .9em; background: var(--fill); vertical-align: -.1em; margin-right: .4em }
"""

# Sets the page, smaller and wider until it fits; gives its rows, by column and height, of runs of characters: text, boxes, facts.
LAYOUT = """
([html, width, size, widest, tallest, smallest]) => {
  document.body.innerHTML = html
  const main = document.body.firstChild, boxes = [main, ...main.querySelectorAll(".column, .sheet, .tile")]
  for (;;) {
    Object.assign(main.style, { width: width + "px", fontSize: size + "px" })
    if (boxes.every(box => box.scrollWidth <= box.clientWidth + 1) && main.offsetHeight <= tallest) break
    if (size <= smallest && width >= widest) return null;
    [size, width] = [Math.max(smallest, size * 0.94), Math.min(widest, Math.round(width * 1.03))]
  }
  const pen = window.pen ??= document.createElement("canvas").getContext("2d"), known = window.known ??= new Map()
  if (known.size > 50000) known.clear()
  const runs = [], range = document.createRange(), walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT)
  let run = null, index = 0
  for (let node; node = walker.nextNode(); index = 0) {
    const parent = node.parentElement, style = getComputedStyle(parent), svg = parent.closest("text")
    const em = parseFloat(style.fontSize) * (svg?.getScreenCTM().a ?? 1), spacing = Math.max(0, parseFloat(style.letterSpacing) || 0)
    const face = `${style.fontStyle} ${style.fontWeight} ${em}px ${style.fontFamily}`
    const key = parent.closest("[data-key]")?.dataset.key, column = +parent.closest("[data-column]").dataset.column
    let cell = svg ?? parent
    while (getComputedStyle(cell).display === "inline") cell = cell.parentElement
    for (const char of node.data) {
      range.setStart(node, index), range.setEnd(node, index += char.length)
      const space = !char.trim(), rect = [...range.getClientRects()].findLast(rect => rect.width > 0 || !space)
      if (!rect) continue
      if (!known.has(face + char)) pen.font = face, known.set(face + char, pen.measureText(space ? "x" : char))
      const ink = known.get(face + char), base = rect.top + ink.fontBoundingBoxAscent
      if (run?.cell !== cell || Math.abs(base - run.base) > em / 3 || rect.left < run.right - em)
        runs.push(run = { cell, column, em, base, middle: base - 0.35 * em, left: rect.left, text: "", boxes: [], facts: [] })
      if (!space && ink.actualBoundingBoxAscent + ink.actualBoundingBoxDescent <= 0) return null
      const top = base - ink.actualBoundingBoxAscent, bottom = base + ink.actualBoundingBoxDescent, last = run.facts.at(-1)
      const count = run.boxes.push([rect.left, top, run.right = rect.right - spacing, bottom])
      run.text += space ? " " : char
      if (key && !space) last?.[2] === key ? last[1] = count : run.facts.push([count - 1, count, key])
    }
  }
  const rows = [], level = (a, b) => Math.abs(a.middle - b.middle) < Math.max(a.em, b.em) / 2
  for (const run of runs.sort((a, b) => a.column - b.column || a.middle - b.middle)) {
    const beside = row => row.every(other => run.left > other.right - 1 || run.right < other.left + 1)
    const row = rows.slice(-3).findLast(row => row[0].column === run.column && row.some(other => level(run, other)) && beside(row))
    row ? row.push(run) : rows.push([run])
  }
  return [width, main.offsetHeight, rows.map(row => row.sort((a, b) => a.left - b.left).map(run => [run.text, run.boxes, run.facts]))]
}
"""


class Browser:
    """Chromium with one page kept open; use it as a context."""

    def __enter__(self) -> "Browser":
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        self.page = self._chromium.new_page(viewport={"width": WIDEST, "height": TALLEST}, offline=True)
        self.page.set_content(f"<!doctype html><style>{STYLE}</style><body>")
        self._session = self.page.context.new_cdp_session(self.page)
        return self

    def __exit__(self, *_: object) -> None:
        self._chromium.close()
        self._playwright.stop()

    def render(self, document: Document, random: Random) -> Page:
        """A picture of the document and where everything stands; `ValueError` where it does not fit or a typeface lacks a glyph.

        What only a chart's axis hints at is no fact of the page's document.
        """
        design = next(design for word, design in DESIGNS.items() if word in document.kind)
        setter = Setter(document, DESIGNS[random.choice(("", "screen"))] if random.random() < 0.12 else design, random)
        look = [setter.page(list(document.blocks)), setter.width, setter.size, WIDEST, TALLEST, SMALLEST]
        if (laid := self.page.evaluate(LAYOUT, look)) is None:
            raise ValueError(f"a {document.kind} cannot be set like this")
        rows = [[Line(text, [tuple(b) for b in boxes], [tuple(f) for f in facts]) for text, boxes, facts in row] for row in laid[2]]
        stated = {key for row in rows for line in row for *_, key in line.facts}
        facts = {key: value for key, value in document.facts.items() if not key.startswith("value:") or key in stated}
        return Page(self.picture(*laid[:2]), replace(document, facts=facts), rows)

    def picture(self, width: int, height: int) -> Image.Image:
        """The page as it is shown now."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._session.send("Page.captureScreenshot", {"format": "png", "clip": clip, "optimizeForSpeed": True})
        return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
