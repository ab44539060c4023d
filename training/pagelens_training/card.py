"""The model card that lies beside the pack: what the model is made of, what it gets right, what it cannot do."""

from .fonts import CHINESE_FAMILIES, FAMILIES, HELD_OUT
from .report import Answer, height, rate, rows, share, table

HEAD = """---
license: mit
language: [en, zh]
pipeline_tag: image-text-to-text
library_name: pagelens
---
# PageLens reader

A vision-language model of {parameters:.1f} million parameters that reads documents: InternVL's recipe (448-pixel tiles by the closest
grid, a thumbnail, an InternViT, pixel shuffle, a two-layer projector, a Qwen2 decoder) at a size for a web page. It was trained
from nothing by `training/` of the repository it comes with, and loads unchanged in transformers as `InternVLForConditionalGeneration`.

## Data

Generated documents alone: receipts, invoices, letters, forms, cards, tables, menus, timetables, notices, charts and screenshots, in
English and Chinese, in {families} families of typefaces, set by two renderers, with the marks of scanners and cameras. No document of
a real person or company is in it; names, addresses and amounts are made up.

## Training

{hours:.1f} hours of computing: first the encoder and the projector, on what stands in each patch and cell; then the
projector and the decoder, on questions and answers; then everything. `training/README.md` says how to run it again.

## What it gets right

Of questions about documents that training never drew: (a) the same generator with other typefaces, names and seeds; (b) PDF pages by a
renderer that training never used. Answered by the 8-bit pack that ships, in PageLens.

"""
TAIL = """
## What it cannot do

- Handwriting, stamps, text that is turned by more than a few degrees, text below 10 pixels in the tile.
- Languages other than English and Chinese; Chinese characters that are rare in documents.
- Photographs of things, reasoning, arithmetic, knowledge of the world: it reads what stands on a page.
- It answers when it should not: hold what it says against the page before you rely on it.

## Licences

The weights are under the repository's licence (MIT or Apache-2.0). The typefaces it was trained on are free ones of Debian's packages,
each under its own licence; none of them is part of the model: {fonts}.
"""


def text(sets: dict[str, list[Answer]], parameters: int, seconds: float) -> str:
    """Markdown, with the shares of the sets' answers in it."""
    families = sorted(FAMILIES + CHINESE_FAMILIES)
    parts = [HEAD.format(parameters=parameters / 1e6, families=len(families) - len(HELD_OUT), hours=seconds / 3600)]
    for name, entries in sets.items():
        fields = [entry for entry in entries if entry["kind"] == "field"]
        pages = [entry for entry in entries if entry["kind"] == "transcribe"]
        parts += [table(f"({name}) fields by text height, right", rows(fields, height)), ""]
        if pages:
            parts += [table(f"({name}) pages by text height, character error rate", rows(pages, height)), ""]
        parts.append(
            f"All fields of ({name}): {share(fields):.1%} right"
            + (f"; all pages: {rate(pages):.1%} of characters wrong.\n" if pages else ".\n")
        )
    return "\n".join(parts) + TAIL.format(fonts=", ".join(families))
