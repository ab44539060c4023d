"""Blocks of every ggml type that is read, and what the `gguf` package makes of them: ggml.safetensors.

    python tests/format/ggml.py

A matrix [8, 256] a type. Its bits are random, so that every field of a block counts, with scales of moderate size.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

# Where the f16 scales of a block begin.
SCALES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q8_0: [0], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208]}

noise = np.random.default_rng(5)
stored = {}
for kind, scales in SCALES.items():
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = noise.integers(0, 256, (8 * 256 // elements, size), np.uint8)
    for at in scales:
        values = noise.normal(0, 0.05, len(blocks)).astype(np.float16)
        blocks[:, at : at + 2] = values.view(np.uint8).reshape(-1, 2)
    stored[f"{kind.name}.bytes"] = blocks.reshape(-1)
    stored[f"{kind.name}.values"] = gguf.quants.dequantize(blocks.reshape(8, -1), kind).astype(np.float32)
save_file(stored, Path(__file__).parent / "ggml.safetensors")
