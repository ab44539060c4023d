"""The model: transformers' InternVL at toy size, initialised so that the encoder begins as a stack of local filters."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface, InternVLConfig, InternVLForConditionalGeneration
from transformers.masking_utils import AttentionMaskInterface

from .data import IGNORE, LABELS, SLOTS, Batch
from .draw import ALPHABET, LONGEST
from .tiles import CELLS, PATCH, SIDE, TILE
from .tokenizer import Tokenizer

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POSITION = 16  # channels that carry the place of a patch: sine and cosine of four frequencies on two axes
FREQUENCIES = (0.13, 0.4, 1.0, 2.2)  # radians a patch
AMPLITUDE = 3.0  # of the waves: above the content, so that a patch's place weighs the same whatever is printed there
SHARPNESS = 1.1  # of queries and keys: most of a head's attention falls on one patch
RING = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1))
REACH = (1, 1, 2, 3)  # patches between a head's query and its key, for each layer that starts local
SIDEWAYS = 5  # the layer whose heads start by looking at everything to the left or to the right: what counting needs


def config(tokenizer: Tokenizer) -> InternVLConfig:
    """Every size is a multiple of 32."""
    return InternVLConfig(
        vision_config=dict(
            hidden_size=128, num_hidden_layers=6, num_attention_heads=8, intermediate_size=384, attention_bias=True,
            image_size=[TILE, TILE], patch_size=[PATCH, PATCH], layer_scale_init_value=1.0,
        ),
        text_config=dict(
            model_type="qwen2", vocab_size=tokenizer.size, hidden_size=192, num_hidden_layers=3, intermediate_size=384,
            num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=4096, rope_theta=10000.0,
            tie_word_embeddings=False, bos_token_id=None, eos_token_id=tokenizer.id["<|im_end|>"],
            pad_token_id=tokenizer.id["<|endoftext|>"],
        ),
        image_token_id=tokenizer.id["<IMG_CONTEXT>"], tie_word_embeddings=False,
    )  # fmt: skip


def build(tokenizer: Tokenizer) -> InternVLForConditionalGeneration:
    """A new model."""
    model = InternVLForConditionalGeneration(config(tokenizer))
    with torch.no_grad():
        localise(model.model.vision_tower)
        for name, p in model.model.multi_modal_projector.named_parameters():
            if name.endswith("weight") and p.dim() == 2:
                nn.init.normal_(p, std=p.shape[1] ** -0.5)
    return model


def localise(tower: nn.Module) -> None:
    """Patch filters are the lowest cosine waves, positions are waves on channels of their own, heads look at neighbours."""
    width = tower.config.hidden_size
    heads, size = tower.config.num_attention_heads, width // tower.config.num_attention_heads
    projection = tower.embeddings.patch_embeddings.projection
    waves = torch.stack([torch.cos(math.pi / PATCH * (torch.arange(PATCH) + 0.5) * k) for k in range(PATCH)])
    waves = waves / waves.norm(dim=1, keepdim=True)
    order = sorted(((u, v) for u in range(PATCH) for v in range(PATCH)), key=lambda p: p[0] ** 2 + p[1] ** 2)
    luminance = torch.tensor((0.299, 0.587, 0.114)) * torch.tensor(STD) / 0.226
    projection.weight.zero_()
    projection.bias.zero_()
    for channel, (u, v) in zip(range(POSITION, width), order):
        strength = 0.02 if u == v == 0 else 0.12 * math.hypot(u, v)  # natural spectra fall with frequency
        projection.weight[channel] = strength * luminance[:, None, None] * torch.outer(waves[u], waves[v])

    positions = tower.embeddings.position_embeddings
    positions.zero_()
    places = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE)).float()  # (row, column)
    for axis, place in ((0, places[:, 1]), (1, places[:, 0])):
        for k, frequency in enumerate(FREQUENCIES):
            channel = axis * 8 + 2 * k
            positions[0, 1:, channel] = AMPLITUDE * torch.sin(frequency * place)
            positions[0, 1:, channel + 1] = AMPLITUDE * torch.cos(frequency * place)

    for depth, layer in enumerate(tower.encoder.layer):
        attention, residual = layer.attention, (2 * tower.config.num_hidden_layers) ** -0.5
        nn.init.orthogonal_(attention.v_proj.weight)
        nn.init.orthogonal_(attention.projection_layer.weight, gain=residual)
        nn.init.normal_(layer.mlp.fc1.weight, std=width**-0.5)
        nn.init.normal_(layer.mlp.fc2.weight, std=layer.mlp.fc2.in_features**-0.5 * residual)
        attention.v_proj.weight[:, :POSITION] = 0  # places steer attention and are no content
        layer.mlp.fc1.weight[:, :POSITION] = 0
        attention.projection_layer.weight[:POSITION] = 0
        layer.mlp.fc2.weight[:POSITION] = 0
        nn.init.normal_(attention.q_proj.weight, std=0.5 * width**-0.5)
        nn.init.normal_(attention.k_proj.weight, std=0.5 * width**-0.5)
        if depth == SIDEWAYS:
            look_sideways(attention, size)
        if depth >= len(REACH) or size < POSITION:
            continue
        for head, (dx, dy) in zip(range(heads), RING):
            rows = slice(head * size, (head + 1) * size)
            attention.q_proj.weight[rows] *= 0.1
            attention.k_proj.weight[rows] *= 0.1
            sharpness = SHARPNESS * (size / POSITION) ** 0.25  # attention divides by the root of the size
            attention.k_proj.weight[rows, :POSITION] = sharpness * torch.eye(size, POSITION)
            for axis, shift in ((0, dx * REACH[depth]), (1, dy * REACH[depth])):
                for k, frequency in enumerate(FREQUENCIES):
                    c, s = sharpness * math.cos(frequency * shift), sharpness * math.sin(frequency * shift)
                    at = head * size + axis * 8 + 2 * k
                    columns = slice(axis * 8 + 2 * k, axis * 8 + 2 * k + 2)
                    # sin(f(p+d)), cos(f(p+d)) from sin(fp), cos(fp)
                    attention.q_proj.weight[at : at + 2, columns] = torch.tensor([[c, s], [-s, c]])


def look_sideways(attention: nn.Module, size: int) -> None:
    """Half of the heads attend to what stands to the left in about the same row, half to the right."""
    for head in range(attention.num_heads):
        rows = slice(head * size, (head + 1) * size)
        attention.k_proj.weight[rows, :POSITION] = SHARPNESS * torch.eye(size, POSITION)
        side = 1 if head % 2 else -1
        for k, frequency in enumerate(FREQUENCIES):
            at = head * size + 2 * k
            # The first terms of a square wave: sin(f(p-q)) from sin and cos of fp and fq.
            strength = 2 * SHARPNESS * side * FREQUENCIES[0] / frequency
            attention.q_proj.weight[at, 2 * k + 1], attention.q_proj.weight[at + 1, 2 * k] = strength, -strength
            near = 0.4 * SHARPNESS if frequency in FREQUENCIES[1:3] else 0
            attention.q_proj.weight[at + 8 : at + 10, 8 + 2 * k : 10 + 2 * k] = near * torch.eye(2)


_lengths: list[int] | None = None


@contextmanager
def end_to_end(lengths: list[int]) -> Iterator[None]:
    """What models are given in here are sequences of these lengths, one behind the other; none attends to another."""
    global _lengths
    before, _lengths = _lengths, lengths
    try:
        yield
    finally:
        _lengths = before


class Attention(torch.autograd.Function):
    """Attention in bf16 on a CPU: twice as fast as PyTorch's there, forth and back. Some rows of one head at a time, so that scores
    stay in the cache; of what comes later than all of them, nothing is computed."""

    @staticmethod
    def forward(ctx, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, causal: bool) -> torch.Tensor:
        """Each [H, L, C] -> [H, L, C]"""
        query = query * scaling
        output, length, rows = torch.empty_like(query), query.shape[1], 256 if causal else 1024
        later = torch.ones(rows, rows, dtype=torch.bool).triu(1) if causal else None
        ctx.scaling, ctx.parts, weights = scaling, [], []
        for head in range(len(query)):
            for first in range(0, length, rows):
                last = min(first + rows, length)
                known = last if causal else length
                scores = query[head, first:last] @ key[head, :known].mT
                if causal:
                    scores[:, first:].masked_fill_(later[: last - first, : last - first], -math.inf)
                weights.append(scores.softmax(-1))
                torch.mm(weights[-1], value[head, :known], out=output[head, first:last])
                ctx.parts.append((head, slice(first, last), slice(known)))
        ctx.save_for_backward(query, key, value, *weights)
        return output

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple:
        query, key, value, *weights = ctx.saved_tensors
        queries, keys, values = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for (head, rows, known), weight in zip(ctx.parts, weights):
            values[head, known].addmm_(weight.mT, gradient[head, rows])
            scores = torch._softmax_backward_data(gradient[head, rows] @ value[head, known].mT, weight, -1, weight.dtype)
            torch.mm(scores, key[head, known], out=queries[head, rows])
            keys[head, known].addmm_(scores.mT, query[head, rows])
        return queries * ctx.scaling, keys, values, None, None


def mixed_attention(module, query, key, value, attention_mask, scaling, **_):
    """In the type of the values. Never masked."""
    groups = query.shape[1] // key.shape[1]
    if getattr(module, "keeps", False):  # the first head of each group, for a loss on where it looks
        module.kept = query[:, ::groups], key
    query, key = query.to(value.dtype), key.to(value.dtype)  # rotated in f32
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    causal = module.is_causal and query.shape[2] > 1
    by_hand = query.device.type == "cpu" and query.dtype == torch.bfloat16

    def attend(*each: torch.Tensor) -> torch.Tensor:
        if by_hand:
            return Attention.apply(*(part.flatten(0, 1) for part in each), scaling, causal).view_as(each[0])
        return nn.functional.scaled_dot_product_attention(*each, is_causal=causal, scale=scaling)

    with torch.autocast(query.device.type, enabled=False):
        each = zip(*(part.split(_lengths or part.shape[2], 2) for part in (query, key, value)))
        output = torch.cat([attend(*one) for one in each], 2)
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register("mixed", mixed_attention)
AttentionMaskInterface.register("mixed", lambda *_, **__: None)


class Probe(nn.Module):
    """The dense auxiliary loss on the encoder's patches; not exported."""

    def __init__(self, width: int):
        super().__init__()
        kinds = len(ALPHABET) + 1
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, (1 + SLOTS) * kinds + LONGEST)
        self.sizes = (kinds, LONGEST) + (kinds,) * SLOTS

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """features [B, P, C], labels [B, P, LABELS] -> loss, (characters right, characters, indices right, indices)"""
        outputs = self.head(self.norm(features)).split(self.sizes, -1)
        losses, right, total = [], [], []
        for k in range(LABELS):
            logits, target = outputs[k].flatten(0, 1), labels[..., k].flatten()
            if k == 1:
                losses.append(cross_entropy(logits, target, ignore_index=IGNORE))
                hit = target >= 0
            else:
                each = cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
                hit = target > 0
                # Text and background weigh the same, however much there is of either.
                losses.append(each[hit].mean() + 0.5 * each[~hit].sum() / (target == 0).sum().clamp(min=1))
            right.append((logits.argmax(-1) == target)[hit].sum())
            total.append(hit.sum())
        weights = (1.0, 0.5, 1.0, 0.3)
        loss = sum(w * x.nan_to_num() for w, x in zip(weights, losses))
        return loss, torch.stack([right[0], total[0], right[1], total[1], right[2], total[2]])


class Speller(nn.Module):
    """The auxiliary loss on what the decoder sees: which character of the word, if any, a cell holds at each place; not exported."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, LONGEST * (len(ALPHABET) + 1))

    def forward(self, image: torch.Tensor, spelling: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """image [B, K, D], spelling [B, K, LONGEST] -> loss, (right, characters)"""
        logits = self.head(self.norm(image)).unflatten(-1, (LONGEST, -1)).flatten(0, 2)
        target = spelling.flatten()
        each, hit = cross_entropy(logits, target, reduction="none"), target > 0
        return each[hit].mean() + each[~hit].mean(), torch.stack([(logits.argmax(-1) == target)[hit].sum(), hit.sum()])


@dataclass
class Output:
    """What a step needs."""

    loss: torch.Tensor
    answer_loss: torch.Tensor
    counts: torch.Tensor  # of the probe and the speller: right, all


class Pixels(nn.Module):
    """Runs a vision tower on any cells of a tile; it has no parameters of its own."""

    def __init__(self):
        super().__init__()
        scale = torch.tensor([1 / (255 * s) for s in STD]).repeat_interleave(PATCH * PATCH)
        shift = torch.tensor([-m / s for m, s in zip(MEAN, STD)]).repeat_interleave(PATCH * PATCH)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("steps", torch.tensor((0, 1, SIDE, SIDE + 1)), persistent=False)  # from a cell's first patch

    def forward(self, tower: nn.Module, patches: torch.Tensor, cells: torch.Tensor, tiles: list[int]) -> torch.Tensor:
        """[N, 4, 588] u8 and [N], the cells of all tiles of which each has so many -> [N, 4, C]."""
        embeddings, positions = tower.embeddings, tower.embeddings.position_embeddings[0]
        projection = embeddings.patch_embeddings.projection
        x = nn.functional.linear(patches * self.scale + self.shift, projection.weight.flatten(1), projection.bias)
        corner = cells // CELLS * 2 * SIDE + cells % CELLS * 2  # the cell's first patch, row-major
        x = x + positions[1:][corner[:, None] + self.steps]
        first = embeddings.cls_token[0] + positions[:1]
        x = torch.cat([part for tile in x.split(tiles) for part in (first, tile.flatten(0, 1))])[None]
        lengths = [1 + 4 * count for count in tiles]
        with end_to_end(lengths):
            for layer in tower.encoder.layer:
                x = layer(x)
        return torch.cat([tile[1:] for tile in x[0].split(lengths)]).unflatten(0, (-1, 4))


class Trainee(nn.Module):
    """The model and its probe on batches of cells. With all 256 cells it computes what the model itself does."""

    def __init__(self, tokenizer: Tokenizer):
        super().__init__()
        self.model = build(tokenizer)
        self.model.set_attn_implementation("mixed")
        self.probe = Probe(self.model.config.vision_config.hidden_size)
        self.speller = Speller(self.model.config.text_config.hidden_size)
        self.register_buffer("before", torch.tensor(tokenizer.before), persistent=False)
        self.pixels = Pixels()

    def encode(self, patches: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """[B, K*4, 588] u8 and [B, K] -> [B, K*4, C], the patches in cell-major order."""
        cells = cells.expand(len(patches), -1)
        patches = patches.unflatten(1, (-1, 4)).flatten(0, 1)
        features = self.pixels(self.model.model.vision_tower, patches, cells.flatten(), [cells.shape[1]] * len(cells))
        return features.flatten(0, 1).unflatten(0, (len(cells), -1))

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """[B, K*4, C] -> [B, K, D]"""
        return self.model.model.multi_modal_projector(features.unflatten(1, (-1, 4)).flatten(2))

    def prompt(self, image: torch.Tensor, cells: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings and positions of the prompt: [B, L, D], [B, L]."""
        embed, n = self.model.get_input_embeddings(), len(self.before)
        inputs = torch.cat([embed(self.before).expand(len(ids), -1, -1), image, embed(ids)], 1)
        after = torch.arange(ids.shape[1]) + n + (SIDE // 2) ** 2
        positions = torch.cat([torch.arange(n).expand(len(ids), -1), n + cells, after.expand(len(ids), -1)], 1)
        return inputs, positions

    def forward(self, batch: Batch) -> Output:
        features = self.encode(batch.patches, batch.cells)
        loss, counts = self.probe(features, batch.labels)
        if batch.prompt is None:
            return Output(loss, torch.zeros(()), torch.cat([counts, torch.zeros(2)]))
        image = self.project(features)
        spelling, spelled = self.speller(image, batch.spelling)
        inputs, positions = self.prompt(image, batch.cells, batch.prompt)
        hidden = self.model.model.language_model(inputs_embeds=inputs, position_ids=positions).last_hidden_state
        logits = self.model.lm_head(hidden[:, -batch.prompt.shape[1] :])
        answer = cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=IGNORE)
        return Output(answer + 0.3 * loss + 0.5 * spelling, answer, torch.cat([counts, spelled]))

    @torch.no_grad()
    def read(self, patches: torch.Tensor, prompt: list[int], longest: int = LONGEST + 2) -> list[list[int]]:
        """Greedy answers about whole tiles [B, 1024, 588]; the same question for all."""
        cells = torch.arange((SIDE // 2) ** 2).expand(len(patches), -1)
        image = self.project(self.encode(patches, cells))
        inputs, positions = self.prompt(image, cells, torch.tensor(prompt).expand(len(patches), -1))
        language, cache, answers = self.model.model.language_model, None, []
        for _ in range(longest):
            out = language(inputs_embeds=inputs, position_ids=positions, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            answers.append(self.model.lm_head(out.last_hidden_state[:, -1]).argmax(-1))
            inputs, positions = self.model.get_input_embeddings()(answers[-1])[:, None], positions[:, -1:] + 1
        return torch.stack(answers, 1).tolist()
