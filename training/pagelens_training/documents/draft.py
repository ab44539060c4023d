"""A document in the making."""

import re
from collections.abc import Iterable
from random import Random

from .document import Block, Document, Heading, Pairs, Paragraph, Piece, Table
from .facts import FACTS, LISTS, Values
from .sentences import GENERIC

# Of these facts one may be taken for another: where one is stated, none is called absent.
ALIKE = """seller company sender school|total paid amount_due|date issue_date event_date modified|subject title|department class
name user signatory contact sender author|deadline due_date valid_until|place address room|time opening_hours departure
order_number invoice_number receipt_number reference"""


class Draft:
    """A document in the making."""

    def __init__(self, random: Random, kind: str, lang: str):
        self.random, self.kind, self.lang, self.zh = random, kind, lang, lang == "zh"
        self.values = Values(random, lang)
        self.say, self.chance = self.values.pick, lambda p: random.random() < p
        self.mixed = self.chance(0.1)  # labels in both languages
        self.colon = self.say("|:|:", "|：|：|:")
        self.blocks: list[Block] = []
        self.facts: dict[str, str] = {}
        self.absent: list[str] = []
        self.labels: set[str] = set()

    def some(self, keys: str, p: float) -> list[str]:
        """Each of the keys with probability `p`, in order."""
        return [key for key in keys.split() if self.chance(p)]

    def piece(self, key: str, text: str | None = None) -> Piece:
        """States a fact."""
        assert key not in self.facts, key
        self.facts[key] = self.values(key) if text is None else text
        return Piece(self.facts[key], key)

    def label(self, key: str) -> str:
        """What is printed beside or above a fact."""
        labels = FACTS[key].labels
        label = self.random.choice([x for x in labels[self.lang] if x not in self.labels] or labels[self.lang])
        self.labels.add(label)
        return f"{label}{self.random.choice(' /')}{labels['en' if self.zh else 'zh'][0]}" if self.mixed else label

    def heading(self, text: str, level: int = 1, key: str | None = None) -> None:
        self.blocks.append(Heading(self.piece(key, text) if key else Piece(text), level))

    def line(self, *pieces: Piece | str) -> None:
        """A paragraph."""
        self.blocks.append(Paragraph(tuple(Piece(p) if isinstance(p, str) else p for p in pieces)))

    def remark(self, p: float, en: str, zh: str) -> None:
        """With probability `p`, one of the alternatives `a|b|c` as a paragraph."""
        if self.chance(p):
            self.line(self.say(en, zh))

    def pairs(self, keys: Iterable[str], **texts: str) -> None:
        """Facts with their labels; `texts` are values already made."""
        if items := tuple((self.label(key) + self.colon, self.piece(key, texts.get(key))) for key in (*keys, *texts)):
            self.blocks.append(Pairs(items))

    def lines(self, keys: Iterable[str], labelled: float = 0.5) -> None:
        """Facts on lines of their own, some with a label."""
        for key in keys:
            label = [self.label(key) + (self.colon if self.zh and self.colon else self.colon + " ")] if self.chance(labelled) else []
            self.line(*label, self.piece(key))

    def table(self, head: str, rows: dict[str, dict[str, str]], others: Iterable[str] = (), right: str = "", at: int = 0) -> None:
        """A row for each name; names stand at `at` under `head`. Columns are keys, `right` those of numbers; `others` might be names."""
        columns = list(next(iter(rows.values())))
        header = [self.label(column) for column in columns]
        body = [[self.piece(f"{column}:{name}", text) for column, text in cells.items()] for name, cells in rows.items()]
        for name, cells in zip((head, *map(Piece, rows)), (header, *body)):
            cells.insert(at, name)
        numbers = frozenset(i + (i >= at) for i, column in enumerate(columns) if column in right.split())
        self.blocks.append(Table(tuple(header), tuple(map(tuple, body)), numbers))
        unused = [f"{columns[-1]}:{name}" for name in others if name.lower() not in " ".join(rows).lower()]
        self.absent += self.random.sample(unused, min(2, len(unused)))

    def names(self, of: str, most: int) -> list[str]:
        """Different names from a list, few more often than many, goods sometimes with a size."""
        count = self.random.randint(1, self.random.randint(1, min(most, len(LISTS[of][self.lang]))))
        names = self.random.sample(LISTS[of][self.lang], count)
        sizes = self.say(" 2-pack| (large)| (small)| (new)", "（大）|（小）|2件装|家庭装|（新款）") if of == "goods" else ""
        return [name + sizes * self.chance(0.2) for name in names]

    def price(self, low: int, high: int) -> int:
        """A price in hundredths, ending as prices do."""
        cents = int(low * (high / low) ** self.random.random())
        return max(50, self.random.choice((cents, cents // 10 * 10, cents // 50 * 50, cents // 100 * 100, cents // 100 * 100 + 99)))

    def purchase(self, of: str, most: int, many: int, prices: tuple[int, int], columns: str) -> int:
        """Goods sold, at most `many` of each, with sums; returns the total."""
        money, sign, random, rows, subtotal = self.values.money, self.chance(0.5), self.random, {}, 0
        for name in self.names(of, most):
            quantity = random.randint(1, random.choice((1, 2, many))) if "quantity" in columns else 1
            price = self.price(*prices)
            subtotal += quantity * price
            cells = {"quantity": str(quantity), "price": money(price, sign), "amount": money(quantity * price, sign)}
            rows[name] = {c: cells.get(c) or self.values(c) for c in columns.split()}
        if columns == "amount" and self.chance(0.6):
            self.blocks.append(Pairs(tuple((name, self.piece(f"amount:{name}", cells["amount"])) for name, cells in rows.items())))
        else:
            at = int(columns.startswith("code"))
            self.table(self.say("Item|Description|Product", "品名|商品名称|项目"), rows, LISTS[of][self.lang], "quantity price amount", at)
        sums, less, rate = {}, 0, "0%"
        if self.chance(0.25):
            less = max(10, random.choice((subtotal * random.choice((5, 10, 15, 20)) // 100, subtotal // 1000 * 100)))
            sums["discount"] = money(-less)
        if self.chance(0.55):
            rate = self.values("tax_rate")
            sums |= {"tax_rate": rate} if self.chance(0.6) else {}
        tax = round((subtotal - less) * float(rate[:-1]) / 100)
        sums |= {"tax": money(tax)} if rate != "0%" else {}
        before = {"subtotal": money(subtotal)} if self.chance(0.8 if sums else 0.2) else {}
        self.pairs((), **before, **sums, total=money(subtotal - less + tax))
        return subtotal - less + tax

    def slot(self, slot: str) -> Piece:
        """What stands in a sentence for `{slot}`."""
        if slot in FACTS:
            return self.piece(slot)
        text = str(self.random.randint(3, 30)) if slot == "number" else self.values.one(slot)
        return Piece(text[0].lower() + text[1:] if slot in ("goods", "dish") and not text[1].isupper() else text)

    def text(self, topic: str, fewest: int = 0) -> None:
        """The topic's sentences, some left out, then general ones, as a few paragraphs. No fact is stated twice."""
        keep = [s for s in sentences(topic) if self.chance(0.8)]
        keep += self.random.sample(sentences(GENERIC[self.lang]), max(self.random.choice((0, 1, 2, 4, 8, 12)), fewest - len(keep)))
        pieces: list[Piece] = []
        for i, sentence in enumerate(keep):
            parts = re.split(r"\{(\w+)\}", sentence + ("" if self.zh else " "))
            if self.facts.keys().isdisjoint(parts[1::2]):
                for odd, part in enumerate(parts):
                    piece = self.slot(part) if odd % 2 else Piece(part)
                    if pieces and piece.key is None and pieces[-1].key is None:
                        piece = Piece(pieces.pop().text + piece.text)
                    pieces += [piece] * bool(piece.text)
            if pieces and (i == len(keep) - 1 or self.chance(0.3)):
                pieces[-1] = Piece(pieces[-1].text.rstrip(), pieces[-1].key)
                self.line(*pieces)
                pieces = []

    def done(self, might: str) -> Document:
        """The document; `might` are the facts that one of its kind often states."""
        stated = {key.partition(":")[0] for key in self.facts} | self.facts.keys()
        taken = stated.union(*(group for group in map(set, map(str.split, ALIKE.replace("\n", "|").split("|"))) if group & stated))
        absent = dict.fromkeys(key for key in (*might.split(), *self.absent) if key not in taken)
        return Document(self.kind, self.lang, tuple(self.blocks), self.facts, tuple(absent))


def sentences(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[.!?]) |(?<=[。！？])", text) if s]


def topic(d: Draft, topics: dict[str, str]) -> tuple[str, str]:
    """A subject and its sentences."""
    entry = d.random.choice(re.split(r"\n(?! )", topics[d.lang].strip())).replace("\n ", "" if d.zh else " ")
    subjects, _, text = entry.partition("; ")
    return d.random.choice(subjects.split("|")), text
