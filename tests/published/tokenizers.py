"""What the reference tokenizers make of 5,000 lines: lines.json and tokenizers.json.

    python tests/published/tokenizers.py target/downloads

Needs what tests/golden/requirements.txt lists and what `make downloads` downloads. InternLM2's tokenizer.model is not in a registry: it is
rebuilt from the published tokenizer.json, piece by piece, with scores in the order of the merges, and given to SentencePiece itself;
tests/published.rs rebuilds the same. tokenizers.json holds for every 20 lines the first 16 hex digits of the SHA-256 of their ids, and of
their decoded texts.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

# This file has the name of a package it needs.
sys.path.pop(0)

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

HERE = Path(__file__).parent
DOWNLOADS = Path(sys.argv[1])
GROUP = 20


def lines():
    """English, Chinese, code, emoji, markup and random bytes, half of it cut out at random."""
    sources = ["README.md", "src/quant.rs", "shaders/rope.wgsl", "www/index.html", "www/pagelens.js", "Cargo.toml"]
    texts = [(HERE.parents[1] / source).read_text() for source in sources]
    chinese = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。请描述这张图片。发票号码是多少？总金额是多少？"
    emoji = "🎉👩‍👩‍👧🇫🇷❤️‍🔥👍🏽 é e\u0301 ß İ 𝒳 한국어 русский العربية \u00a0\u2003 ﬁ ½ ™"
    draw = random.Random(7)
    made = [line for text in texts for line in text.splitlines()][:1500]
    pool = list("abcdefgh XYZ 0123456789  \t\n\r=-_/*#.,:;()<>|!?'\"") + list(chinese) + list(emoji)
    while len(made) < 2500:
        text = draw.choice([*texts, chinese * 3, emoji * 3])
        at = draw.randrange(len(text))
        made.append(text[at : at + draw.randint(1, 60)])
    while len(made) < 4000:
        made.append("".join(draw.choice(pool) * draw.choice([1, 1, 1, 1, 2, 5]) for _ in range(draw.randint(1, 30))))
    while len(made) < 5000:
        made.append(draw.randbytes(draw.randint(1, 24)).decode("utf-8", "replace"))
    return made


def piece_model(prefix):
    model = json.loads((DOWNLOADS / "internlm2/tokenizer.json").read_text())["model"]
    best = {}
    for rank, pair in enumerate(model["merges"]):
        best.setdefault(pair.replace(" ", ""), rank)
    proto = sentencepiece_model_pb2.ModelProto()
    for token, i in sorted(model["vocab"].items(), key=lambda item: item[1]):
        piece = proto.pieces.add()
        piece.piece, piece.score, piece.type = token, -float(best.get(token, len(model["merges"]))), 1
        if i < 259:
            piece.score, piece.type = 0.0, {0: 2, 1: 3, 2: 3}.get(i, 6)
    proto.trainer_spec.model_type, proto.trainer_spec.byte_fallback, proto.trainer_spec.vocab_size = 2, True, len(proto.pieces)
    proto.normalizer_spec.name, proto.normalizer_spec.add_dummy_prefix, proto.normalizer_spec.remove_extra_whitespaces = "identity", prefix, False
    return sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())


def smollm2():
    reader = gguf.GGUFReader(next(DOWNLOADS.rglob("*.gguf")))
    field = lambda key: reader.fields[f"tokenizer.ggml.{key}"].contents()
    tokens, types = field("tokens"), field("token_type")
    merges = [tuple(merge.split(" ")) for merge in field("merges")]
    tokenizer = Tokenizer(BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token, kind in zip(tokens, types) if kind == gguf.TokenType.CONTROL])
    return tokenizer


def groups(values):
    digest = lambda group: hashlib.sha256(json.dumps(group, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:16]
    return [digest(values[at : at + GROUP]) for at in range(0, len(values), GROUP)]


def main():
    all_lines = lines()
    expected = {}
    for name, prefix in (("sentencepiece", False), ("sentencepiece, dummy prefix", True)):
        model = piece_model(prefix)
        ids = [model.encode(line) for line in all_lines]
        expected[name] = {"ids": groups(ids), "decoded": groups([model.decode(line) for line in ids])}
    for name, tokenizer in (("qwen2.5", Tokenizer.from_file(str(DOWNLOADS / "qwen2_5/tokenizer.json"))), ("smollm2", smollm2())):
        ids = [tokenizer.encode(line, add_special_tokens=False).ids for line in all_lines]
        expected[name] = {"ids": groups(ids), "decoded": groups([tokenizer.decode(line) for line in ids])}
    (HERE / "lines.json").write_text("[\n" + ",\n".join(json.dumps(line, ensure_ascii=False) for line in all_lines) + "\n]\n")
    (HERE / "tokenizers.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
