"""The characters a page is made of, as classes of the auxiliary losses: ASCII, GB 2312, and the signs of prices and texts."""

EXTRA = "€£¥×–—…“”‘’·•°±©®™✓−½é"


def _gb2312() -> str:
    rows = range(0xA1, 0xF8)
    found = [bytes((row, cell)).decode("gb2312", "ignore") for row in rows for cell in range(0xA1, 0xFF)]
    return "".join(found)


CHARACTERS = "".join(dict.fromkeys(map(chr, range(33, 127)))) + EXTRA
CHARACTERS += "".join(c for c in dict.fromkeys(_gb2312()) if c not in CHARACTERS and not c.isspace())
CLASS = {c: i + 1 for i, c in enumerate(CHARACTERS)}  # 0 is none
