"""Generated documents say what their facts say, in their language, and their sums are right."""

import re
from decimal import Decimal
from random import Random

import pytest

from pagelens_training.documents.document import Chart, Document, Heading, Pairs, Paragraph, Piece, Table
from pagelens_training.documents.facts import FACTS, FORMS, LISTS, Values, gb2312
from pagelens_training.documents.kinds import KINDS, _in_words, build
from pagelens_training.documents.sentences import GENERIC, LETTERS, NOTICES

EACH = [(kind, lang) for kind in KINDS for lang in ("en", "zh")]
DOCUMENTS = {(kind, lang): [build(Random(seed), kind, lang) for seed in range(30)] for kind, lang in EACH}
ALL = [document for documents in DOCUMENTS.values() for document in documents]


def pieces(document: Document) -> list[Piece]:
    found = []
    for block in document.blocks:
        match block:
            case Heading(piece):
                found.append(piece)
            case Pairs(items):
                found += [piece for _, piece in items]
            case Table(_, rows):
                found += [piece for row in rows for piece in row]
            case Paragraph(parts):
                found += parts
    return found


def labels(document: Document) -> list[str]:
    pairs = [label for block in document.blocks if isinstance(block, Pairs) for label, _ in block.items]
    return pairs + [label for block in document.blocks if isinstance(block, Table) for label in block.header]


def number(text: str) -> Decimal:
    return abs(Decimal(re.sub(r"[^\d.]", "", text)))


def rows(document: Document, column: str) -> dict[str, Decimal]:
    return {key.partition(":")[2]: number(text) for key, text in document.facts.items() if key.startswith(column + ":")}


def test_all_kinds_are_there():
    names = "receipt invoice letter form id_card table price_list menu timetable notice business_card bar_chart line_chart screenshot"
    assert set(KINDS) == set(names.split())
    assert all(kind.name["en"] and kind.name["zh"] for kind in KINDS.values())
    assert all(d.kind == kind and d.lang == lang and d.blocks and d.facts for (kind, lang), ds in DOCUMENTS.items() for d in ds)


@pytest.mark.parametrize("kind, lang", EACH)
def test_facts_are_what_pieces_state(kind, lang):
    for document in DOCUMENTS[kind, lang]:
        check_facts(document)


def check_facts(document: Document):
    stated = [(piece.key, piece.text) for piece in pieces(document) if piece.key]
    for chart in (block for block in document.blocks if isinstance(block, Chart)):
        assert len(chart.labels) == len(chart.values) and all(value > 0 for value in chart.values)
        stated += [(f"value:{label}", f"{value:g}") for label, value in zip(chart.labels, chart.values)]
    assert len(dict(stated)) == len(stated)
    assert dict(stated) == document.facts
    assert all(piece.text for piece in pieces(document)) and all(text == text.strip() != "" for text in document.facts.values())
    for table in (block for block in document.blocks if isinstance(block, Table)):
        assert table.rows and {len(row) for row in table.rows} == {len(table.header)}
        assert table.right <= set(range(len(table.header)))


def test_absent_facts_are_named_and_not_stated():
    for document in ALL:
        assert document.absent and len(set(document.absent)) == len(document.absent)
        assert not set(document.absent) & document.facts.keys()
        assert all(key.partition(":")[0] in FACTS for key in (*document.facts, *document.absent))
        shown = "\n".join(piece.text for piece in pieces(document)).split("\n")
        assert not any(key.partition(":")[2] in shown for key in document.absent if ":" in key)


def test_a_seed_gives_the_same_document():
    for kind, lang in EACH:
        assert build(Random(7), kind, lang) == DOCUMENTS[kind, lang][7]
    assert build(Random(3)) == build(Random(3)) and len({build(Random(seed)).kind for seed in range(200)}) == len(KINDS)


@pytest.mark.parametrize("kind", ["receipt", "invoice"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_sums_are_right(kind, lang):
    seen = set()
    for document in (build(Random(seed), kind, lang) for seed in range(200)):
        facts, amounts = document.facts, rows(document, "amount")
        quantities, prices = rows(document, "quantity"), rows(document, "price")
        if prices:
            assert amounts == {name: prices[name] * quantities[name] for name in amounts}
        less, tax, total = (number(facts.get(key, "0")) for key in ("discount", "tax", "total"))
        assert total == sum(amounts.values()) - less + tax > 0
        if "subtotal" in facts:
            assert number(facts["subtotal"]) == sum(amounts.values())
        if "tax_rate" in facts:
            assert abs(tax - (sum(amounts.values()) - less) * number(facts["tax_rate"]) / 100) <= Decimal("0.006")
        if "change" in facts:
            assert number(facts["paid"]) - total == number(facts["change"])
        if "amount_in_words" in facts:
            assert facts["amount_in_words"] == _in_words(int(total * 100))
        seen |= facts.keys()
    assert {"subtotal", "discount", "tax", "tax_rate", *(("paid", "change") if kind == "receipt" else ())} <= seen


@pytest.mark.parametrize(
    "cents, text",
    [
        (100, "壹元整"),
        (1005, "壹拾元零伍分"),
        (10050, "壹佰元伍角整"),
        (12345678, "壹拾贰万叁仟肆佰伍拾陆元柒角捌分"),
        (100000500, "壹佰万零伍元整"),
    ],
)
def test_amounts_in_words(cents, text):
    assert _in_words(cents) == text


def test_chinese_keeps_to_gb2312():
    for document in (document for document in ALL if document.lang == "zh"):
        for text in (*labels(document), *(piece.text for piece in pieces(document)), *document.absent):
            assert gb2312(text), text
    assert all(gb2312(text) for topics in (LETTERS, NOTICES, GENERIC) for text in topics["zh"].split())
    assert not gb2312("鑫喆") and gb2312("¥8.00")


def test_english_keeps_to_english_but_for_labels_in_both():
    english = [document for document in ALL if document.lang == "en"]
    foreign = re.compile("[^\x20-\x7e£€°]")
    assert not any(foreign.search("".join(document.facts.values())) for document in english)
    texts = ["".join([*labels(document), *(piece.text for piece in pieces(document))]) for document in english]
    assert 0 < sum(bool(foreign.search(text)) for text in texts) < 0.15 * len(english)


def shape(document: Document) -> tuple:
    """Kinds of blocks, with the columns of tables and the points of charts."""
    sizes = {Table: lambda table: len(table.header), Chart: lambda chart: len(chart.labels)}
    return tuple((type(block), sizes.get(type(block), lambda _: 0)(block)) for block in document.blocks)


@pytest.mark.parametrize("kind, lang", EACH)
def test_shapes_differ(kind, lang):
    assert len({shape(document) for document in DOCUMENTS[kind, lang]}) >= 5
    assert len({(shape(document), *sorted(document.facts)) for document in DOCUMENTS[kind, lang]}) >= 20


def test_the_catalogue_is_complete():
    for key, fact in FACTS.items():
        for lang in ("en", "zh"):
            assert fact.labels[lang] and fact.noun[lang]
            assert all("{row}" in question for question in fact.ask_row[lang])
            assert not any("{" in question for question in fact.ask[lang])
            assert all(question[-1] in "?？" for question in fact.ask[lang] + fact.ask_row[lang]), key
    assert all(len(LISTS["goods"][lang] + LISTS["dish"][lang]) >= 80 for lang in ("en", "zh"))
    assert FORMS.keys() <= FACTS.keys() and all(len(set(names[lang])) == len(names[lang]) for names in LISTS.values() for lang in names)


def test_values_are_in_one_style():
    values = Values(Random(1), "en")
    assert values.money(123456).endswith("1,234.56") and values.money(-5)[0] == "-"
    assert len({values("date") for _ in range(5)}) == 1 and len({values("name") for _ in range(20)}) > 15
    assert values("website").count(values("email").split("@")[1]) == 1
