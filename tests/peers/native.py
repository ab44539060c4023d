"""PageLens and other engines outside a browser, one after the other, on as many CPU threads each: InternVL2.5-1B's sizes, medians.

    python tests/peers/models.py /tmp/peers        (once: the rivals' models, 3 GB)
    (cd tests/peers && npm install)                (llama.cpp)
    cargo build --release
    python tests/peers/native.py /tmp/peers [--threads 1 2] [--repeats 5] [ENGINE ...]

Needs onnxruntime. The engines are onnxruntime, with 8-bit weights, and llama.cpp, the decoder alone, with Q8_0 and with Q4_0. A
thread has a core to itself. Milliseconds; behind a rival's, how many times PageLens's they are, with weights of as many bits.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TILE, PREFILL, TOKEN = "encode a tile", "prefill 512", "a token at 512"


def pagelens(weights: str, repeats: int) -> dict[str, float]:
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "pagelens"
    options = ["--device", "cpu", "--weights", weights, "--repeats", str(repeats), "--prompts", "512", "--contexts", "512"]
    command = [str(program), "bench", *options, "--no-page", "--no-kernels", "--json"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {line["name"]: line["ms"] for line in json.loads(output)["measurements"]}


def llama(models: Path, kind: str, threads: int, repeats: int) -> dict[str, float]:
    command = ["node", "llama.js", str((models / f"decoder-{kind}.gguf").absolute()), str(threads), str(repeats)]
    output = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout
    times = json.loads(output.splitlines()[-1])
    return {PREFILL: times["prefill"], TOKEN: times["token"]}


def onnx(models: Path, threads: int, repeats: int) -> dict[str, float]:
    def session(name: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(models / name, options, providers=["CPUExecutionProvider"])

    encoder = session("encoder-int8.onnx")
    pixels = np.sin(np.arange(3 * 448 * 448, dtype=np.float32)).reshape(1, 3, 448, 448)
    times = {TILE: median(lambda: encoder.run(None, {"pixel_values": pixels}), repeats)}
    del encoder
    decoder = session("decoder-int8.onnx")
    layers = decoder.get_inputs()[1].shape[0]
    for name, past, length in ((PREFILL, 1, 512), (TOKEN, 512, 1)):
        cache = np.full((layers, 1, 2, past, 64), 0.01, np.float32)
        inputs = {"ids": np.arange(length, dtype=np.int64)[None], "keys": cache, "values": cache}
        times[name] = median(lambda inputs=inputs: decoder.run(None, inputs), repeats)
    return times


def median(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds; the first time does not count."""
    times = []
    for turn in range(repeats + 1):
        began = time.perf_counter()
        work()
        if turn > 0:
            times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help="onnxruntime or llama.cpp; both if nothing is said")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_intermixed_args()
    known = ["onnxruntime", "llama.cpp"]
    models, repeats, engines = options.models, options.repeats, options.engines or known
    if not set(engines) <= set(known):
        parser.error(f"the engines are {' and '.join(known)}")
    cores = sorted(os.sched_getaffinity(0))
    for threads in options.threads:
        if threads > len(cores):
            raise SystemExit(f"{threads} threads want as many cores; there are {len(cores)}")
        os.sched_setaffinity(0, cores[:threads])  # the programs that are started have it too
        ours = {bits: pagelens(bits, repeats) for bits in (("q8", "q4") if "llama.cpp" in engines else ("q8",))}
        rivals: list[tuple[str, str, dict[str, float]]] = []
        if "onnxruntime" in engines:
            rivals.append(("onnxruntime int8", "q8", onnx(models, threads, repeats)))
        if "llama.cpp" in engines:
            rivals += [(f"llama.cpp {kind}", bits, llama(models, kind, threads, repeats)) for kind, bits in (("Q8_0", "q8"), ("Q4_0", "q4"))]
        print(f"\n{f'threads: {threads}':20}" + "".join(f"{name:>20}" for name in (TILE, PREFILL, TOKEN)))
        for bits, times in ours.items():
            print(f"{f'PageLens {bits}':20}" + "".join(f"{times[name]:13.1f}       " for name in (TILE, PREFILL, TOKEN)).rstrip())
        for rival, bits, times in rivals:
            cells = (f"{times[name]:13.1f} {times[name] / ours[bits][name]:6.2f}" if name in times else " " * 20 for name in (TILE, PREFILL, TOKEN))
            print(f"{rival:20}" + "".join(cells).rstrip())


if __name__ == "__main__":
    main()
