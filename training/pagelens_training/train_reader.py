"""Trains the document reader on whatever there is: a GPU in runs of minutes, a CPU in the background for days.

Three stages: the encoder and the projector on what stands in each patch and cell; then the projector and the decoder on
conversations, the encoder as it is; then everything. InternVL's two stages, with one between them in which a small computer
need not train the encoder to teach the decoder. It saves the weights alone, half as long as they compute, so that a run can go
on on another machine.
"""

import argparse
import copy
import csv
import math
import time
from dataclasses import astuple
from pathlib import Path

import torch

from .documents.stream import Knobs, Stream
from .documents.vocabulary import Vocabulary
from .optimiser import Optimiser
from .reader import SIZES, Reader, collate

HERE = Path(__file__).parent.parent
START = HERE / "reader.pt"  # weights to go on from on a new machine
COLUMNS = ("step", "seconds", "loss", "answer_loss", "characters", "cells", "answers", "rate", "cells_per_s")
SEE, CONVERSE = 0.3, 0.8  # of all steps: where the first and the second stage end
WARM_UP = 100


def learning_rate(step: int, steps: int, since: int) -> float:
    """Relative to the peak: a cosine over all steps, with a warm-up whenever training starts anew."""
    return min(1, (since + 1) / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, step / steps))))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "reader")
    parser.add_argument("--steps", type=int, default=60_000, help="length of the whole schedule, across runs")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long, saved")
    parser.add_argument("--cells", type=int, default=1536, help="in a batch")
    parser.add_argument("--most-tiles", type=int, default=6, help="of a page, thumbnail not counted")
    parser.add_argument("--longest", type=int, default=600, help="tokens of a conversation, pictures not counted")
    parser.add_argument("--chinese", type=float, default=0.5, help="share of pages")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--adam", type=float, default=1.5e-3)
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)

    vocabulary = Vocabulary()
    reader = Reader(SIZES[options.size], vocabulary)
    step, seconds = 0, 0.0
    checkpoint = options.run / "weights.pt"
    begin_from = checkpoint if checkpoint.exists() else START
    if begin_from.exists():
        state = torch.load(begin_from, map_location="cpu")
        reader.load_state_dict(state["reader"])
        step, seconds = state["step"], state["seconds"]
    reader.to(device)
    average = copy.deepcopy(reader).eval()
    optimiser = Optimiser(reader, options.muon, options.adam)
    shared = torch.tensor(astuple(Knobs())).share_memory_()
    stream = Stream(step, options.cells, options.longest, options.chinese, shared)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=options.workers, prefetch_factor=4)
    log = options.run / "log.csv"
    if not log.exists():
        log.write_text(",".join(COLUMNS) + "\n")

    def save(now: float) -> None:
        for name, module in (("weights", reader), ("average", average)):
            weights = {key: value.half().cpu() for key, value in module.state_dict().items()}
            state = {"reader": weights, "step": step, "seconds": seconds + now - begin, "size": options.size}
            torch.save(state, options.run / f"{name}.new")
            (options.run / f"{name}.new").replace(options.run / f"{name}.pt")

    begin = mark = saved = time.monotonic()
    first, waited = step, 0.0
    counts, losses, answers, cells = torch.zeros(6, device=device), [], [], 0
    shared.copy_(torch.tensor(astuple(knobs(step / options.steps, options.most_tiles))))
    batches = iter(loader)
    while True:
        progress = step / options.steps
        shared.copy_(torch.tensor(astuple(knobs(progress, options.most_tiles))))
        rate = learning_rate(step, options.steps, step - first)
        waiting = time.monotonic()
        batch = collate(next(batches), vocabulary.none).to(device)
        waited += time.monotonic() - waiting
        converse = progress >= SEE and bool((batch.target >= 0).any())
        # On CPUs without matrix units bf16 takes twice as long as f32.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            output = reader(batch, see=not SEE <= progress < CONVERSE, converse=converse)
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimiser.step(rate)
        with torch.no_grad():
            keep = min(0.998, (1 + step - first) / (20 + step - first))
            for a, p in zip(average.parameters(), reader.parameters()):
                a.lerp_(p, 1 - keep)
            counts += output.counts
        step += 1
        cells += len(batch.order)
        losses.append(output.loss.detach())
        if converse:
            answers.append(output.answer.detach())
        now = time.monotonic()
        done = step >= options.steps or now - begin > options.seconds
        if step % 50 == 0 or done:
            shares = (counts[0::2] / counts[1::2]).tolist()
            mean = [torch.stack(part).mean().item() if part else math.nan for part in (losses, answers)]
            row = [step, f"{seconds + now - begin:.0f}", *(f"{v:.4f}" for v in (*mean, *shares, rate)), f"{cells / (now - mark):.0f}"]
            with log.open("a") as file:
                csv.writer(file).writerow(row)
            print(*(f"{k}={v}" for k, v in zip(COLUMNS, row)), f"{waited / (now - mark):.0%} waiting", flush=True)
            counts.zero_()
            losses, answers, cells, waited, mark = [], [], 0, 0.0, now
        if done or now - saved > 300:
            save(now)
            saved = now
        if done:
            break


def knobs(progress: float, most_tiles: int) -> Knobs:
    """What batches are like at this part of the whole: stronger effects and more tiles as it goes."""
    converse = progress >= SEE
    part = (progress - SEE) / (CONVERSE - SEE) if converse else progress / SEE
    most = min(most_tiles, 2 + part * 2 * (most_tiles - 2))
    return Knobs(strength=min(1.0, 2 * progress), tiles=most, converse=converse, whole=0.05 if progress < CONVERSE else 0.2)


if __name__ == "__main__":
    main()
