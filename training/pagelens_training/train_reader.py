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
import os
import tempfile
import time
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path
from random import Random

import torch
from torch import distributed

from .documents import held_out
from .documents.examples import conversation, example
from .documents.stream import Knobs, Stream
from .documents.vocabulary import Vocabulary
from .optimiser import ALONE, Optimiser, Team
from .reader import SIZES, Batch, Reader, collate

HERE = Path(__file__).parent.parent
START = HERE / "reader.pt"  # weights to go on from on a new machine
COLUMNS = (
    "step", "seconds", "loss", "answer_loss", "characters", "cells", "answers", "rate", "cells_per_s",
    "held_out_characters", "held_out_cells", "held_out_answers", "looks", "held_out_looks",
)  # fmt: skip
LOOK = 250  # steps between looks at what the average of the weights gets right of held-out pages
WARM_UP = 100
STAGES = ("see", "converse", "together")
PEAKS = (1.0, 1.0, 0.3)  # of the learning rate, by stage: at the full rate the third one spoilt what the first two had learned
MEETING = 1800  # seconds after which a process that waits for another gives up


def stage(step: int, lengths: list[int]) -> tuple[str, float]:
    """Which one a step belongs to, and how much of it is done."""
    for name, length in zip(STAGES, lengths):
        if step < length:
            return name, step / length
        step -= length
    return STAGES[-1], 1.0


def learning_rate(name: str, part: float, since: int) -> float:
    """Relative to the highest: a cosine over a stage, with a warm-up whenever training starts anew."""
    peak = PEAKS[STAGES.index(name)]
    return peak * min(1, (since + 1) / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))


def fast_type(device: torch.device) -> torch.dtype:
    """bf16 where products are faster in it: on GPUs, and on CPUs that have instructions for it (others take far longer)."""
    if device.type != "cpu":
        return torch.bfloat16
    times = {}
    for kind in (torch.float32, torch.bfloat16):
        a, b = torch.ones(2048, 192, dtype=kind), torch.ones(192, 576, dtype=kind)
        a @ b
        begin = time.monotonic()
        for _ in range(20):
            a @ b
        times[kind] = time.monotonic() - begin
    return min(times, key=lambda kind: times[kind])


def unseen(vocabulary: Vocabulary, chinese: float, most_tiles: int, longest: int, count: int = 24) -> list[Batch]:
    """Pages in typefaces that training never draws, with conversations: the same ones every time."""
    batches = []
    for number in range(count):
        random = Random(f"unseen {number}")
        page = held_out.page(random, "generator", "zh" if number < chinese * count else "en")
        one = example(page, conversation(random, page, longest, vocabulary), vocabulary, most_tiles, random, 0.05)
        batches.append(collate([one]))
    return batches


@torch.no_grad()
def look(average: Reader, batches: list[Batch], device: torch.device, team: Team) -> list[float]:
    """What is right of characters, of cells' tokens, of answers' tokens and of looks; each process looks at its share of the pages."""
    counts = team.sum(sum(average(batch.to(device)).counts for batch in batches[team.rank :: team.size]))
    return (counts[0::2] / counts[1::2]).tolist()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "reader")
    parser.add_argument("--steps", type=int, nargs=3, default=(12_000, 12_000, 6_000), metavar=STAGES, help="of each stage, across runs")
    parser.add_argument("--again", action="store_true", help="take the weights alone: the schedule starts anew")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long, saved")
    parser.add_argument("--cells", type=int, default=1536, help="in a process's batch")
    parser.add_argument("--most-tiles", type=int, default=6, help="of a page, thumbnail not counted")
    parser.add_argument("--longest", type=int, default=1000, help="tokens of a conversation, pictures not counted")
    parser.add_argument("--chinese", type=float, default=0.5, help="share of pages")
    parser.add_argument("--processes", type=int, default=1, help="that train; on a CPU two of one thread do more than one of two")
    parser.add_argument("--workers", type=int, default=1, help="that make batches, of each process")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of each process")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--adam", type=float, default=1.5e-3)
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    if options.processes == 1:
        train(ALONE, options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            torch.multiprocessing.spawn(member, (options, f"file://{folder}/meeting"), options.processes)


def member(rank: int, options: argparse.Namespace, meeting: str) -> None:
    """One of several processes."""
    timeout = timedelta(seconds=MEETING)
    distributed.init_process_group("gloo", init_method=meeting, world_size=options.processes, rank=rank, timeout=timeout)
    train(Team(rank, options.processes), options)
    distributed.destroy_process_group()


def train(team: Team, options: argparse.Namespace) -> None:
    """Until the schedule or the time is at its end; the first process keeps the log and the weights."""
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
        step, seconds = (0 if options.again else state["step"]), state["seconds"]
    reader.to(device)
    average = copy.deepcopy(reader).eval()
    kind = fast_type(device)
    optimiser = Optimiser(reader, options.muon, options.adam, kind, team)
    shared = torch.tensor(astuple(Knobs())).share_memory_()
    torch.manual_seed(team.rank)
    stream = Stream(f"{step} {team.rank}", options.cells, options.longest, options.chinese, shared)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=options.workers, prefetch_factor=4)
    log = options.run / "log.csv"
    if team.rank == 0 and not log.exists():
        log.write_text(",".join(COLUMNS) + "\n")

    def save(now: float) -> None:
        for name, module in (("weights", reader), ("average", average)):
            weights = {key: value.half().cpu() for key, value in module.state_dict().items()}
            state = {"reader": weights, "step": step, "seconds": seconds + now - begin, "size": options.size}
            torch.save(state, options.run / f"{name}.new")
            (options.run / f"{name}.new").replace(options.run / f"{name}.pt")

    pages = unseen(vocabulary, options.chinese, options.most_tiles, options.longest)
    parent = os.getppid()  # another one once the command was killed: its processes stop, saved
    begin = mark = saved = time.monotonic()
    first, waited = step, 0.0
    counts, losses, answers, cells = torch.zeros(8, device=device), [], [], 0
    name, part = stage(step, options.steps)
    shared.copy_(torch.tensor(astuple(knobs(name, part, options.most_tiles))))
    batches = iter(loader)
    while True:
        name, part = stage(step, options.steps)
        shared.copy_(torch.tensor(astuple(knobs(name, part, options.most_tiles))))
        rate = learning_rate(name, part, step - first)
        waiting = time.monotonic()
        batch = collate(next(batches)).to(device)
        waited += time.monotonic() - waiting
        converse = name != "see" and bool((batch.target >= 0).any())
        with torch.autocast(device.type, torch.bfloat16, enabled=kind == torch.bfloat16):
            output = reader(batch, see=name != "converse", converse=converse)
        output.loss.backward()
        team.mean_gradients(reader)
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimiser.step(rate)
        with torch.no_grad():
            keep = min(0.998, (1 + step - first) / (20 + step - first))
            torch._foreach_lerp_(list(average.parameters()), list(reader.parameters()), 1 - keep)
            counts += output.counts
        step += 1
        cells += len(batch.cells)
        losses.append(output.loss.detach())
        if converse:
            answers.append(output.answer.detach())
        now = time.monotonic()
        late = team.sum(torch.tensor(float(now - begin > options.seconds or os.getppid() != parent)))
        done = step >= sum(options.steps) or bool(late)
        if step % 50 == 0 or done:
            team.sum(counts)
            shares = (counts[0::2] / counts[1::2]).tolist()
            seen = [f"{v:.4f}" for v in look(average, pages, device, team)] if step % LOOK == 0 or done else [""] * 4
            mean = [torch.stack(part).mean().item() if part else math.nan for part in (losses, answers)]
            figures = (f"{v:.4f}" for v in (*mean, *shares[:3], rate))
            speed, looks = cells * team.size / (now - mark), (f"{shares[3]:.4f}", seen[3])
            row = [step, f"{seconds + now - begin:.0f}", *figures, f"{speed:.0f}", *seen[:3], *looks]
            if team.rank == 0:
                with log.open("a") as file:
                    csv.writer(file).writerow(row)
                print(*(f"{k}={v}" for k, v in zip(COLUMNS, row)), f"{waited / (now - mark):.0%} waiting", flush=True)
            counts.zero_()
            losses, answers, cells, waited, mark = [], [], 0, 0.0, time.monotonic()
        if team.rank == 0 and (done or now - saved > 300):
            save(now)
            saved = now
        if done:
            break


def knobs(name: str, part: float, most_tiles: int) -> Knobs:
    """What batches are like at this part of a stage. Bands come first, then more and more pages, as they are in use: the decoder
    learns to copy from a few cells before it looks for what to copy."""
    if name == "see":
        return Knobs(strength=min(1.0, 0.3 + part), tiles=most_tiles, bands=0.85 - 0.4 * part)
    if name == "converse":
        return Knobs(strength=1.0, tiles=most_tiles, converse=True, whole=0.05, bands=0.95 - 0.85 * part)
    return Knobs(strength=1.0, tiles=most_tiles, converse=True, whole=0.2, bands=0.1)


if __name__ == "__main__":
    main()
