"""Pages say what their documents state, at the places they claim; effects move the boxes with the picture; questions have right answers."""

import json
import re
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pagelens_training import fonts
from pagelens_training.documents import effects, kinds, pillow, tasks
from pagelens_training.documents.characters import CLASS
from pagelens_training.documents.document import Document, Heading, Line, Page, Pairs, Piece, Table
from pagelens_training.documents.examples import BEFORE, IN_PATCH, TOKEN_SLOTS, example, legible_tiles
from pagelens_training.documents.vocabulary import IGNORE, Vocabulary


def plain(text: str) -> str:
    return re.sub(r"[\s:：]", "", text)


@pytest.mark.parametrize("kind", kinds.KINDS)
@pytest.mark.parametrize("lang", ("en", "zh"))
def test_a_page_shows_what_its_document_states(kind, lang):
    for seed in range(3):
        random = Random(f"{kind} {lang} {seed}")
        document = kinds.build(random, kind, lang)
        page = pillow.render(document, random)
        # Nothing is left out and nothing added but colons.
        assert sorted(plain("".join(document.texts()))) == sorted(plain(page.transcript))
        ground = np.asarray(page.image)[0, 0].astype(int)
        for key, value in document.facts.items():
            said = "".join(line.text[a:b] for row in page.rows for line in row for a, b, named in line.facts if named == key)
            assert plain(said) == plain(value), key
            for x0, y0, x1, y1 in page.places(key):
                assert 0 <= x0 < x1 <= page.image.width and 0 <= y0 < y1 <= page.image.height
                inside = np.asarray(page.image.crop((int(x0), int(y0), int(x1) + 1, int(y1) + 1))).astype(int)
                assert (np.abs(inside - inside[0, 0]).max() > 60) or (np.abs(inside - ground).max() > 60), key


def test_held_out_typefaces_are_not_trained_on(monkeypatch):
    seen = []
    original = pillow.typefaces
    monkeypatch.setattr(pillow, "typefaces", lambda *a: seen.append((a[2], original(*a))) or seen[-1][1])
    for seed in range(12):
        random = Random(seed)
        pillow.render(kinds.build(random), random, held_out=seed % 2 == 1)
    assert {held_out for held_out, _ in seen} == {True, False}
    for held_out, (body, bold, _) in seen:
        assert (body.family in fonts.HELD_OUT) == (bold.family in fonts.HELD_OUT) == held_out


def marked(size=(600, 800), box=(220, 300, 260, 330)) -> Page:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="black")
    document = Document("receipt", "en", (Heading(Piece("X", "total")),), {"total": "X"}, ("date",))
    return Page(image, document, [[Line("X", [box], [(0, 1, "total")])]])


def test_boxes_move_with_the_picture():
    for seed in range(20):
        random = Random(seed)
        page = marked()
        move = effects.camera if seed % 2 else effects.scanner
        moved = effects.warp(page, *move(page, random, 1.0), Random(2))  # a seed with a light ground
        dark = np.asarray(moved.image).max(-1) < 20
        ys, xs = np.nonzero(dark)
        assert len(xs) > 600
        found = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.abs(np.array(moved.rows[0][0].box()) - found).max() < 2.5


def test_effects_repeat_with_the_seed():
    a, b = (effects.photograph(marked(), Random(9)) for _ in range(2))
    assert a.image.tobytes() == b.image.tobytes() and a.rows[0][0].boxes == b.rows[0][0].boxes


def test_questions_have_right_answers():
    page, random = marked(), Random(1)
    assert tasks.field(random, page, "en").answer == "X"
    assert tasks.missing(random, page, "zh").answer == tasks.NOT_STATED["zh"]
    located = tasks.locate(random, page, "en")
    assert located.answer.endswith("<box>[[367, 375, 433, 412]]</box>") and located.metric == "iou"
    assert tasks.read_place(random, page, "en").answer == "X"
    assert tasks.describe(random, page, "en").answer == "A receipt." and tasks.describe(random, page, "zh").answer == "收据。"
    rows = ((Piece("Tea", "a"), Piece("2 | 3")), (Piece("Milk"), Piece("")))
    table = Page(page.image, Document("table", "en", (Table(("Item", "Price"), rows),), {"date": "May", "total": "3"}), page.rows)
    assert tasks.markdown(random, table, "en").answer == "| Item | Price |\n| --- | --- |\n| Tea | 2 \\| 3 |\n| Milk |  |"
    assert tasks.count(random, table, "en").answer == "2"
    assert json.loads(tasks.as_json(random, table, "zh").answer) == {"date": "May", "total": "3"}


def test_turns_of_every_task_are_drawn():
    random, seen = Random(3), set()
    for _ in range(40):
        page = pillow.render(kinds.build(random), random)
        for _ in range(15):
            turn = tasks.turn(random, page)
            assert turn.question and turn.answer and len(turn.answer) <= tasks.MOST_CHARACTERS
            seen.add(turn.kind)
    assert seen == {"field", "missing", "stated", "transcribe", "locate", "region", "markdown", "json", "describe", "count"}


def test_labels_lie_where_the_characters_are():
    vocabulary = Vocabulary()
    boxes = [(452, 14, 466, 34), (466, 14, 480, 34), (452, 60, 466, 80)]  # two in one line, one below, in the second of two tiles
    page = Page(Image.new("RGB", (896, 448), "white"), Document("table", "zh", (), {}), [[Line("A中", boxes[:2])], [Line("9", boxes[2:])]])
    made = example(page, [tasks.Turn("Q?", "A中9", "transcribe", "cer", "zh")], vocabulary, 6, Random(0), 1.0)
    assert [tile.patches.shape for tile in made.tiles] == 3 * [(256, 4, 588)]  # two tiles and a thumbnail
    a, b, nine = CLASS["A"], CLASS["中"], CLASS["9"]
    over = [set(tile.characters[..., 0].ravel()) - {0} for tile in made.tiles]
    assert over == [set(), {a, b, nine}, {a, nine}]  # in the thumbnail 中 covers no centre
    first = made.tiles[1].tokens[0]  # 28 x 28 pixels from (448, 0)
    ids = [vocabulary.encode(text)[0] for text in ("A", "中", "9")]
    free, none = IGNORE, vocabulary.none
    blank = [free, free, none, free, free, none, free, free]  # what is before; the left patch; the right one
    assert first.tolist() == blank + [free, free, ids[0], none, free, ids[1], none, free]
    assert made.tiles[1].tokens[32].tolist() == blank + [free, free, ids[2], none, free, none, free, free]
    assert sum(int(np.isin(tile.tokens, ids).sum()) for tile in made.tiles) == 6
    said = made.target[made.target != IGNORE]
    assert vocabulary.fast.decode(list(said), skip_special_tokens=False) == "A中9<|im_end|>"
    # Every position predicts the id that comes next, and without gaps where every cell is there.
    known = np.flatnonzero(made.target != IGNORE)
    assert (made.ids[known + 1] == made.target[known]).all()
    assert (made.positions == np.arange(len(made.ids))).all()

    # Most of the two blank tiles is left out; what is kept stays in its place.
    part = example(page, [], vocabulary, 6, Random(0), 0.0)
    assert [len(tile.cells) for tile in part.tiles] == [8, 14, 17] and {0, 32} <= set(part.tiles[1].cells)
    cells = np.concatenate([tile.cells + 256 * k for k, tile in enumerate(part.tiles)])
    where = part.ids == vocabulary.id["<IMG_CONTEXT>"]
    assert (part.positions[where] == len(vocabulary.before) + cells).all()
    for whole, tile in zip(made.tiles, part.tiles):
        for name in ("patches", "characters", "tokens"):
            assert (getattr(whole, name)[tile.cells] == getattr(tile, name)).all()


def crowded(cell: np.ndarray, none: int) -> bool:
    """Whether more may begin in one of a cell's patches than it has slots for."""
    patches = cell.reshape(2, -1)[:, BEFORE:].reshape(4, IN_PATCH)
    return bool(((patches != IGNORE) & (patches != none)).all(1).any())


def test_answers_stand_where_the_page_says_them():
    vocabulary, random = Vocabulary(), Random(5)
    seen = dict.fromkeys(("field", "transcribe", "region", "markdown", "json", "locate", "question", "label"), 0)
    newline = vocabulary.encode("\n")[0]
    for _ in range(20):
        page = pillow.render(kinds.build(random), random)
        for turn in filter(None, (task(random, page, page.document.lang) for task in tasks.WEIGHTS)):
            made = example(page, [turn], vocabulary, 6, random, 0.05)
            tokens = np.concatenate([tile.tokens for tile in made.tiles])  # of every cell in the ids' order
            first = int(np.flatnonzero(made.ids == vocabulary.id["<IMG_CONTEXT>"])[0])
            for token, said, places in zip(made.ids[1:], made.target != IGNORE, made.sources[1:]):
                cells = [tokens[place - first] for place in places if place >= 0]
                kind = turn.kind if said else "label" if token == newline else "question"
                if cells:
                    seen[kind] = seen.get(kind, 0) + 1
                # Coordinates are read off where a thing stands, and not printed there.
                if cells and kind not in ("locate", "label"):
                    assert any(token in cell or crowded(cell, vocabulary.none) for cell in cells)
    assert len(seen) == 8 and min(seen.values()) > 20


def test_labels_lead_to_facts():
    random, seen = Random(7), {"pair": 0, "row": 0}
    for _ in range(20):
        page = pillow.render(kinds.build(random, lang="en"), random)
        lines = [line for row in page.rows for line in row]
        labels = {piece.key: label for block in page.document.blocks if isinstance(block, Pairs) for label, piece in block.items}
        for key in page.document.facts:
            thing = key.partition(":")[2]
            if (box := page.label(key)) and (label := thing or labels.get(key)):
                (line,) = (line for line in lines if box in line.boxes)
                assert line.text.startswith(label), (key, label, line.text)
                seen["row" if thing else "pair"] += 1
    assert min(seen.values()) > 20


def test_a_page_is_cut_until_it_can_be_read():
    page = marked((600, 800), (220, 300, 260, 318))  # 18 pixels of 800
    assert legible_tiles(page, 6) == [1, 2, 3, 4, 5, 6]
    page = marked((600, 1800), (220, 300, 260, 318))
    assert legible_tiles(page, 6) == [3, 4, 5, 6] and legible_tiles(page, 2) == []


def test_a_reader_computes_what_transformers_does():
    import torch

    from pagelens_training.model import MEAN, STD
    from pagelens_training.reader import SIZES, Reader, collate
    from pagelens_training.tiles import tiles

    torch.manual_seed(0)
    vocabulary = Vocabulary()
    reader = Reader(SIZES["small"], vocabulary).eval()
    random = Random(5)
    page = pillow.render(kinds.build(random, "business_card", "en"), random)
    examples = [example(page, [tasks.turn(random, page)], vocabulary, most, random, 1.0) for most in (1, 2)]
    batch = collate(examples)
    with torch.no_grad():
        output = reader(batch)
        reader.model.set_attn_implementation("sdpa")
        logits = []
        for most, ids in zip((1, 2), batch.ids.split(batch.conversations)):
            pixels = (torch.from_numpy(tiles(page.image, 1, most)) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
            logits.append(reader.model(pixel_values=pixels.permute(0, 3, 1, 2).float(), input_ids=ids[None]).logits[0])
    asked = batch.target != IGNORE
    expected = torch.nn.functional.cross_entropy(torch.cat(logits)[asked], batch.target[asked])
    torch.testing.assert_close(output.answer, expected, atol=1e-4, rtol=0)


def test_tiles_of_unequal_numbers_of_cells_find_their_places():
    import torch

    from pagelens_training.reader import SIZES, Reader, collate

    torch.manual_seed(0)
    vocabulary, random = Vocabulary(), Random(6)
    reader = Reader(SIZES["small"], vocabulary).eval()
    pages = [pillow.render(kinds.build(random, kind, "en"), random) for kind in ("receipt", "business_card")]
    examples = [example(page, [tasks.turn(random, page)], vocabulary, 3, random, 0.0) for page in pages]
    assert len({len(tile.cells) for e in examples for tile in e.tiles}) > 1
    with torch.no_grad():
        together = reader(collate(examples))
        apart = [reader(collate([e])) for e in examples]
    weights = torch.tensor([(e.target != IGNORE).sum() for e in examples])
    expected = (torch.stack([o.answer for o in apart]) * weights).sum() / weights.sum()
    torch.testing.assert_close(together.answer, expected, atol=1e-4, rtol=0)


def test_what_heads_name_is_counted_by_kind_and_height():
    import torch

    from pagelens_training import named
    from pagelens_training.reader import SIZES, Reader

    torch.manual_seed(0)
    vocabulary = Vocabulary()
    reader = Reader(SIZES["small"], vocabulary).eval()
    reader.tokens.named = lambda image: torch.full((len(image), TOKEN_SLOTS), vocabulary.encode("e")[0])
    counts = named.named(reader, vocabulary, Random(1), "en", 2)
    right = {kind for _, kind, hit in counts if hit}
    assert right == {"letter"} and {height for height, _, _ in counts} <= set(named.HEIGHTS)
    share = sum(n for (_, _, hit), n in counts.items() if hit) / sum(counts.values())
    assert 0.02 < share < 0.2, "about as many as there are of this letter"
    assert [named.kind(text) for text in "7eé$中。"] == ["digit", "letter", "letter", "sign", "Chinese", "sign"]
