"""The document reader: transformers' InternVL at one of several small sizes, and the auxiliary losses it is trained with."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import InternVLConfig, InternVLForConditionalGeneration

from .documents.characters import CLASS
from .documents.examples import CELL_SLOTS, IGNORE, PATCH_SLOTS, Example
from .documents.vocabulary import Vocabulary
from .model import MEAN, STD, localise
from .tiles import CELLS, PATCH, SIDE, TILE


@dataclass(frozen=True)
class Size:
    """Widths and depths; heads are 32 channels wide."""

    vision: int
    vision_layers: int
    text: int
    text_layers: int


SIZES = {"small": Size(192, 6, 256, 4), "base": Size(320, 8, 320, 6)}


def config(size: Size, vocabulary: Vocabulary) -> InternVLConfig:
    """Every width is a multiple of 32."""
    return InternVLConfig(
        vision_config=dict(
            hidden_size=size.vision, num_hidden_layers=size.vision_layers, num_attention_heads=size.vision // 32,
            intermediate_size=3 * size.vision, attention_bias=True, image_size=[TILE, TILE], patch_size=[PATCH, PATCH],
            layer_scale_init_value=1.0,
        ),
        text_config=dict(
            model_type="qwen2", vocab_size=vocabulary.size, hidden_size=size.text, num_hidden_layers=size.text_layers,
            intermediate_size=size.text * 11 // 4 // 32 * 32, num_attention_heads=size.text // 32, num_key_value_heads=2,
            max_position_embeddings=8192, rope_theta=100000.0, tie_word_embeddings=True, bos_token_id=None,
            eos_token_id=vocabulary.id["<|im_end|>"], pad_token_id=vocabulary.id["<|endoftext|>"],
        ),
        image_token_id=vocabulary.id["<IMG_CONTEXT>"], tie_word_embeddings=True,
    )  # fmt: skip


@dataclass
class Batch:
    """T tiles of B conversations of at most L tokens."""

    patches: torch.Tensor  # [T, 1024, 588] u8
    covers: torch.Tensor  # [T, 1024]
    patch_slots: torch.Tensor  # [T, 1024, PATCH_SLOTS]
    cell_slots: torch.Tensor  # [T, 256, CELL_SLOTS]
    ids: torch.Tensor  # [B, L] padded on the right
    target: torch.Tensor  # [B, L]

    def to(self, device: torch.device) -> "Batch":
        """On the device."""
        return Batch(*(part.to(device, non_blocking=True) for part in vars(self).values()))


def collate(examples: list[Example], pad: int) -> Batch:
    """Examples as one batch."""

    def joined(name: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([getattr(e, name) for e in examples]))

    longest = max(len(e.ids) for e in examples)

    def padded(name: str, fill: int) -> torch.Tensor:
        rows = [np.pad(getattr(e, name), (0, longest - len(e.ids)), constant_values=fill) for e in examples]
        return torch.from_numpy(np.stack(rows))

    return Batch(
        joined("patches"), joined("covers"), joined("patch_slots"), joined("cell_slots"), padded("ids", pad), padded("target", IGNORE)
    )


class Slots(nn.Module):
    """Reads characters off features: `slots` heads that share one embedding of the classes; not exported."""

    WIDTH = 96

    def __init__(self, width: int, slots: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.heads = nn.Linear(width, slots * self.WIDTH)
        self.classes = nn.Embedding(len(CLASS) + 1, self.WIDTH)
        nn.init.normal_(self.classes.weight, std=self.WIDTH**-0.5)
        self.slots = slots

    def forward(self, features: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """features [..., C], target [..., slots] -> loss, (characters right, characters). Text and its absence weigh the same."""
        known = target != IGNORE
        queries = self.heads(self.norm(features)).unflatten(-1, (self.slots, self.WIDTH))
        hit = known & (target > 0)
        # Absence is far more common: a sample of it is enough.
        none = known & (target == 0)
        keep = none & (torch.rand(none.shape, device=none.device) < hit.sum() / none.sum().clamp(min=1))
        losses, right = [], torch.zeros((), device=target.device)
        for chosen in (hit, keep):
            logits = queries[chosen] @ self.classes.weight.T
            losses.append(cross_entropy(logits, target[chosen]) if chosen.any() else logits.sum())
            if chosen is hit:
                right = (logits.argmax(-1) == target[chosen]).sum()
        return losses[0] + 0.5 * losses[1], torch.stack([right, hit.sum()])


@dataclass
class Output:
    """Of one step: the losses, and (right, all) of patches' and cells' characters and of answers' tokens."""

    loss: torch.Tensor
    answer: torch.Tensor
    counts: torch.Tensor  # [6]


class Reader(nn.Module):
    """The model and its auxiliary heads."""

    def __init__(self, size: Size, vocabulary: Vocabulary, attention: str = "sdpa"):
        super().__init__()
        self.model = InternVLForConditionalGeneration(config(size, vocabulary))
        self.model.set_attn_implementation(attention)
        with torch.no_grad():
            localise(self.model.model.vision_tower)
        self.covers = Slots(size.vision, 1)
        self.patch_slots = Slots(size.vision, PATCH_SLOTS)
        self.cell_slots = Slots(size.text, CELL_SLOTS)
        self.context = vocabulary.id["<IMG_CONTEXT>"]
        scale = torch.tensor([1 / (255 * s) for s in STD]).repeat_interleave(PATCH * PATCH)
        shift = torch.tensor([-m / s for m, s in zip(MEAN, STD)]).repeat_interleave(PATCH * PATCH)
        corner = torch.arange(CELLS * CELLS)
        corner = corner // CELLS * 2 * SIDE + corner % CELLS * 2  # each cell's first patch, row-major
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("places", (corner[:, None] + torch.tensor((0, 1, SIDE, SIDE + 1))).flatten(), persistent=False)

    def encode(self, patches: torch.Tensor) -> torch.Tensor:
        """[T, 1024, 588] u8, cell-major -> [T, 1024, C]"""
        tower = self.model.model.vision_tower
        embeddings, positions = tower.embeddings, tower.embeddings.position_embeddings[0]
        projection = embeddings.patch_embeddings.projection
        x = nn.functional.linear(patches * self.scale + self.shift, projection.weight.flatten(1), projection.bias)
        x = x + positions[1:][self.places]
        x = torch.cat([(embeddings.cls_token[0] + positions[:1]).expand(len(x), 1, -1), x], 1)
        for layer in tower.encoder.layer:
            x = layer(x)
        return x[:, 1:]

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """[T, 1024, C] -> [T, 256, D]"""
        return self.model.model.multi_modal_projector(features.unflatten(1, (-1, 4)).flatten(2))

    def forward(self, batch: Batch, converse: bool = True) -> Output:
        """The auxiliary losses, and the conversation's where `converse`."""
        features = self.encode(batch.patches)
        image = self.project(features)
        covers, covered = self.covers(features, batch.covers[..., None])
        patches, spotted = self.patch_slots(features, batch.patch_slots)
        cells, spelled = self.cell_slots(image, batch.cell_slots)
        loss = 0.5 * covers + patches + cells
        if not converse:
            return Output(loss, torch.zeros((), device=loss.device), torch.cat([spotted, spelled, torch.zeros_like(spelled)]))
        inputs = self.model.get_input_embeddings()(batch.ids)
        where = (batch.ids == self.context)[..., None]
        inputs = inputs.masked_scatter(where, image.to(inputs.dtype))
        # Padding is on the right, where causal attention never looks.
        hidden = self.model.model.language_model(inputs_embeds=inputs, attention_mask=None).last_hidden_state
        asked = batch.target != IGNORE
        logits = self.model.lm_head(hidden[asked])
        answer = cross_entropy(logits, batch.target[asked])
        right = (logits.argmax(-1) == batch.target[asked]).sum()
        counts = torch.cat([spotted, spelled, torch.stack([right, asked.sum()])])
        return Output(answer + 0.3 * loss, answer, counts)
