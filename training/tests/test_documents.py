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
from pagelens_training.documents.document import Document, Heading, Line, Page, Piece, Table
from pagelens_training.documents.examples import CELL_SLOTS, IGNORE, example
from pagelens_training.documents.vocabulary import Vocabulary


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
    original = pillow._faces
    monkeypatch.setattr(pillow, "_faces", lambda *a: seen.append((a[2], original(*a))) or seen[-1][1])
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
    made = example(page, [tasks.Turn("Q?", "A中9", "transcribe", "cer", "zh")], vocabulary, 6)
    assert made.patches.shape == (3, 1024, 588)  # two tiles and a thumbnail
    a, b, nine = CLASS["A"], CLASS["中"], CLASS["9"]
    assert not (made.covers[0] > 0).any() and set(made.covers[1][made.covers[1] > 0]) == {a, b, nine}
    first = made.cell_slots[1][0]  # 28 x 28 pixels from (448, 0)
    assert list(first[:3]) == [a, b, 0] and (first[3:] == IGNORE).all()
    assert list(made.cell_slots[1][32][:2]) == [nine, 0]
    assert made.cell_slots.shape == (3, 256, CELL_SLOTS) and (made.cell_slots[2] > 0).sum() == 3
    said = made.target[made.target != IGNORE]
    assert vocabulary.fast.decode(list(said), skip_special_tokens=False) == "A中9<|im_end|>"
    # Every position predicts the id that comes next.
    known = np.flatnonzero(made.target != IGNORE)
    assert (made.ids[known + 1] == made.target[known]).all()


def test_a_reader_computes_what_transformers_does():
    import torch

    from pagelens_training.model import MEAN, STD
    from pagelens_training.reader import SIZES, Reader, collate
    from pagelens_training.tiles import tiles

    torch.manual_seed(0)
    vocabulary = Vocabulary()
    reader = Reader(SIZES["small"], vocabulary, "mixed").eval()
    random = Random(5)
    page = pillow.render(kinds.build(random, "business_card", "en"), random)
    examples = [example(page, [tasks.turn(random, page)], vocabulary, most) for most in (1, 2)]
    batch = collate(examples, vocabulary.id["<|endoftext|>"])
    with torch.no_grad():
        output = reader(batch)
        reader.model.set_attn_implementation("sdpa")
        pixels = np.concatenate([tiles(page.image, 1, most) for most in (1, 2)])
        pixels = (torch.from_numpy(pixels) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
        logits = reader.model(pixel_values=pixels.permute(0, 3, 1, 2).float(), input_ids=batch.ids).logits
    asked = batch.target != IGNORE
    expected = torch.nn.functional.cross_entropy(logits[asked], batch.target[asked])
    torch.testing.assert_close(output.answer, expected, atol=1e-4, rtol=0)
