"""The tokenizer keeps every text, and spells answers character by character."""

from pagelens_training import draw
from pagelens_training.tokenizer import SPECIALS, Tokenizer


def test_round_trip():
    tokenizer = Tokenizer()
    for text in (*draw.QUESTIONS, " does it\n\n say? ", "naïve 书生·万象 🙂", "a\tb  c", "x1 23"):
        assert tokenizer.fast.decode(tokenizer.encode(text)) == text


def test_answers_are_spelled():
    tokenizer = Tokenizer()
    for answer in ("does", "the", "What", "A7x", "31337"):
        assert len(tokenizer.encode(answer)) == len(answer)


def test_special_tokens_follow_the_vocabulary_in_order():
    tokenizer = Tokenizer()
    ids = [tokenizer.id[t] for t in SPECIALS]
    assert ids == list(range(ids[0], ids[0] + len(SPECIALS))) and ids[-1] == tokenizer.fast.get_vocab_size() - 1
    assert tokenizer.size % 32 == 0 and tokenizer.size > ids[-1]


def test_targets_are_the_answer_and_the_end():
    tokenizer = Tokenizer()
    ids, target = tokenizer.example(draw.QUESTION, "Ab1")
    assert len(ids) == len(target)
    reply = [t for t in target if t >= 0]
    assert tokenizer.fast.decode(reply, skip_special_tokens=False) == "Ab1<|im_end|>"
    assert ids[-3:] == reply[:-1]
