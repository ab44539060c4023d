"""Draws the log of the reader's training: losses, and what it gets right of what its examples show.

python -m pagelens_training.curves --run runs/reader --out reader.svg
"""

import argparse
import csv
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
        log = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    figure, panels = pyplot.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    for panel, names, label in zip(panels, (("loss", "answer_loss"), ("characters", "cells", "answers")), ("loss", "right")):
        for name in names:
            panel.plot([row["step"] for row in log], [row[name] for row in log], label=name.replace("_", " "))
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
        panel.legend()
    panels[1].set_xlabel("step")
    figure.savefig(options.out)


if __name__ == "__main__":
    main()
