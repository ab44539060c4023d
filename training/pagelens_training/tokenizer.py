"""A byte-level BPE tokenizer in Qwen's format: every byte is a token, so an answer is spelled character by character."""

from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Fast

SPLIT = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPECIALS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>",
    "</ref>", "<box>", "</box>", "<video>",
)  # fmt: skip
# Words of the prompts that follow a space. Each is merged from its left end on, so that a word standing alone, as an
# answer does, never meets a merge.
WHOLE_WORDS = ("does", "it", "say", "the", "text", "is", "written", "here")
TEMPLATE = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}\
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}\
{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}{% elif content['type'] == 'video' %}{{ '<video>\\n' }}\
{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""


def build() -> Fast:
    """The tokenizer, made from nothing: 256 bytes, the merges of the prompt's words, the special tokens."""
    vocabulary = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = []
    for word in WHOLE_WORDS:
        left = "Ġ"
        for c in word:
            if left + c not in vocabulary:
                vocabulary[left + c] = len(vocabulary)
                merges.append((left, c))
            left += c
    fast = byte_level(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False, byte_fallback=False))
    fast.add_special_tokens(special_tokens())
    return fast


def byte_level(model: models.BPE, pattern: str = SPLIT) -> Fast:
    """Splits as Qwen does, or by another pattern, and spells in bytes; no special tokens yet."""
    fast = Fast(model)
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)
    fast.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    fast.decoder = decoders.ByteLevel()
    return fast


def special_tokens() -> list[AddedToken]:
    """SPECIALS, matched as they are."""
    return [AddedToken(t, special=True, normalized=False) for t in SPECIALS]


class Tokenizer:
    """What training needs of it."""

    def __init__(self, fast: Fast | None = None):
        self.fast = fast or build()
        self.size = -(-self.fast.get_vocab_size() // 32) * 32
        self.id = {t: self.fast.token_to_id(t) for t in SPECIALS}
        self.before = self.encode("<|im_start|>user\n<img>")  # the image comes next

    def encode(self, content: str) -> list[int]:
        return self.fast.encode(content, add_special_tokens=False).ids

    def after(self, question: str) -> list[int]:
        """What follows the image up to the answer."""
        return self.encode(f"</img>\n{question}<|im_end|>\n<|im_start|>assistant\n")

    def example(self, question: str, answer: str) -> tuple[list[int], list[int]]:
        """Ids after the image with the answer, and the target of each position."""
        prompt, reply = self.after(question), self.encode(answer) + [self.id["<|im_end|>"]]
        return prompt + reply[:-1], [-100] * (len(prompt) - 1) + reply


def save(folder: Path) -> None:
    """Writes tokenizer.json."""
    build().save(str(folder / "tokenizer.json"))
