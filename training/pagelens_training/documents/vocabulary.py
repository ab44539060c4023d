"""A byte-level BPE tokenizer for English and Chinese in Qwen's format, trained on what the documents say."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from ..tokenizer import SPECIALS, SPLIT
from . import kinds, tasks
from .document import Page

SIZE = 8192
FILE = Path(__file__).parents[2] / "tokenizer.json"
TILE_TOKENS = 256
IGNORE = -100


def texts(count: int, seed: int = 0) -> Iterator[str]:
    """What `count` documents and the questions about them say, and all of GB 2312's first level."""
    level_1 = [bytes((row, cell)).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)]
    yield from (character for character in level_1 for _ in range(20))
    for number in range(count):
        random = Random(f"vocabulary {seed} {number}")
        document = kinds.build(random)
        yield "\n".join(document.texts())
        for _ in range(3):
            turn = tasks.turn(random, Page(Image.new("RGB", (1, 1)), document, []), tasks.WITHOUT_BOXES)
            yield turn.question
            yield turn.answer


def train(count: int = 20_000) -> Tokenizer:
    """From nothing."""
    tokenizer = Tokenizer(models.BPE(fuse_unk=False, byte_fallback=False))
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIALS), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(texts(count), trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    return tokenizer


class Vocabulary:
    """The committed tokenizer and what training needs of it."""

    def __init__(self, file: Path = FILE):
        self.fast = Tokenizer.from_file(str(file))
        self.size = -(-self.fast.get_vocab_size() // 32) * 32
        self.id = {t: self.fast.token_to_id(t) for t in SPECIALS}

    def encode(self, text: str) -> list[int]:
        """Token ids, special tokens read as such."""
        return self.fast.encode(text, add_special_tokens=False).ids

    def length(self, text: str) -> int:
        """In tokens."""
        return len(self.encode(text))

    def conversation(self, tiles: int, turns: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of turns about one picture, and what each position must predict: the answers and their ends."""
        ids: list[int] = []
        target: list[int] = []
        picture = f"<img>{'<IMG_CONTEXT>' * (TILE_TOKENS * tiles)}</img>\n"
        for question, answer in turns:
            asked = self.encode(f"<|im_start|>user\n{picture}{question}<|im_end|>\n<|im_start|>assistant\n")
            said = self.encode(answer + "<|im_end|>")
            ids += asked + said + self.encode("\n")
            target += [IGNORE] * (len(asked) - 1) + said + [IGNORE] * (1 + len(self.encode("\n")))
            picture = ""
        return np.array(ids), np.array(target)


if __name__ == "__main__":
    train().save(str(FILE))
