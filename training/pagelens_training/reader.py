"""The document reader: transformers' InternVL at one of several small sizes, and the auxiliary losses it is trained with."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import InternVLConfig, InternVLForConditionalGeneration

from .documents.characters import CLASS
from .documents.examples import CHARACTER_SLOTS, STEP, TOKEN_SLOTS, Example
from .documents.vocabulary import IGNORE, Vocabulary
from .model import Pixels, localise
from .tiles import PATCH, TILE


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
class Tiles:
    """n tiles of which K cells each are seen."""

    cells: torch.Tensor  # [n, K]
    patches: torch.Tensor  # [n, K*4, 588] u8
    characters: torch.Tensor  # [n, K*4, CHARACTER_SLOTS]
    tokens: torch.Tensor  # [n, K, TOKEN_SLOTS]


@dataclass
class Batch:
    """The tiles of B pages, those with as many cells together, and conversations of at most L tokens."""

    tiles: list[Tiles]
    order: torch.Tensor  # [all cells] for every cell of the conversations, in order, its place among the cells of `tiles`
    ids: torch.Tensor  # [B, L] padded on the right
    positions: torch.Tensor  # [B, L]
    target: torch.Tensor  # [B, L]
    sources: torch.Tensor  # [B, L, SOURCES]

    def to(self, device: torch.device) -> "Batch":
        """On the device."""
        tiles = [Tiles(*(part.to(device, non_blocking=True) for part in vars(t).values())) for t in self.tiles]
        return Batch(tiles, *(part.to(device, non_blocking=True) for part in (self.order, self.ids, self.positions, self.target, self.sources)))


def collate(examples: list[Example], pad: int) -> Batch:
    """Examples as one batch."""
    numbered = list(enumerate(tile for e in examples for tile in e.tiles))
    counts = sorted({len(tile.cells) for _, tile in numbered})
    groups = [[(i, tile) for i, tile in numbered if len(tile.cells) == count] for count in counts]

    def stacked(group: list, name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(tile, name) for _, tile in group]))

    tiles = [
        Tiles(stacked(g, "cells"), stacked(g, "patches").flatten(1, 2), stacked(g, "characters").flatten(1, 2), stacked(g, "tokens"))
        for g in groups
    ]  # fmt: skip
    owner = np.concatenate([np.repeat([i for i, _ in group], count) for group, count in zip(groups, counts)])
    longest = -(-max(len(e.ids) for e in examples) // STEP) * STEP  # products of ragged sizes take far longer

    def padded(name: str, fill: int) -> torch.Tensor:
        values = [getattr(e, name) for e in examples]
        rows = [np.pad(v, ((0, longest - len(v)),) + ((0, 0),) * (v.ndim - 1), constant_values=fill) for v in values]
        return torch.from_numpy(np.stack(rows))

    order = torch.from_numpy(np.argsort(owner, kind="stable"))
    return Batch(tiles, order, padded("ids", pad), padded("positions", 0), padded("target", IGNORE), padded("sources", -1))


class Slots(nn.Module):
    """Reads classes off features: heads that share one embedding of the classes; not exported."""

    NEGATIVES = 256  # classes told apart from those of the batch, which are told apart from each other

    def __init__(self, width: int, slots: int, classes: nn.Embedding, none: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.heads = nn.Linear(width, slots * classes.embedding_dim)
        self.classes = [classes]  # shared: not a part of this module
        self.slots, self.none = slots, none

    def forward(self, features: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """features [n, C], target [n, slots] -> loss, (classes right, classes). What is there and its absence weigh the same."""
        table = self.classes[0].weight
        hit = (target != IGNORE) & (target != self.none)
        # Absence is far more common and easier to tell: a small sample of it is enough.
        none = target == self.none
        keep = none & (torch.rand(none.shape, device=none.device) < 0.25 * hit.sum() / none.sum().clamp(min=1))
        queries = self.heads(self.norm(features)).unflatten(-1, (self.slots, -1))
        everything = torch.arange(len(table), device=target.device)
        others = torch.randint(len(table), (self.NEGATIVES,), device=target.device) if self.training else everything
        known, place = torch.cat([target[hit], target[keep], others]).unique(return_inverse=True)
        classes = table[known]
        losses, right, first = [], torch.zeros((), device=target.device), 0
        for chosen in (hit, keep):
            logits = (queries[chosen] @ classes.T).float()
            wanted = place[first : first + len(logits)]
            first += len(logits)
            losses.append(cross_entropy(logits, wanted) if len(logits) else logits.sum())
            if chosen is hit:
                right = (logits.argmax(-1) == wanted).sum()
        return losses[0] + 0.5 * losses[1], torch.stack([right, hit.sum()])


@dataclass
class Output:
    """Of one step: the losses, and (right, all) of patches' characters, of cells' tokens, of answers' tokens and of looks at them."""

    loss: torch.Tensor
    answer: torch.Tensor
    counts: torch.Tensor  # [8]


class Reader(nn.Module):
    """The model and its auxiliary heads."""

    CHARACTER_WIDTH = 96
    LOOKING = (-2, -1)  # layers of the decoder of which some heads must look at what is to be said

    def __init__(self, size: Size, vocabulary: Vocabulary):
        super().__init__()
        self.model = InternVLForConditionalGeneration(config(size, vocabulary))
        self.model.set_attn_implementation("mixed")
        self.looking = [self.model.model.language_model.layers[i].self_attn for i in self.LOOKING]
        for module in self.looking:
            module.keeps = True
        embedding = self.model.get_input_embeddings()
        with torch.no_grad():
            localise(self.model.model.vision_tower)
            nn.init.normal_(embedding.weight, std=size.text**-0.5)
        self.classes = nn.Embedding(len(CLASS) + 1, self.CHARACTER_WIDTH)
        nn.init.normal_(self.classes.weight, std=self.CHARACTER_WIDTH**-0.5)
        self.characters = Slots(size.vision, CHARACTER_SLOTS, self.classes, 0)
        self.tokens = Slots(size.text, TOKEN_SLOTS, embedding, vocabulary.none)
        self.context = vocabulary.id["<IMG_CONTEXT>"]
        self.pixels = Pixels()

    def encode(self, tiles: Tiles) -> torch.Tensor:
        """[n, K*4, C]"""
        return self.pixels(self.model.model.vision_tower, tiles.patches, tiles.cells)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """[n, K*4, C] -> [n, K, D]"""
        return self.model.model.multi_modal_projector(features.unflatten(1, (-1, 4)).flatten(2))

    def forward(self, batch: Batch, see: bool = True, converse: bool = True) -> Output:
        """The losses of the encoder where it learns to `see`, else it stays as it is; those of the conversations where asked."""
        with torch.set_grad_enabled(see and self.training):
            features = [self.encode(tiles) for tiles in batch.tiles]
        image = torch.cat([self.project(part).flatten(0, 1) for part in features])
        tokens, spelled = self.tokens(image, torch.cat([tiles.tokens.flatten(0, 1) for tiles in batch.tiles]))
        loss, spotted = torch.zeros_like(tokens), torch.zeros_like(spelled)
        if see:
            features = torch.cat([part.flatten(0, 1) for part in features])
            loss, spotted = self.characters(features, torch.cat([tiles.characters.flatten(0, 1) for tiles in batch.tiles]))
        loss = loss + tokens
        if not converse:
            nothing = torch.zeros_like(spelled)
            return Output(loss, torch.zeros_like(loss), torch.cat([spotted, spelled, nothing, nothing]))
        inputs = self.model.get_input_embeddings()(batch.ids)
        inputs = inputs.masked_scatter((batch.ids == self.context)[..., None], image[batch.order].to(inputs.dtype))
        # Padding is on the right, where causal attention never looks.
        language = self.model.model.language_model
        hidden = language(inputs_embeds=inputs, position_ids=batch.positions, use_cache=False).last_hidden_state
        asked = batch.target != IGNORE
        logits = self.model.lm_head(hidden[asked]).float()
        answer = cross_entropy(logits, batch.target[asked])
        right = (logits.argmax(-1) == batch.target[asked]).sum()
        looks, found = self.look(batch.sources)
        counts = torch.cat([spotted, spelled, torch.stack([right, asked.sum()]), found])
        return Output(answer + 0.3 * loss + 0.3 * looks, answer, counts)

    def look(self, sources: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """sources [B, L, SOURCES] -> loss, (looks that fell there, looks): of the layers that are `LOOKING`, the first head of each
        group must attend to the cells in which the next token stands."""
        rows, places = (sources >= 0).any(-1).nonzero(as_tuple=True), sources.clamp(min=0)
        losses, found = [], torch.zeros(2, device=sources.device)
        if len(rows[0]) == 0:
            return sources.new_zeros((), dtype=torch.float), found
        there, places = (sources >= 0)[rows][:, None], places[rows][:, None]  # [n, 1, SOURCES]
        later = torch.ones(sources.shape[1], sources.shape[1], dtype=torch.bool, device=sources.device).triu(1)
        for module in self.looking:
            query, key = (part.float() for part in module.kept)  # [B, G, L, D]
            scores = (query @ key.mT * module.scaling).masked_fill(later, -math.inf)
            scores = scores.transpose(1, 2)[rows]  # [n, G, L]
            at = scores.gather(2, places.expand(-1, scores.shape[1], -1)).masked_fill(~there, -math.inf)
            losses.append((scores.logsumexp(-1) - at.logsumexp(-1)).mean())
            found += torch.stack([(at.amax(-1) == scores.amax(-1)).sum(), torch.tensor(at[..., 0].numel(), device=at.device)])
        return torch.stack(losses).mean(), found
