"""Trains from nothing: characters first, on packed pages of little variety, then the question, while the variety grows.

The schedule is in steps, so a busy machine makes it longer, not worse. It can be stopped at any time and started again.
"""

import argparse
import copy
import csv
import math
import time
from pathlib import Path
from random import Random

import numpy as np
import torch

from . import data, draw
from .model import Trainee
from .optimiser import Optimiser
from .tokenizer import Tokenizer

START = Path(__file__).parent.parent / "start.pt"  # weights to go on from on a new machine, without optimiser state
HELD_OUT = 96
SAVE_SECONDS = 180
WHOLE = 0.03  # share of pictures trained on with every cell, as in use; they are dear
COLUMNS = ("step", "seconds", "progress", "loss", "answer_loss", "char", "index", "centre", "spelled", "exact", "rate", "hard")


def learning_rate(progress: float, step: int) -> float:
    """Relative to the peak: warm-up, then a cosine."""
    return min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, progress))))


class HeldOut:
    """A fixed set of fresh pictures, read whole with the averaged weights."""

    def __init__(self, tokenizer: Tokenizer):
        random = Random("held out")
        pictures = [draw.one_word(random) for _ in range(HELD_OUT)]
        self.tokenizer, self.answers = tokenizer, [p.answer for p in pictures]
        self.patches = torch.from_numpy(np.stack([data.squeezed(p) for p in pictures])).flatten(1, 2)

    def exact(self, trainee: Trainee, show: int = 0) -> float:
        """Share of answers that are right to the letter."""
        prompt, stop = self.tokenizer.after(draw.QUESTION), self.tokenizer.id["<|im_end|>"]
        ids = [row for part in self.patches.split(16) for row in trainee.read(part, prompt)]
        read = [self.tokenizer.fast.decode(row[: row.index(stop)] if stop in row else row) for row in ids]
        for answer, got in list(zip(self.answers, read))[:show]:
            print(f"    {answer:10} {got}", flush=True)
        return sum(a == r for a, r in zip(self.answers, read)) / len(read)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path(__file__).parent.parent / "runs" / "toy")
    parser.add_argument("--steps", type=int, default=9000, help="length of the whole schedule, across restarts")
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--adam", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--from-nothing", action="store_true", help="leave start.pt alone")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    tokenizer = Tokenizer()
    trainee = Trainee(tokenizer)
    average = copy.deepcopy(trainee).eval()
    optimiser = Optimiser(trainee, options.muon, options.adam)
    step, before, hard, share = 0, 0.0, 0.0, 1.0
    checkpoint = options.run / "state.pt"
    begin = checkpoint if checkpoint.exists() else START
    if begin.exists() and not (begin == START and options.from_nothing):
        state = torch.load(begin)
        trainee.load_state_dict(state["trainee"])
        average.load_state_dict(state.get("average", state["trainee"]))
        if "optimiser" in state:
            optimiser.load_state_dict(state["optimiser"])
        step, before, hard, share = state["step"], state["seconds"], state["hard"], state["share"]
    knobs = torch.tensor((share, hard, WHOLE)).share_memory_()
    stream = torch.utils.data.DataLoader(data.Stream(seed=step, knobs=knobs), batch_size=None, num_workers=1, prefetch_factor=4)
    held_out = HeldOut(tokenizer)
    log = options.run / "log.csv"
    if not log.exists():
        log.write_text(",".join(COLUMNS) + "\n")

    start = saved = time.monotonic()
    counts, losses, answers, waited, mark = torch.zeros(8), [], [], 0.0, start
    batches = iter(stream)
    while True:
        seconds = before + time.monotonic() - start
        progress = step / options.steps
        rate = learning_rate(progress, step)
        waiting = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - waiting
        with torch.autocast("cpu", torch.bfloat16):
            output = trainee(batch)
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimiser.step(rate)
        with torch.no_grad():
            keep = min(0.998, (1 + step) / (20 + step))
            for a, p in zip(average.parameters(), trainee.parameters()):
                a.lerp_(p, 1 - keep)
        step += 1
        counts += output.counts
        if batch.prompt is None:
            losses.append(output.loss.item())
        else:
            answers.append(output.answer_loss.item())
        done = step >= options.steps
        exact = f"{held_out.exact(average, show=6):.4f}" if share < 1 and (step % 250 == 0 or done) else ""
        if time.monotonic() - saved > SAVE_SECONDS or done:
            state = {"trainee": trainee.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save(state | {"step": step, "seconds": seconds, "hard": hard, "share": share}, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
            saved = time.monotonic()
        if step % 50 == 0 or done:
            shares = (counts[0::2] / counts[1::2]).tolist()
            mean = [sum(x) / len(x) if x else float("nan") for x in (losses, answers)]
            row = [step, f"{seconds:.0f}", f"{progress:.4f}", *(f"{v:.4f}" for v in mean + shares), exact, f"{rate:.4f}", f"{hard:.2f}"]
            with log.open("a") as file:
                csv.writer(file).writerow(row)
            now = time.monotonic()
            speed = f"{(len(losses) + len(answers)) / (now - mark):.2f} steps/s, {waited / (now - mark):.0%} waiting"
            print(*(f"{k}={v}" for k, v in zip(COLUMNS, row)), speed, flush=True)
            if shares[0] > 0.6:
                share = 0.2
            if progress > 0.5:
                share = 0.15
            if shares[0] > 0.8:
                hard += 0.03
            hard = min(1.0, max(hard, (progress - 0.3) / 0.5))
            knobs.copy_(torch.tensor((share, hard, WHOLE if progress < 0.8 else 5 * WHOLE)))
            counts, losses, answers, waited, mark = torch.zeros(8), [], [], 0.0, now
        if done:
            break


if __name__ == "__main__":
    main()
