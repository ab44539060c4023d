"""Trains the document reader on whatever there is: a GPU in runs of minutes, a CPU in the background for days.

Two stages, as InternVL's: the encoder and the projector on what stands in each patch and cell, then everything on
conversations. It saves the weights alone, half as long as they compute, so that a run can go on on another machine.
"""

import argparse
import copy
import csv
import math
import time
from pathlib import Path

import torch

from .documents.stream import Stream
from .documents.vocabulary import Vocabulary
from .optimiser import Optimiser
from .reader import SIZES, Reader, collate

HERE = Path(__file__).parent.parent
COLUMNS = ("step", "seconds", "loss", "answer_loss", "patches", "cells", "tokens", "rate", "tiles_per_s")
STAGE_1 = 0.25  # of all steps
WARM_UP = 100


def learning_rate(step: int, steps: int, since: int) -> float:
    """Relative to the peak: a cosine over all steps, with a warm-up whenever training starts anew."""
    return min(1, (since + 1) / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, step / steps))))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "reader")
    parser.add_argument("--steps", type=int, default=20_000, help="length of the whole schedule, across runs")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long, saved")
    parser.add_argument("--tiles", type=int, default=8, help="in a batch")
    parser.add_argument("--most-tiles", type=int, default=6, help="of a page, thumbnail not counted")
    parser.add_argument("--longest", type=int, default=512, help="tokens of a conversation, pictures not counted")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--adam", type=float, default=1e-3)
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device = torch.device(options.device)

    vocabulary = Vocabulary()
    reader = Reader(SIZES[options.size], vocabulary, "sdpa" if device.type == "cuda" else "mixed")
    step, checkpoint = 0, options.run / "weights.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        reader.load_state_dict(state["reader"])
        step = state["step"]
    reader.to(device)
    average = copy.deepcopy(reader).eval()
    optimiser = Optimiser(reader, options.muon, options.adam)
    knobs = torch.tensor((0.0, 1.0)).share_memory_()
    stream = Stream(step, options.tiles, options.longest, knobs)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=options.workers, prefetch_factor=4)
    log = options.run / "log.csv"
    if not log.exists():
        log.write_text(",".join(COLUMNS) + "\n")

    def save() -> None:
        for name, module in (("weights", reader), ("average", average)):
            weights = {key: value.half().cpu() for key, value in module.state_dict().items()}
            torch.save({"reader": weights, "step": step, "size": options.size}, options.run / f"{name}.new")
            (options.run / f"{name}.new").replace(options.run / f"{name}.pt")

    begin = mark = saved = time.monotonic()
    first = step
    counts, losses, answers, tiles = torch.zeros(6, device=device), [], [], 0
    for examples in loader:
        progress = step / options.steps
        converse = progress >= STAGE_1
        knobs.copy_(torch.tensor((min(1.0, 2 * progress), float(options.most_tiles if converse else 4))))
        rate = learning_rate(step, options.steps, step - first)
        batch = collate(examples, vocabulary.id["<|endoftext|>"]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            output = reader(batch, converse)
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimiser.step(rate)
        with torch.no_grad():
            keep = min(0.999, (1 + step - first) / (20 + step - first))
            for a, p in zip(average.parameters(), reader.parameters()):
                a.lerp_(p, 1 - keep)
            counts += output.counts
        step += 1
        tiles += len(batch.patches)
        losses.append(output.loss.detach())
        if converse:
            answers.append(output.answer.detach())
        done = step >= options.steps or time.monotonic() - begin > options.seconds
        if step % 50 == 0 or done:
            now = time.monotonic()
            shares = (counts[0::2] / counts[1::2]).tolist()
            mean = [torch.stack(part).mean().item() if part else math.nan for part in (losses, answers)]
            row = [step, f"{now - begin:.0f}", *(f"{v:.4f}" for v in (*mean, *shares, rate)), f"{tiles / (now - mark):.1f}"]
            with log.open("a") as file:
                csv.writer(file).writerow(row)
            print(*(f"{k}={v}" for k, v in zip(COLUMNS, row)), flush=True)
            counts.zero_()
            losses, answers, tiles, mark = [], [], 0, now
        if done or time.monotonic() - saved > 300:
            save()
            saved = time.monotonic()
        if done:
            break


if __name__ == "__main__":
    main()
