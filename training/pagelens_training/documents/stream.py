"""Endless training batches, made by as many processes as the loader is given."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch

from ..draw import reused
from . import kinds, pillow
from .bands import bands
from .document import Page
from .effects import photograph
from .examples import Example, conversation, example, legible_tiles
from .html import Browser
from .tasks import Turn
from .vocabulary import Vocabulary

HTML_SHARE = 0.25
POOL, USES = 256, 4  # of pages
BAND_LONGEST = 240  # tokens of a conversation about a band
MOST_TILES = 0.7  # share of pages cut into as many tiles as are allowed, as in use


@dataclass(frozen=True)
class Knobs:
    """What the next batches are to be like."""

    strength: float = 0.0  # of the effects
    tiles: float = 1  # most of a page, thumbnail not counted
    converse: float = 0  # whether there are turns
    whole: float = 0.05  # share of tiles with all their cells
    bands: float = 0  # share of cells that are bands of unrelated text


def page(random: Random, chinese: float, browser: Browser) -> Page:
    """Of either renderer."""
    while True:
        document = kinds.build(random, lang="zh" if random.random() < chinese else "en")
        html = random.random() < HTML_SHARE
        try:
            return browser.render(document, random) if html else pillow.render(document, random)
        except ValueError:  # too long for a page in the style that was drawn
            continue


class Stream(torch.utils.data.IterableDataset):
    """Lists of examples of one kind of about `cells` cells together. `shared` holds the `Knobs`, read anew for every page."""

    def __init__(self, seed: str, cells: int, longest: int, chinese: float, shared: torch.Tensor):
        self.seed, self.cells, self.longest, self.chinese, self.shared = seed, cells, longest, chinese, shared

    def knobs(self) -> Knobs:
        """As they stand now."""
        return Knobs(*self.shared.tolist())

    def __iter__(self) -> Iterator[list[Example]]:
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        random = Random(f"stream {self.seed} {worker.id if worker else 0} {os.getpid()}")
        vocabulary = Vocabulary()
        with Browser() as browser:
            knobs = self.knobs
            lines = bands(random, self.chinese, vocabulary, lambda: knobs().strength, lambda: BAND_LONGEST if knobs().converse else 0)
            sources = documents(random, self, vocabulary, browser), lines
            given, filling = [0, 0], (Filling(self.cells), Filling(self.cells))  # pages and bands apart: one is far longer than the other
            while True:
                share = knobs().bands
                source = int(given[1] * (1 - share) < given[0] * share or share == 1)
                one = next(sources[source])
                given[source] += size([one])
                yield from filling[source].add(one)


class Filling:
    """Batches that are being filled, several at a time: those that train together wait for the one with most cells."""

    OPEN = 6

    def __init__(self, cells: int):
        self.cells, self.batches = cells, []

    def add(self, one: Example) -> Iterator[list[Example]]:
        """To the fullest batch that has room for it. Gives the fullest of all where there are too many."""
        fitting = [batch for batch in self.batches if size(batch) + size([one]) <= self.cells]
        if fitting:
            max(fitting, key=size).append(one)
            return
        self.batches.append([one])
        if len(self.batches) > self.OPEN:
            self.batches.sort(key=size)
            yield self.batches.pop()


def size(batch: list[Example]) -> int:
    """Cells of its tiles."""
    return sum(len(tile.cells) for e in batch for tile in e.tiles)


def documents(random: Random, stream: Stream, vocabulary: Vocabulary, browser: Browser) -> Iterator[Example]:
    """Pages as tiles, most of them in as many as are allowed, with conversations if wanted."""
    for drawn in reused(random, lambda: page(random, stream.chinese, browser), POOL, USES):
        knobs = stream.knobs()
        legible = legible_tiles(drawn, int(knobs.tiles))
        if not legible:
            continue
        shown = photograph(drawn, random, knobs.strength)
        turns: list[Turn] = conversation(random, shown, stream.longest, vocabulary) if knobs.converse else []
        most = legible[-1] if random.random() < MOST_TILES else random.choice(legible)
        yield example(shown, turns, vocabulary, most, random, knobs.whole)
