"""The whole evaluation of a checkpoint, in PageLens itself: held-out sets, precisions, numbers of tiles, thumbnail or not.

    python -m pagelens_training.measure --checkpoint checkpoint --out report

Writes the held-out sets where they are missing, answers them with `pagelens eval` (what is answered is not asked again) and
writes report.md and its plots: the pack that ships in full, then what each other choice would change; and the model's card.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open

from . import card, report
from .train_reader import START

HERE = Path(__file__).parent.parent
SETS = {"a": "generator", "b": "pdf"}
LINES = {  # of the comparison: what is shown, and which questions it is made of
    "fields, en": ("field", "en"), "fields, zh": ("field", "zh"), "CER, en": ("transcribe", "en"), "CER, zh": ("transcribe", "zh"),
    "boxes": ("locate", None), "JSON": ("json", None), "not stated": ("missing", None),
}  # fmt: skip


def variants(work: Path) -> dict[str, tuple[Path, list[str]]]:
    """Name -> (model, options) of `pagelens eval`; the first is the pack that ships."""
    pack = work / "pack-q8-q8"
    return {
        "8-bit pack": (pack, []),
        "f32": (work / "checkpoint", ["--weights", "f32"]),
        "4-bit decoder": (work / "pack-q8-q4", []),
        "1 tile": (pack, ["--max-tiles", "1"]),
        "12 tiles": (pack, ["--max-tiles", "12"]),
        "no thumbnail": (work / "pack-no-thumbnail", []),
    }


def prepare(pagelens: Path, checkpoint: Path, work: Path) -> None:
    """The packs that the variants are."""
    shutil.copytree(checkpoint, work / "checkpoint", dirs_exist_ok=True)
    for language in ("q8", "q4"):
        folder = work / f"pack-q8-{language}"
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([pagelens, "pack", "--vision", "q8", "--language", language, checkpoint, folder], check=True)
    without = work / "pack-no-thumbnail"
    shutil.copytree(work / "pack-q8-q8", without, dirs_exist_ok=True)
    manifest = json.loads((without / "manifest.json").read_text())
    manifest["config"]["tiling"]["thumbnail"] = False
    (without / "manifest.json").write_text(json.dumps(manifest))


def answer(pagelens: Path, model: Path, options: list[str], questions: Path, predictions: Path) -> list[report.Answer]:
    """Every question of a set with its prediction and score."""
    command = [pagelens, "eval", "--device", "cpu", "--model", model, *options, "--predictions", predictions, questions]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return report.answers(questions, predictions)


def parameters(checkpoint: Path) -> int:
    """Of all its tensors."""
    with safe_open(checkpoint / "model.safetensors", "pt") as tensors:
        return sum(tensors.get_tensor(name).numel() for name in tensors.keys())


def compared(found: dict[str, list[report.Answer]]) -> str:
    """A row of a table for every line, a column for every variant."""
    lines = ["| | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for title, (kind, lang) in LINES.items():
        scores = []
        for entries in found.values():
            part = [entry for entry in entries if entry["kind"] == kind and lang in (None, entry["lang"])]
            scores.append(f"{(report.rate if kind in report.RATES else report.share)(part):.1%}" if part else "-")
        lines.append(f"| {title} | " + " | ".join(scores) + " |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint")
    parser.add_argument("--out", type=Path, default=HERE / "report", help="folder of report.md and its plots")
    parser.add_argument("--work", type=Path, default=HERE / "runs" / "measure", help="folder of held-out sets, packs and answers")
    parser.add_argument("--count", type=int, default=150, help="documents of each set")
    parser.add_argument("--pagelens", type=Path, default=HERE.parent / "target" / "release" / "pagelens")
    parser.add_argument("--card", type=Path, help="file of the model's card")
    options = parser.parse_args()
    prepare(options.pagelens, options.checkpoint, options.work)
    for name, renderer in SETS.items():
        folder = options.work / name
        if not (folder / "questions.jsonl").exists():
            module = "pagelens_training.documents.held_out"
            subprocess.run(
                [sys.executable, "-m", module, "--renderer", renderer, "--count", str(options.count), "--out", folder], check=True
            )
    options.out.mkdir(parents=True, exist_ok=True)
    text, shipped = ["# Held-out documents", ""], {}
    for name in SETS:
        questions, found = options.work / name / "questions.jsonl", {}
        for variant, (model, extra) in variants(options.work).items():
            predictions = options.work / name / f"{variant.replace(' ', '-')}.jsonl"
            found[variant] = answer(options.pagelens, model, extra, questions, predictions)
        shipped[name] = next(iter(found.values()))
        text += report.described(name, shipped[name], options.out) + ["### What other choices change", "", compared(found), ""]
    (options.out / "report.md").write_text("\n".join(text))
    if options.card:
        seconds = torch.load(START, map_location="cpu")["seconds"]
        options.card.write_text(card.text(shipped, parameters(options.checkpoint), seconds))
    print("\n".join(text))


if __name__ == "__main__":
    main()
