"""Writes the rivals' models: InternVL2.5-1B's encoder and decoder with noise for weights, as ONNX, in f32 and in 8 bits.

    python tests/peers/models.py OUT [--layers 24]

Needs torch, onnx, onnxscript and onnxruntime. The graphs are what a careful user would export: fused attention where the
exporter finds it, weights quantized by onnxruntime's own dynamic quantizer, which is its fastest kind on a CPU.
"""

import argparse
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
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
    """ids [1, T] and the cache -> logits after the last, [1, V], and the cache."""

    def __init__(self, layers: int, vocabulary: int = 151674, width: int = 896):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
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
        return self.head(self.norm(x[:, -1])), torch.stack(all_k), torch.stack(all_v)


def write(model: nn.Module, inputs: tuple, names: dict, shapes: tuple, path: Path) -> None:
    """In f32 and in 8 bits."""
    model = model.eval().requires_grad_(False)
    torch.onnx.export(
        model, inputs, str(path), input_names=names["in"], output_names=names["out"], dynamic_shapes=shapes, dynamo=True, external_data=True
    )  # fmt: skip
    small = path.with_name(path.stem + "-int8.onnx")
    quantize_dynamic(str(path), str(small), weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
    for part in path.parent.glob(path.name + "*"):
        part.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layers", type=int, default=24)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    tiles = {0: torch.export.Dim("tiles", min=1, max=41)}
    write(
        Encoder(options.layers), (torch.randn(2, 3, 448, 448),), {"in": ["pixel_values"], "out": ["tokens"]}, (tiles,),
        options.out / "encoder.onnx",
    )  # fmt: skip
    new, past = torch.export.Dim("new", min=1, max=8192), torch.export.Dim("past", min=1, max=8192)
    cache = torch.randn(options.layers, 1, 2, 3, 64)
    write(
        Decoder(options.layers), (torch.ones(1, 5, dtype=torch.long), cache, cache.clone()),
        {"in": ["ids", "keys", "values"], "out": ["logits", "new_keys", "new_values"]}, ({1: new}, {3: past}, {3: past}),
        options.out / "decoder.onnx",
    )  # fmt: skip


if __name__ == "__main__":
    main()
