"""Compares `pagelens trace` with transformers, stage by stage, on any checkpoint.

One checkpoint folder (either layout), one picture, one prompt; the trace is run, or read with --trace:

    python tests/golden/compare.py --model DIR --image FILE --prompt TEXT [--system TEXT] [--max-tiles N] [--max-tokens N]

The first question about each of the first N pictures of a file for `pagelens eval`:

    python tests/golden/compare.py --model DIR --questions FILE.jsonl [--count N] [--max-tokens N]

Random tiny checkpoints, one of every variant of make.py with sizes, pictures and prompts drawn from the seed:

    python tests/golden/compare.py --random SEED [--only NAME] [--keep DIR]

Exits with 1 when a stage disagrees.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

import checkpoints
import make
import reference

DEFAULT_PROGRAM = Path(__file__).parents[2] / "target/release/pagelens"
TOLERANCE, COSINE = 1e-3, 0.99999
TIE = 0.005  # a greedy choice that leads by less, relative to the largest logit, may go either way
LOGITS = {"f32": COSINE, "q8": 0.999, "q4": -1.0}


def trace(arguments, model, image, prompt, system, max_tiles, out):
    command = [arguments.pagelens, "trace", "--model", model, "--image", image, "--prompt", prompt, "--out", out]
    command += ["--max-tokens", arguments.max_tokens, "--device", arguments.device, "--weights", arguments.weights]
    command += ["--system", system] if system is not None else []
    command += ["--max-tiles", max_tiles] if max_tiles is not None else []
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip())
    return load_file(out)


def compare(title, stages, margins, actual, weights):
    """Prints a line a stage; True when all agree."""
    fine = True
    for name in reference.STAGES:
        expected, shown = stages[name], ""
        if name not in actual:
            verdict = "missing"
        elif name in ("input_ids", "generated"):
            found = actual[name].ravel().tolist()
            same = next((i for i, pair in enumerate(zip(expected.tolist(), found)) if pair[0] != pair[1]), min(len(found), len(expected)))
            shown = f"{same} of {len(expected)} ids"
            if found == expected.tolist():
                verdict = "ok"
            elif name == "generated" and weights != "f32":
                verdict = "ok (other weights)"
            elif name == "generated" and same < len(margins) and margins[same] < TIE:
                verdict = f"ok (a tie, {margins[same]:.1e})"
            else:
                verdict = f"differs: {found[same : same + 4]} instead of {expected[same : same + 4].tolist()}"
        elif list(actual[name].shape) != list(expected.shape):
            verdict = f"shape {list(actual[name].shape)} instead of {list(expected.shape)}"
        else:
            difference, cosine = reference.difference(expected, actual[name]), reference.cosine(expected, actual[name])
            shown = f"max difference {difference:8.2e}  cosine {cosine:.7f}"
            if weights == "f32" or name == "pixel_values":
                agree = difference <= TOLERANCE and cosine >= COSINE
            else:
                agree = name != "logits" or cosine >= LOGITS[weights]
            verdict = "ok" if agree else "DIFFERS"
        fine &= verdict.startswith("ok")
        print(f"{title:26} {name:14} {shown:45} {verdict}", flush=True)
    return fine


def one(arguments, model, image, prompt, system, max_tiles, title):
    checkpoint = reference.load(model)
    stages = reference.stages(checkpoint, image, prompt, system, max_tiles, arguments.max_tokens)
    margins = reference.margins(checkpoint, stages)
    if arguments.trace:
        actual = load_file(arguments.trace)
    else:
        with tempfile.TemporaryDirectory() as folder:
            try:
                actual = trace(arguments, model, image, prompt, system, max_tiles, Path(folder) / "trace.safetensors")
            except RuntimeError as error:
                print(f"{title:26} pagelens: {error}", flush=True)
                return False
    return compare(title, stages, margins, actual, arguments.weights)


def asked(arguments):
    """Of a file of questions, one about each picture."""
    entries = [json.loads(line) for line in arguments.questions.read_text().splitlines()]
    first = {entry["image"]: entry for entry in reversed(entries)}
    fine = True
    for image in sorted(first)[: arguments.count]:
        path, question = arguments.questions.parent / image, first[image]["question"]
        fine &= one(arguments, arguments.model, path, question, None, arguments.max_tiles, first[image]["id"])
    return fine


# --- random checkpoints


def vary(variant, draw):
    """The same kind of checkpoint with other sizes, storage and options."""
    pick = lambda *choices: choices[draw.integers(len(choices))]
    heads, head_dim = pick(1, 2, 3, 4), pick(8, 16, 24)
    vision = dict(hidden=heads * head_dim, heads=heads, ffn=pick(32, 40, 96), layers=pick(1, 2, 3))
    kv_heads, group, head_dim = pick(1, 2, 3), pick(1, 2, 3), pick(8, 16, 20)
    hidden = kv_heads * group * head_dim
    if variant.decoder == "qwen3":
        hidden = pick(32, 48, 56)
    language = dict(hidden=hidden, heads=kv_heads * group, kv_heads=kv_heads, head_dim=head_dim, ffn=pick(32, 72, 96), layers=pick(1, 2, 3))
    language |= dict(theta=pick(1e4, 1e6, 5e5), eps=pick(1e-5, 1e-6), dynamic=pick(None, 2.0))
    return replace(
        variant,
        side=448 if variant.side == 448 else pick(28, 56, 84, 112),
        dtype=pick("float32", "float16", "bfloat16"),
        shards=pick(1, 2, 4),
        big_encoder=pick(False, True),
        ps_version=pick("v1", "v2") if variant.layout == "original" else "v2",
        tied=pick(False, False, True) if variant.decoder == "qwen2" and not variant.claims_tied else variant.tied,
        vision=vision,
        language=language,
        max_patches=pick(4, 6, 12),
    )


PROMPTS = ["Please describe the image explicitly.", "请描述这张图片。", " What is it?\n\n- A: 12\n- B:  34 \n", "Répondez: où est la date ? 🙂", "发票号码\t是多少？ ", "1234567 + 89 = x"]


def random(arguments, base):
    fine = True
    draw = np.random.default_rng(arguments.random)
    for case in make.CASES:
        variant = vary(case.variant, draw)
        seed, width, height, channels = (int(draw.integers(*span)) for span in ((0, 1 << 30), (5, 300), (5, 300), (3, 5)))
        prompt = PROMPTS[draw.integers(len(PROMPTS))]
        if arguments.only and arguments.only != variant.name:
            continue
        folder = base / variant.name
        checkpoints.write(variant, folder, seed)
        image = folder / "picture.png"
        make.picture(width, height, channels, seed).save(image)
        max_tiles = 2 if variant.side == 448 else case.max_tiles
        kind = f"{variant.dtype}, {variant.shards} files, tile {variant.side}, vision {variant.vision}, language {variant.language}"
        print(f"{variant.name}: picture {width}x{height}, {kind}", flush=True)
        fine &= one(arguments, folder, image, prompt, case.system, max_tiles, variant.name)
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--prompt")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--count", type=int, default=20, help="pictures of --questions")
    parser.add_argument("--system")
    parser.add_argument("--max-tiles", type=int)
    parser.add_argument("--max-tokens", type=int, default=12)
    parser.add_argument("--trace", type=Path, help="a trace made before, instead of running one")
    parser.add_argument("--random", type=int, metavar="SEED")
    parser.add_argument("--only", help="one variant of --random")
    parser.add_argument("--keep", help="where --random leaves its checkpoints")
    parser.add_argument("--pagelens", type=Path, default=DEFAULT_PROGRAM)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--weights", choices=tuple(LOGITS), default="f32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.random is not None:
        with tempfile.TemporaryDirectory() as folder:
            fine = random(arguments, Path(arguments.keep or folder))
    elif arguments.model and arguments.questions:
        fine = asked(arguments)
    elif arguments.model and arguments.image and arguments.prompt is not None:
        fine = one(arguments, arguments.model, arguments.image, arguments.prompt, arguments.system, arguments.max_tiles, arguments.model.name)
    else:
        parser.error("either --random, or --model and --questions, or --model, --image and --prompt")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
