"""A byte-level BPE tokenizer for English and Chinese in Qwen's format, trained on what the documents say."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image
from tokenizers import Tokenizer as Fast
from tokenizers import models, pre_tokenizers, trainers

from ..tiles import CELLS
from ..tokenizer import SPECIALS, Tokenizer, byte_level, special_tokens
from . import kinds, tasks
from .characters import gb2312
from .document import Page

SIZE = 8192
FILE = Path(__file__).parents[2] / "tokenizer.json"
TILE_TOKENS = CELLS * CELLS
IGNORE = -100
SOURCES = 2  # cells in which a token of an answer may stand: one of a tile, one of the thumbnail


def texts(count: int, seed: int = 0) -> Iterator[str]:
    """What `count` documents and the questions about them say, and all of GB 2312's first level."""
    yield from (character for character in gb2312(range(0xB0, 0xD8)) for _ in range(20))
    for number in range(count):
        random = Random(f"vocabulary {seed} {number}")
        document = kinds.build(random)
        yield "\n".join(document.texts())
        for _ in range(3):
            turn = tasks.turn(random, Page(Image.new("RGB", (1, 1)), document, []), tasks.WITHOUT_BOXES)
            yield turn.question
            yield turn.answer


def train(count: int = 20_000) -> Fast:
    """From nothing."""
    fast = byte_level(models.BPE(fuse_unk=False, byte_fallback=False))
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIALS), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    fast.train_from_iterator(texts(count), trainer)
    fast.add_special_tokens(special_tokens())
    return fast


class Vocabulary(Tokenizer):
    """The committed tokenizer and what training needs of it."""

    def __init__(self, file: Path = FILE):
        super().__init__(Fast.from_file(str(file)))
        self.none = self.id["<|endoftext|>"]

    def length(self, text: str) -> int:
        """In tokens."""
        return len(self.encode(text))

    def conversation(
        self, tiles: int, cells: np.ndarray, turns: list[tuple[str, str, list[tuple[int, ...]]]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Ids of turns about one picture of which `cells` are seen, their positions, what each must predict (answers and their
        ends), and where that stands: places in the ids of at most `SOURCES` cells, -1 for none. Turns are a question, an answer
        and for each character of the answer the cells it stands in."""
        ids: list[int] = self.encode("<|im_start|>user\n<img>")
        positions = [*range(len(ids)), *(len(ids) + cells)]
        next_position = len(ids) + TILE_TOKENS * tiles
        ids += [self.id["<IMG_CONTEXT>"]] * len(cells)
        seen = {int(cell): place for place, cell in enumerate(cells, len(positions) - len(cells))}
        target, nothing = [IGNORE] * len(ids), (-1,) * SOURCES
        sources = [nothing] * len(ids)
        end, before = self.encode("\n"), "</img>\n"
        for question, answer, where in turns:
            asked = self.encode(f"{before}{question}<|im_end|>\n<|im_start|>assistant\n")
            encoded = self.fast.encode(answer + "<|im_end|>", add_special_tokens=False)
            said = encoded.ids
            ids += asked + said + end
            sources += [nothing] * (len(asked) - 1)
            for start, stop in encoded.offsets:
                first = next((some for some in where[start:stop] if some), ())
                places = [seen[cell] for cell in first if cell in seen]
                sources.append(tuple((places + list(nothing))[:SOURCES]))
            sources += [nothing] * (1 + len(end))
            target += [IGNORE] * (len(asked) - 1) + said + [IGNORE] * (1 + len(end))
            before = "<|im_start|>user\n"
        positions += range(next_position, next_position + len(ids) - len(positions))
        return np.array(ids), np.array(positions), np.array(target), np.array(sources)


if __name__ == "__main__":
    train().save(str(FILE))
