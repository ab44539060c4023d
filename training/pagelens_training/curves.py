"""Draws the log of the reader's training: losses, what it gets right of its examples, and of held-out pages.

python -m pagelens_training.curves --run runs/reader --out reader.svg
"""

import argparse
import csv
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

HERE = Path(__file__).parent.parent


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "reader")
    parser.add_argument("--out", type=Path, default=HERE / "reader.svg")
    options = parser.parse_args()
    with (options.run / "log.csv").open() as file:
        log = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
    figure, panels = pyplot.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    for panel, names, label in zip(panels, (("loss", "answer_loss"), ("characters", "cells", "answers", "looks")), ("loss", "right")):
        for name, colour in zip(names, ("C0", "C1", "C2", "C3")):
            panel.plot([row["step"] for row in log], [row[name] for row in log], colour, label=name.replace("_", " "))
            looks = [(row["step"], row[f"held_out_{name}"]) for row in log if row.get(f"held_out_{name}", math.nan) >= 0]
            if looks:
                panel.plot(*zip(*looks), f"{colour}o--", label=f"{name}, held out")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
        panel.legend()
    panels[1].set_xlabel("step")
    figure.savefig(options.out)


if __name__ == "__main__":
    main()
