"""Pages set by Chromium: every character is where its box is, and is read in the order of the page."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("playwright", reason="pages are set through playwright, which is not installed")

from pagelens_training.documents import html
from pagelens_training.documents.document import Chart, Document, Heading, Pairs, Paragraph, Piece, Table

pytestmark = pytest.mark.skipif(not Path(html.CHROMIUM).exists(), reason=f"there is no browser at {html.CHROMIUM}")

ENGLISH = Document(
    "invoice",
    "en",
    (
        Heading(Piece("Riverside Hardware Ltd.", "seller")),
        Pairs((("Invoice No.:", Piece("INV-20391", "invoice_number")), ("Address:", Piece("12 Long Quay, Bristol BS1 4QT", "address")))),
        Heading(Piece("Bought & paid"), 2),
        Table(
            ("Item", "Qty", "Amount"),
            ((Piece("Oil <XL>"), Piece("3"), Piece("13.50", "amount:Oil")), (Piece("Hook"), Piece("1"), Piece("1,089.00", "amount:Hook"))),
            frozenset({1, 2}),
        ),
        Paragraph(
            (
                Piece("Please settle this  invoice by\n"),
                Piece("30 April 2023", "due_date"),
                Piece(", quoting the number above; otherwise we charge interest."),
            )
        ),
        Heading(Piece("Figures"), 3),
        Chart("bar", ("Jan", "Feb", "Mar"), (12.0, 30.0, 7.5)),
        Chart("line", ("Mon", "Tue", "Wed", "Thu"), (103.0, 101.0, 104.0, 101.5)),
    ),
    {"seller": "Riverside Hardware Ltd.", "invoice_number": "INV-20391", "address": "12 Long Quay, Bristol BS1 4QT"}
    | {"amount:Oil": "13.50", "amount:Hook": "1,089.00", "due_date": "30 April 2023", "value:Jan": "12"},
)
CHINESE = Document(
    "发票",
    "zh",
    (
        Heading(Piece("杭州晨光文具有限公司", "seller")),
        Pairs((("发票号码：", Piece("04417283", "invoice_number")), ("地址：", Piece("浙江省杭州市文三路158号A座", "address")))),
        Heading(Piece("商品明细"), 2),
        Table(
            ("品名", "数量", "金额"),
            (
                (Piece("牛皮纸袋（大号）"), Piece("3"), Piece("¥13.50", "amount:纸袋")),
                (Piece("中性笔"), Piece("12"), Piece("¥24.00", "amount:笔")),
            ),
            frozenset({1, 2}),
        ),
        Paragraph((Piece("感谢惠顾。请于"), Piece("2023年4月30日", "due_date"), Piece("前付款，并注明上述号码；逾期将收取利息。"))),
        Heading(Piece("统计"), 3),
        Chart("bar", ("一季度", "二季度", "三季度"), (12.0, 30.0, 7.5)),
        Chart("line", ("周一", "周二", "周三", "周四"), (103.0, 101.0, 104.0, 101.5)),
    ),
    {"seller": "杭州晨光文具有限公司", "invoice_number": "04417283", "address": "浙江省杭州市文三路158号A座"}
    | {"amount:纸袋": "¥13.50", "amount:笔": "¥24.00", "due_date": "2023年4月30日", "value:一季度": "12"},
)
KINDS = ("receipt", "invoice", "letter", "id_card", "screenshot", "menu", "timetable", "notice", "form")
CASES = [(kind, document, seed) for kind in KINDS for document in (ENGLISH, CHINESE) for seed in range(2)]


@pytest.fixture(scope="module")
def browser():
    with html.Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(browser):
    """Each case's page, and where its text is: how much a pixel changes when the text takes the paper's colour."""
    done = []
    for kind, document, seed in CASES:
        page = browser.render(replace(document, kind=kind), Random(f"{kind} {document.lang} {seed}"))
        browser.page.evaluate("document.body.append(Object.assign(document.createElement('style'), { textContent: "
                              "'* { color: transparent !important } text { fill: var(--paper) !important }' }))")  # fmt: skip
        blank = browser.picture(*page.image.size)
        done.append((page, np.abs(np.asarray(page.image, int) - np.asarray(blank, int)).max(-1)))
    return done


def lines(page):
    return [line for row in page.rows for line in row]


def squeezed(text):
    return "".join(text.split())


def around(box, margin):
    left, top, right, bottom = box
    return slice(max(0, int(top - margin)), int(np.ceil(bottom + margin))), slice(max(0, int(left - margin)), int(np.ceil(right + margin)))


def test_every_box_has_ink_and_no_ink_is_elsewhere(pages):
    for page, ink in pages:
        outside = ink.copy()
        for line in lines(page):
            assert len(line.text) == len(line.boxes)
            for character, box in zip(line.text, line.boxes):
                if not character.isspace():
                    assert ink[around(box, 0.5)].max() > 60, (page.document.kind, line.text, character, box)
                outside[around(box, 2)] = 0
        assert outside.sum() < 0.01 * ink.sum(), page.document.kind


def test_boxes_are_as_high_as_the_ink(pages):
    for page, ink in pages:
        for line in lines(page):
            left, top, right, bottom = line.box()
            inked = np.flatnonzero((ink[around((left, top - 4, right, bottom + 4), 0)] > 60).any(1)) + max(0, int(top - 4))
            # Not higher than the ink; that no ink lies outside of the boxes is another test.
            near = max(3, 0.1 * (bottom - top))
            assert inked[0] - top < near and bottom - inked[-1] - 1 < near, (page.document.kind, line.text)


def test_lines_lie_on_the_page_and_not_on_each_other(pages):
    for page, _ in pages:
        boxes = [line.box() for line in lines(page)]
        width, height = page.image.size
        assert all(b[0] >= 0 and b[1] >= 0 and b[2] <= width and b[3] <= height for b in boxes) and height <= html.TALLEST
        for a, b in combinations(boxes, 2):
            assert min(a[2], b[2]) - max(a[0], b[0]) < 2 or min(a[3], b[3]) - max(a[1], b[1]) < 2, (page.document.kind, a, b)


def test_the_transcript_holds_every_text_once(pages):
    for page, _ in pages:
        said, texts = squeezed(page.transcript), [squeezed(text) for text in texts_of(page.document)]
        for block in page.document.blocks:
            if isinstance(block, Heading | Paragraph):  # of the others, what is broken alternates with what stands beside it
                assert said.count(squeezed("".join(texts_of(replace(page.document, blocks=(block,)))))) == 1, (page.document.kind, said)
        characters, expected = Counter(said), Counter("".join(texts))
        assert not expected - characters, (page.document.kind, expected - characters)
        added = "0123456789.-" + "".join(html.PLACES[page.document.lang])  # by axes and side bars
        assert not set(characters - expected) - set(added), (page.document.kind, characters - expected)


def texts_of(document):
    for block in document.blocks:
        match block:
            case Heading(piece, _):
                yield piece.text
            case Paragraph(pieces):
                yield from (piece.text for piece in pieces)
            case Pairs(items):
                yield from (text for label, piece in items for text in (label, piece.text))
            case Table(header, rows, _):
                yield from header
                yield from (piece.text for row in rows for piece in row)
            case Chart(_, labels, _):
                yield from labels


def test_white_space_is_as_displayed(pages):
    for page, _ in pages:
        assert "  " not in page.transcript and all(line.text == line.text.strip() for line in lines(page))
        if page.document.lang == "en":
            assert "settle this invoice by 30 April 2023, quoting" in " ".join(page.transcript.split())


def test_facts_are_where_they_are_stated(pages):
    charted = 0
    for page, _ in pages:
        for key, value in page.document.facts.items():
            places = page.places(key)
            text = "".join(line.text[start:end] for line in lines(page) for start, end, named in line.facts if named == key)
            assert places and squeezed(text) == squeezed(value), (page.document.kind, key, text)
        charted += any(key.startswith("value:") for key in page.document.facts)
    assert 0 < charted < len(pages)  # where a chart has only an axis, its values are no facts


def test_rows_of_a_table_are_rows(pages):
    for page, _ in pages:
        rows = [" ".join(line.text for line in row) for row in page.rows]
        for row in next(block for block in page.document.blocks if isinstance(block, Table)).rows:
            name, *cells = (piece.text for piece in row)
            assert any(all(cell in said.split() for cell in cells) and name[:3] in said for said in rows), (page.document.kind, name)


def test_the_same_seed_gives_the_same_page(browser):
    for document in (ENGLISH, CHINESE):
        first = browser.render(document, Random(5))
        browser.render(CHINESE, Random(6))
        again = browser.render(document, Random(5))
        assert first.rows == again.rows and np.array_equal(np.asarray(first.image), np.asarray(again.image))


def test_columns_are_read_one_after_the_other(browser):
    says = "paragraph says something that takes several lines when it is set in a narrow column."
    texts = [f"{number} {says}" for number in ("First", "Second", "Third", "Fourth")]
    document = Document("article", "en", (Heading(Piece("Title")), *(Paragraph((Piece(text),)) for text in texts)), {})
    side_by_side = 0
    for seed in range(12):
        page = browser.render(document, Random(seed))
        assert " ".join(texts) in " ".join(page.transcript.split()), page.transcript
        tops = [line.boxes[0][1] for line in lines(page)]
        side_by_side += any(b < a - 20 for a, b in zip(tops, tops[1:]))
    assert side_by_side


def test_what_is_too_long_is_set_smaller_or_refused(browser):
    sentence = Piece("The quick brown fox jumps over the lazy dog and then sleeps for the whole afternoon. ")
    page = browser.render(Document("letter", "en", tuple(Paragraph((sentence,) * 4) for _ in range(10)), {}), Random(1))
    assert page.image.height <= html.TALLEST and page.transcript.count("quick") == 40
    with pytest.raises(ValueError):
        browser.render(Document("letter", "en", tuple(Paragraph((sentence,) * 9) for _ in range(60)), {}), Random(1))


def test_what_cannot_be_seen_is_refused(browser):
    with pytest.raises(ValueError):
        browser.render(Document("notice", "en", (Heading(Piece("Open\u200bed")),), {}), Random(1))


def test_text_is_legible():
    for seed in range(300):
        colours = html.theme(Random(seed), seed % 2 == 0)
        for ink in ("ink", "muted", "accent"):
            assert min(html.contrast(colours[ink], colours[ground]) for ground in ("paper", "tint")) >= html.CONTRAST
        assert html.contrast(colours["on"], colours["fill"]) >= html.CONTRAST
