"""Fresh pictures as files, and how many of them an exported checkpoint reads to the letter.

    python -m pagelens_training.evaluate --count 200 --seed 7 --out pictures     # WebP files and questions.jsonl
    python -m pagelens_training.evaluate --count 200 --seed 7 --checkpoint checkpoint

A line of questions.jsonl is {"id", "image", "question", "answers", "metric"}; the metric is `verbatim`: equal to the character.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from PIL import Image
from transformers import AutoTokenizer, InternVLForConditionalGeneration
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from . import draw


def pictures(count: int, seed: int) -> Iterator[draw.Picture]:
    """The same pictures for the same seed and the same installed fonts."""
    random = Random(f"evaluation {seed}")
    return (draw.one_word(random) for _ in range(count))


def write(folder: Path, count: int, seed: int) -> None:
    """WebP files and questions.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "questions.jsonl").open("w") as file:
        for i, picture in enumerate(pictures(count, seed)):
            name = f"{i:04}.webp"
            picture.image.save(folder / name, quality=90)
            entry = {"id": f"{seed}-{i:04}", "image": name, "question": draw.QUESTION, "answers": [picture.answer], "metric": "verbatim"}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


class Reader:
    """transformers' own tokenizer, template, image processor (the Pillow one) and model on an exported folder."""

    def __init__(self, folder: Path):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.tokenizer.chat_template = (folder / "chat_template.jinja").read_text()
        self.images = GotOcr2ImageProcessorPil.from_pretrained(folder)
        self.model = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.no_grad()
    def answer(self, image: Image.Image, question: str) -> str:
        """Greedy, one picture."""
        pixels = self.images(images=image, return_tensors="pt", crop_to_patches=True)
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        text = self.tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
        context = "<IMG_CONTEXT>" * (256 * len(pixels["pixel_values"]))
        ids = self.tokenizer(text.replace("<IMG_CONTEXT>", f"<img>{context}</img>", 1), return_tensors="pt")
        out = self.model.generate(**ids, pixel_values=pixels["pixel_values"], do_sample=False, max_new_tokens=16)
        return self.tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the pictures there")
    parser.add_argument("--checkpoint", type=Path, help="read the pictures with this checkpoint")
    options = parser.parse_args()
    if options.out:
        write(options.out, options.count, options.seed)
    if options.checkpoint:
        reader, right = Reader(options.checkpoint), 0
        for picture in pictures(options.count, options.seed):
            read = reader.answer(picture.image, draw.QUESTION)
            right += read == picture.answer
            if read != picture.answer:
                print(f"{picture.answer:10} read as {read}")
        print(f"exact: {right} of {options.count}, {right / options.count:.1%}")


if __name__ == "__main__":
    main()
