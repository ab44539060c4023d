"""Endless training batches, made by as many processes as the loader is given."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random

import torch

from . import kinds, pillow
from .document import Page
from .effects import photograph
from .examples import Example, endless
from .vocabulary import Vocabulary

HTML_SHARE = 0.3
POOL, USES = 48, 4


def pages(random: Random, strength: Callable[[], float], browser=None) -> Iterator[Page]:
    """Pages of both renderers, each seen `USES` times through different effects."""
    pool: list[Page] = []
    while True:
        if len(pool) < POOL or random.random() < 1 / USES:
            document = kinds.build(random)
            try:
                html = browser is not None and random.random() < HTML_SHARE
                page = browser.render(document, random) if html else pillow.render(document, random)
            except ValueError:  # too long for a page in the style that was drawn
                continue
            pool = pool[1 - POOL :] + [page]
        yield photograph(random.choice(pool), random, strength())


class Stream(torch.utils.data.IterableDataset):
    """Lists of examples of `tiles` tiles together. The knobs are read anew: [strength of the effects, most tiles a page]."""

    def __init__(self, seed: int, tiles: int, longest: int, knobs: torch.Tensor):
        self.seed, self.tiles, self.longest, self.knobs = seed, tiles, longest, knobs

    def __iter__(self) -> Iterator[list[Example]]:
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        random = Random(f"stream {self.seed} {worker.id if worker else 0} {os.getpid()}")
        with ExitStack() as stack:
            browser = None
            if HTML_SHARE > 0:
                from .html import Browser

                browser = stack.enter_context(Browser())
            vocabulary = Vocabulary()
            source = pages(random, lambda: self.knobs[0].item(), browser)
            batch: list[Example] = []
            while True:
                most = max(1, int(self.knobs[1].item()))
                one = next(endless(random, source, vocabulary, random.choice((1, most, most)), self.longest))
                if batch and sum(len(e.patches) for e in batch) + len(one.patches) > self.tiles:
                    yield batch
                    batch = []
                batch.append(one)
