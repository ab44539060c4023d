"""A byte-level BPE tokenizer for English and Chinese in Qwen's format in which every character is a token.

What is read is spelled: what a cell shows is then in the cell itself. Of a tokenizer of 8,192 pieces of words, trained on what the
documents say, 22 to 30 % of the pieces of a word and 85 % of digits were named right: which piece begins where depends on the
whole word, and on how often the tokenizer's training had met it.
"""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as Fast
from tokenizers import models, pre_tokenizers, trainers

from ..tiles import CELLS
from ..tokenizer import Tokenizer, byte_level, special_tokens
from .characters import CHARACTERS

FILE = Path(__file__).parents[2] / "tokenizer.json"
ONE = r"[\s\S]"  # a character, a piece of its own
TILE_TOKENS = CELLS * CELLS
IGNORE = -100
SOURCES = 2  # cells in which a token may stand: one of a tile, one of the thumbnail
# A question, an answer; the cells of each character of the question, and of the label of what is asked for; those of the answer's.
Located = tuple[str, str, list[tuple[int, ...]], list[tuple[int, ...]]]


def train() -> Fast:
    """From nothing: merges join the bytes of one character; characters that documents do not have stay bytes."""
    fast = byte_level(models.BPE(fuse_unk=False, byte_fallback=False), ONE)
    trainer = trainers.BpeTrainer(vocab_size=1 << 14, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    fast.train_from_iterator([CHARACTERS], trainer)
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

    def conversation(self, tiles: int, cells: np.ndarray, turns: list[Located]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Ids of turns about one picture of which `cells` are seen, their positions, what each must predict (answers and their
        ends), and where each stands: places in the ids of at most `SOURCES` cells, -1 for none."""
        before = self.encode("<|im_start|>user\n<img>")
        ids = before + [self.id["<IMG_CONTEXT>"]] * len(cells)
        said, sources = [False] * len(ids), [[-1] * SOURCES] * len(ids)
        seen = {int(cell): len(before) + place for place, cell in enumerate(cells)}

        def add(text: str, where: list[tuple[int, ...]], says: bool) -> None:
            encoded = self.fast.encode(text, add_special_tokens=False)
            for token, (start, stop) in zip(encoded.ids, encoded.offsets):
                first = next((some for some in where[start:stop] if some), ())
                ids.append(token)
                said.append(says)
                sources.append(([seen[cell] for cell in first if cell in seen] + [-1] * SOURCES)[:SOURCES])

        opening, closing = "</img>\n", "<|im_end|>\n<|im_start|>assistant"
        for question, answer, (*quoted, label), copied in turns:
            add(f"{opening}{question}{closing}\n", [()] * len(opening) + quoted + [()] * len(closing) + [label], False)
            add(answer + "<|im_end|>", copied, True)
            add("\n", [], False)
            opening = "<|im_start|>user\n"
        after = len(before) + TILE_TOKENS * tiles
        positions = [*range(len(before)), *(len(before) + cells), *range(after, after + len(ids) - len(before) - len(cells))]
        target = np.where(said[1:] + [False], np.roll(ids, -1), IGNORE)
        return np.array(ids), np.array(positions), target, np.array(sources)


if __name__ == "__main__":
    train().save(str(FILE))
