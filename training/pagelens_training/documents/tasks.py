"""What can be asked about a page, and the right answer. Questions and answers come in both languages for the same picture."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .document import Box, Line, Page, Table
from .facts import FACTS
from .kinds import KINDS

NOT_STATED = {"en": "Not stated.", "zh": "未注明。"}
MOST_CHARACTERS = 900  # of an answer


@dataclass(frozen=True)
class Turn:
    """A question about the conversation's picture. `metric` and `kind` are those of `pagelens eval`."""

    question: str
    answer: str
    kind: str
    metric: str
    lang: str
    places: tuple[Box | None, ...] = ()  # where each character of the answer stands on the page, if it does; empty if none does
    label: Box | None = None  # where the page says that what follows is what was asked for


def turn(random: Random, page: Page, weights: "dict[Task, float] | None" = None) -> Turn:
    """One question of any kind that fits the page; `weights` says how often each is asked."""
    weights = weights or WEIGHTS
    while True:
        lang = page.document.lang if random.random() < 0.75 else random.choice(("en", "zh"))
        task = random.choices(tuple(weights), tuple(weights.values()))[0]
        asked = task(random, page, lang)
        if asked is not None and len(asked.answer) <= MOST_CHARACTERS:
            return asked


def noun(key: str, lang: str) -> str:
    """A fact's name in questions: `price:Green tea` is the price of Green tea."""
    base, _, of = key.partition(":")
    name = FACTS[base].noun[lang]
    if not of:
        return name
    return f"{name} of {of}" if lang == "en" else f"{of}的{name}"


def ask(random: Random, key: str, lang: str) -> str:
    base, _, row = key.partition(":")
    fact = FACTS[base]
    own = [template.replace("{row}", row) for template in (fact.ask_row if row else fact.ask).get(lang, ())]
    general = {
        "en": ("What is the {}?", "What is the {}?", "Tell me the {}.", "{}?"),
        "zh": ("{}是什么？", "{}是多少？", "请告诉我{}。", "{}？"),
    }[lang]
    if own and random.random() < 0.5:
        return random.choice(own)
    return random.choice(general).replace("{}", noun(key, lang))


def stands(page: Page, key: str) -> list[Box]:
    """The boxes of a fact's characters, without spaces, wherever it is stated."""
    return [box for line, start, end in page.stretches(key) for box in line.inked(start, end)]


def placed(answer: str, boxes: list[Box], start: int = 0, end: int | None = None) -> tuple[Box | None, ...]:
    """`Turn.places` of an answer of which `start..end` is copied from these characters, or the first of them."""
    left = iter(boxes)
    copied = range(len(answer))[start:end]
    return tuple(next(left, None) if i in copied and not c.isspace() else None for i, c in enumerate(answer))


def quoted(question: str, lines: dict[str, Line]) -> tuple[Box | None, ...]:
    """Where each character of the longest of these lines that the question quotes stands."""
    longest = max((text for text in lines if len(text) > 2 and text in question), key=len, default=None)
    if longest is None:
        return (None,) * len(question)
    at = question.index(longest)
    return placed(question, lines[longest].inked(), at, at + len(longest))


def joined(*places: tuple[Box | None, ...]) -> tuple[Box | None, ...]:
    """Those of an answer of which several parts are copied."""
    return tuple(next((box for box in boxes if box), None) for boxes in zip(*places))


def field(random: Random, page: Page, lang: str) -> Turn | None:
    """A fact's value."""
    if not page.document.facts:
        return None
    key = random.choice(tuple(page.document.facts))
    answer = page.document.facts[key]
    return Turn(ask(random, key, lang), answer, "field", "exact", lang, placed(answer, stands(page, key)), page.label(key))


def missing(random: Random, page: Page, lang: str) -> Turn | None:
    """A fact the document does not state."""
    if not page.document.absent:
        return None
    key = random.choice(page.document.absent)
    return Turn(ask(random, key, lang), NOT_STATED[lang], "missing", "exact", lang)


def stated(random: Random, page: Page, lang: str) -> Turn | None:
    """Whether it states a fact, or whether the fact is this: yes or no."""
    facts, absent = page.document.facts, page.document.absent
    known = [key for key in facts if ":" not in key]
    if not known or not absent:
        return None
    yes = random.random() < 0.5
    if random.random() < 0.5:
        name = noun(random.choice(known if yes else absent), lang)
        question = {"en": f"Does it state the {name}?", "zh": f"上面写了{name}吗？"}[lang]
    else:
        key = random.choice(known)
        value = facts[key]
        others = [v for k, v in facts.items() if v != value and len(v) < 40]
        if not yes and not others:
            return None
        shown = value if yes else random.choice(others)
        question = {"en": f"Is the {noun(key, lang)} {shown}?", "zh": f"{noun(key, lang)}是{shown}吗？"}[lang]
    answer = {"en": ("No.", "Yes."), "zh": ("否。", "是。")}[lang][yes]
    return Turn(question, answer, "stated", "exact", lang)


def transcribe(random: Random, page: Page, lang: str) -> Turn | None:
    """All text, or its first lines where that is too much."""
    question = {
        "en": ("Read all the text.", "Transcribe this page.", "What does it say?"),
        "zh": ("读出全部文字。", "图里写的是什么？", "请转写这一页。"),
    }
    text, boxes = page.transcript, [box for row in page.rows for line in row for box in line.inked()]
    if len(text) <= MOST_CHARACTERS:
        return Turn(random.choice(question[lang]), text, "transcribe", "cer", lang, placed(text, boxes))
    count = random.randint(1, 6)
    first = "\n".join(text.split("\n")[:count])
    return Turn(
        {"en": f"Read the first {count} lines.", "zh": f"读出前{count}行。"}[lang], first, "transcribe", "cer", lang, placed(first, boxes)
    )


def locate(random: Random, page: Page, lang: str) -> Turn | None:
    """Where a fact, or a line of text, stands."""
    keys = [key for key in page.document.facts if len(page.places(key)) == 1]
    if keys and random.random() < 0.6:
        key = random.choice(keys)
        name, boxes, copied, label = noun(key, lang), page.places(key), stands(page, key), page.label(key)
    else:
        single = [(text, line) for text, line in page.single().items() if 2 <= len(text) <= 40]
        if not single:
            return None
        name, line = random.choice(single)
        boxes, copied, label = [line.box()], line.inked(), None
    width, height = page.image.size
    places = [[_thousandth(v, side) for v, side in zip(box, (width, height, width, height))] for box in boxes]
    question = {"en": f"Where is <ref>{name}</ref>?", "zh": f"<ref>{name}</ref>在哪里？"}[lang]
    answer = f"<ref>{name}</ref><box>{json.dumps(places)}</box>"
    # The left and the top are read off where it begins, the right and the bottom off where it ends.
    begin, end = answer.rindex("[["), answer.rindex("]]")
    middle = answer.rindex(",", begin, answer.rindex(","))
    pointed = tuple(copied[0 if i < middle else -1] if begin <= i < end and c != " " else None for i, c in enumerate(answer))
    return Turn(question, answer, "locate", "iou", lang, pointed, label)


def _thousandth(value: float, side: int) -> int:
    return min(1000, max(0, round(1000 * value / side)))


def read_place(random: Random, page: Page, lang: str) -> Turn | None:
    """The text in a box."""
    line = random.choice([line for row in page.rows for line in row if line.text.strip()])
    width, height = page.image.size
    box = [_thousandth(v, side) for v, side in zip(line.box(), (width, height, width, height))]
    question = {"en": f"Read the text in <box>{json.dumps([box])}</box>.", "zh": f"读出<box>{json.dumps([box])}</box>中的文字。"}[lang]
    return Turn(question, line.text.strip(), "region", "cer", lang, placed(line.text.strip(), line.inked()))


def markdown(random: Random, page: Page, lang: str) -> Turn | None:
    """A table as Markdown."""
    tables = [block for block in page.document.blocks if isinstance(block, Table)]
    if not tables or not any(tables[0].header):
        return None
    header, rows = tables[0].header, tables[0].rows
    lines = [header, tuple("---" for _ in header), *(tuple(piece.text for piece in row) for row in rows)]
    answer = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    question = {"en": ("Write the table as Markdown.", "Table to Markdown."), "zh": ("把表格写成Markdown。", "用Markdown输出表格。")}[lang]
    runs = page.single()
    texts = [(text, None) for text in header] + [(piece.text, piece.key) for row in rows for piece in row]
    places, at = [placed(answer, [])], 0
    for text, key in texts:
        boxes = (stands(page, key) if key else []) or (runs[text].inked() if text in runs else [])
        at = answer.find(text, at)
        if at < 0:  # escaped
            break
        places.append(placed(answer, boxes, at, at + len(text)))
        at += len(text)
    return Turn(random.choice(question), answer, "markdown", "cer", lang, joined(*places))


def as_json(random: Random, page: Page, lang: str) -> Turn | None:
    """Some fields as a JSON object; one that is not stated is null."""
    facts = {key: value for key, value in page.document.facts.items() if ":" not in key}
    if len(facts) < 2:
        return None
    keys = random.sample(sorted(facts), min(len(facts), random.randint(2, 5)))
    if page.document.absent and random.random() < 0.2:
        keys.append(random.choice(page.document.absent))
    names = {"en": ", ".join(keys), "zh": "、".join(f"{key}（{noun(key, 'zh')}）" for key in keys)}[lang]
    question = {"en": f"Give these fields as JSON: {names}.", "zh": f"请输出JSON：{names}。"}[lang]
    answer = json.dumps({key: facts.get(key) for key in keys}, ensure_ascii=False)
    places = [placed(answer, [])]
    for key in keys:
        begun = f'"{key}": "'
        if key in facts and json.dumps(facts[key], ensure_ascii=False) == f'"{facts[key]}"':
            at = answer.index(begun) + len(begun)
            places.append(placed(answer, stands(page, key), at, at + len(facts[key])))
    return Turn(question, answer, "json", "json", lang, joined(*places))


def describe(random: Random, page: Page, lang: str) -> Turn | None:
    """What kind of document it is."""
    question = {"en": ("What kind of document is this?", "What is this?"), "zh": ("这是什么文件？", "这是哪种文件？")}[lang]
    name = KINDS[page.document.kind].name[lang]
    article = "an" if name[0] in "aeiouI" else "a"
    return Turn(random.choice(question), {"en": f"{article.capitalize()} {name}.", "zh": f"{name}。"}[lang], "describe", "exact", lang)


def count(random: Random, page: Page, lang: str) -> Turn | None:
    """How many rows a table has."""
    tables = [block for block in page.document.blocks if isinstance(block, Table)]
    if len(tables) != 1 or len(tables[0].rows) > 15:
        return None
    question = {"en": "How many rows does the table have, without its header?", "zh": "表格除表头外有几行？"}[lang]
    return Turn(question, str(len(tables[0].rows)), "count", "exact", lang)


Task = Callable[[Random, Page, str], Turn | None]
WEIGHTS: dict[Task, float] = {
    field: 8, transcribe: 3, read_place: 2, locate: 2, missing: 1.5, stated: 1, as_json: 1.5, markdown: 1, describe: 0.5, count: 0.3,
}  # fmt: skip
# Those that need no boxes.
WITHOUT_BOXES = {task: WEIGHTS[task] for task in (field, missing, stated, as_json, describe)}
