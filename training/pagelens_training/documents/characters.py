"""The characters a page is made of, as classes of the auxiliary losses: ASCII, GB 2312, and the signs of prices and texts."""

EXTRA = "€£¥×–—…“”‘’·•°±©®™✓−½é"


def gb2312(rows: range) -> str:
    """The characters of these rows; 0xB0 to 0xD7 are the first level."""
    return "".join(bytes((row, cell)).decode("gb2312", "ignore") for row in rows for cell in range(0xA1, 0xFF))


CHARACTERS = "".join(dict.fromkeys(map(chr, range(33, 127)))) + EXTRA
CHARACTERS += "".join(c for c in dict.fromkeys(gb2312(range(0xA1, 0xF8))) if c not in CHARACTERS and not c.isspace())
CLASS = {c: i + 1 for i, c in enumerate(CHARACTERS)}  # 0 is none
