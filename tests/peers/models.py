"""Writes the rivals' models: InternVL2.5-1B's encoder and decoder with noise for weights.

    python tests/peers/models.py OUT [--layers 24] [cpu] [webgpu] [gguf]

Needs torch, onnx, onnxscript, onnxruntime and gguf. The graphs are what a careful user would export: fused attention where the
exporter finds it, weights quantized by onnxruntime's own tools. `cpu`: in 8 bits by its dynamic quantizer, its fastest kind
there. `webgpu`: in f32, and in blocks of 8 and of 4 bits, cut to what a software adapter gets done: one layer of the encoder,
two of the decoder, which is handed its embeddings. `gguf`: the decoder as llama.cpp has it.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention, silu


class EncoderLayer(nn.Module):
    """InternViT-300M's."""

    def __init__(self, width: int = 1024, heads: int = 16):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.ls1, self.ls2 = nn.Parameter(torch.full((width,), 0.1)), nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.ls1 * self.proj(mixed)
        return x + self.ls2 * self.fc2(gelu(self.fc1(self.norm2(x))))


class Encoder(nn.Module):
    """[n, 3, 448, 448] -> [n, 256, 896]: patches, layers, pixel shuffle, projector."""

    def __init__(self, layers: int, width: int = 1024, out: int = 896):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 14, 14)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, 1025, width) * 0.02)
        self.layers = nn.ModuleList(EncoderLayer(width) for _ in range(layers))
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(4 * width), nn.Linear(4 * width, out), nn.Linear(out, out)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        x = self.patches(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for layer in self.layers:
            x = layer(x)
        x = x[:, 1:].unflatten(1, (16, 2, 16, 2)).permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)
        return self.fc2(gelu(self.fc1(self.norm(x))))


class DecoderLayer(nn.Module):
    """Qwen2.5-0.5B's, with its cache handed in and out."""

    def __init__(self, width: int = 896, heads: int = 14, kv_heads: int = 2, hidden: int = 4864):
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, width // heads
        self.norm1, self.norm2 = nn.RMSNorm(width, 1e-6), nn.RMSNorm(width, 1e-6)
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.size)
        self.o = nn.Linear(width, width, bias=False)
        self.gate_up, self.down = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x, cos, sin, mask, past_k, past_v):
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (-1, self.size)).transpose(1, 2)
        q, k, v = qkv.split((self.heads, self.kv_heads, self.kv_heads), 1)
        q, k = (y * cos + torch.cat([-y[..., self.size // 2 :], y[..., : self.size // 2]], -1) * sin for y in (q, k))
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
        groups = self.heads // self.kv_heads
        wide = (y.unsqueeze(2).expand(-1, -1, groups, -1, -1).flatten(1, 2) for y in (k, v))
        mixed = scaled_dot_product_attention(q, *wide, attn_mask=mask).transpose(1, 2).flatten(2)
        x = x + self.o(mixed)
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(silu(gate) * up), k, v


class Decoder(nn.Module):
    """ids [1, T], or where it does not embed [1, T, C], and the cache -> logits after the last, [1, 1, V], and the cache."""

    def __init__(self, layers: int, embeds: bool, vocabulary: int = 151674, width: int = 896):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width) if embeds else nn.Identity()
        self.layers = nn.ModuleList(DecoderLayer(width) for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(width, 1e-6), nn.Linear(width, vocabulary, bias=False)
        self.register_buffer("frequencies", 1e6 ** -(torch.arange(0, 64, 2) / 64))

    def forward(self, ids, keys, values):
        """keys, values [layers, 1, 2, P, 64]"""
        past, new = keys.shape[3], ids.shape[1]
        at = torch.arange(new) + past
        angles = (at[:, None] * self.frequencies).repeat(1, 2)
        cos, sin = angles.cos(), angles.sin()
        mask = torch.where(torch.arange(past + new) <= at[:, None], 0.0, -1e9)
        x, all_k, all_v = self.embed(ids), [], []
        for i, layer in enumerate(self.layers):
            x, k, v = layer(x, cos, sin, mask, keys[i], values[i])
            all_k.append(k)
            all_v.append(v)
        return self.head(self.norm(x[:, -1:])), torch.stack(all_k), torch.stack(all_v)


def export(model: nn.Module, inputs: tuple, names: dict, shapes: tuple, path: Path) -> None:
    """In f32."""
    model = model.eval().requires_grad_(False)
    torch.onnx.export(
        model, inputs, str(path), input_names=names["in"], output_names=names["out"], dynamic_shapes=shapes, dynamo=True, external_data=True
    )  # fmt: skip


def export_encoder(layers: int, path: Path) -> None:
    tiles = {0: torch.export.Dim("tiles", min=1, max=41)}
    export(Encoder(layers), (torch.randn(2, 3, 448, 448),), {"in": ["pixel_values"], "out": ["tokens"]}, (tiles,), path)


def export_decoder(layers: int, embeds: bool, path: Path) -> None:
    new, past = torch.export.Dim("new", min=1, max=8192), torch.export.Dim("past", min=1, max=8192)
    cache = torch.randn(layers, 1, 2, 3, 64)
    first = torch.ones(1, 5, dtype=torch.long) if embeds else torch.randn(1, 5, 896)
    export(
        Decoder(layers, embeds), (first, cache, cache.clone()),
        {"in": ["ids", "keys", "values"], "out": ["logits", "new_keys", "new_values"]}, ({1: new}, {3: past}, {3: past}), path,
    )  # fmt: skip


def to_int8(path: Path) -> None:
    """OUT/x.onnx becomes OUT/x-int8.onnx."""
    small = path.with_name(path.stem + "-int8.onnx")
    quantize_dynamic(str(path), str(small), weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
    remove(path)


def to_blocks(path: Path) -> None:
    """OUT/x.onnx becomes OUT/x-f32.onnx, and x-q8.onnx and x-q4.onnx, whose products may round their other side to 8 bits too."""
    onnx.save(onnx.load(path), path.with_name(path.stem + "-f32.onnx"))
    for bits in (8, 4):
        quantizer = MatMulNBitsQuantizer(str(path), bits=bits, block_size=32, is_symmetric=True, accuracy_level=4)
        quantizer.process()
        quantizer.model.save_model_to_file(str(path.with_name(f"{path.stem}-q{bits}.onnx")))
    remove(path)


def remove(path: Path) -> None:
    """An exported model and its weights."""
    for part in path.parent.glob(path.name + "*"):
        part.unlink()


def write_gguf(layers: int, kind: gguf.GGMLQuantizationType, path: Path, vocabulary: int = 151674, width: int = 896) -> None:
    """Qwen2.5-0.5B's sizes, with tokens that mean nothing."""
    heads, kv_heads, size, hidden = 14, 2, 64, 4864
    file = gguf.GGUFWriter(path, "qwen2")
    file.add_context_length(32768)
    file.add_embedding_length(width)
    file.add_block_count(layers)
    file.add_feed_forward_length(hidden)
    file.add_head_count(heads)
    file.add_head_count_kv(kv_heads)
    file.add_rope_freq_base(1e6)
    file.add_layer_norm_rms_eps(1e-6)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("qwen2")
    file.add_token_list(["\u010a", "a", "b", "ab", *(f"<{i}>" for i in range(4, vocabulary))])  # the first is a new line
    file.add_token_merges(["a b"])
    noise = np.random.default_rng(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        block, bytes_of_block = gguf.GGML_QUANT_SIZES[kind]
        blocks = noise.integers(0, 256, (rows * columns // block, bytes_of_block), np.uint8)
        blocks[:, :2] = np.frombuffer(np.float16(0.001).tobytes(), np.uint8)  # the scale
        file.add_tensor(f"{name}.weight", blocks.reshape(rows, -1), raw_dtype=kind)

    def vector(name: str, length: int) -> None:
        file.add_tensor(name, np.ones(length, np.float32))

    matrix("token_embd", vocabulary, width)
    matrix("output", vocabulary, width)
    vector("output_norm.weight", width)
    for layer in (f"blk.{i}" for i in range(layers)):
        for name, rows in (("q", heads * size), ("k", kv_heads * size), ("v", kv_heads * size)):
            matrix(f"{layer}.attn_{name}", rows, width)
            vector(f"{layer}.attn_{name}.bias", rows)
        matrix(f"{layer}.attn_output", width, width)
        matrix(f"{layer}.ffn_gate", hidden, width)
        matrix(f"{layer}.ffn_up", hidden, width)
        matrix(f"{layer}.ffn_down", width, hidden)
        vector(f"{layer}.attn_norm.weight", width)
        vector(f"{layer}.ffn_norm.weight", width)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="cpu, webgpu or gguf; all if nothing is said")
    parser.add_argument("--layers", type=int, default=24)
    options = parser.parse_intermixed_args()
    out, layers, kinds = options.out, options.layers, options.kinds or ["cpu", "webgpu", "gguf"]
    if not set(kinds) <= {"cpu", "webgpu", "gguf"}:
        parser.error("the kinds are cpu, webgpu and gguf")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    if "cpu" in kinds:
        export_encoder(layers, out / "encoder.onnx")
        to_int8(out / "encoder.onnx")
        export_decoder(layers, True, out / "decoder.onnx")
        to_int8(out / "decoder.onnx")
    if "webgpu" in kinds:
        export_encoder(1, out / "encoder-1.onnx")
        export_decoder(2, False, out / "decoder-2.onnx")
        to_blocks(out / "encoder-1.onnx")
        to_blocks(out / "decoder-2.onnx")
    if "gguf" in kinds:
        for kind in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
            write_gguf(layers, kind, out / f"decoder-{kind.name}.gguf")


if __name__ == "__main__":
    main()
