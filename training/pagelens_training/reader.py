"""The document reader: transformers' InternVL at one of several small sizes, and the auxiliary losses it is trained with."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import InternVLConfig, InternVLForConditionalGeneration

from .documents.characters import CLASS
from .documents.examples import CHARACTER_SLOTS, TOKEN_SLOTS, Example
from .documents.vocabulary import IGNORE, Vocabulary
from .model import Pixels, end_to_end, localise
from .tiles import PATCH, TILE


@dataclass(frozen=True)
class Size:
    """Widths and depths; heads are 32 channels wide."""

    vision: int
    vision_layers: int
    text: int
    text_layers: int


SIZES = {"small": Size(192, 6, 256, 5), "base": Size(320, 8, 320, 6)}


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
    """N cells of all pages' tiles and the T tokens of all conversations about them, one behind the other."""

    tiles: list[int]  # cells of each
    cells: torch.Tensor  # [N] index in its tile
    patches: torch.Tensor  # [N, 4, 588] u8
    characters: torch.Tensor  # [N, 4, CHARACTER_SLOTS]
    tokens: torch.Tensor  # [N, TOKEN_SLOTS]
    conversations: list[int]  # tokens of each
    ids: torch.Tensor  # [T]
    positions: torch.Tensor  # [T]
    target: torch.Tensor  # [T]
    sources: torch.Tensor  # [T, SOURCES] places in its conversation

    def to(self, device: torch.device) -> "Batch":
        """On the device."""
        parts = vars(self).items()
        return Batch(**{name: part.to(device, non_blocking=True) if isinstance(part, torch.Tensor) else part for name, part in parts})


def collate(examples: list[Example]) -> Batch:
    """Examples as one batch."""
    tiles = [tile for e in examples for tile in e.tiles]

    def joined(parts: list, *names: str) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(np.concatenate([getattr(part, name) for part in parts])) for name in names}

    return Batch(
        tiles=[len(tile.cells) for tile in tiles], conversations=[len(e.ids) for e in examples],
        **joined(tiles, "cells", "patches", "characters", "tokens"), **joined(examples, "ids", "positions", "target", "sources"),
    )  # fmt: skip


def few(wanted: torch.Tensor, classes: int, others: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes to be told apart, the wanted ones and so many others drawn from all, and where among them each wanted one is."""
    drawn = torch.randint(classes, (others,), device=wanted.device) if others < classes else torch.arange(classes, device=wanted.device)
    known, place = torch.cat([wanted, drawn]).unique(return_inverse=True)
    return known, place[: len(wanted)]


class Slots(nn.Module):
    """Reads classes off features: heads that share one embedding of the classes; not exported."""

    NEGATIVES = 256  # classes that the batch need not have

    def __init__(self, width: int, slots: int, classes: nn.Embedding, none: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.heads = nn.Linear(width, slots * classes.embedding_dim)
        self.classes = [classes]  # shared: not a part of this module
        self.slots, self.none = slots, none

    def queries(self, features: torch.Tensor) -> torch.Tensor:
        """[n, C] -> [n, slots, width of a class]"""
        return self.heads(self.norm(features)).unflatten(-1, (self.slots, -1))

    def named(self, features: torch.Tensor) -> torch.Tensor:
        """[n, C] -> [n, slots], the likeliest class of each."""
        return (self.queries(features) @ self.classes[0].weight.T).argmax(-1)

    def forward(self, features: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """features [n, C], target [n, slots] -> loss, (classes right, classes). What is there and its absence weigh the same."""
        table = self.classes[0].weight
        hit = (target != IGNORE) & (target != self.none)
        # Absence is far more common and easier to tell: a small sample of it is enough.
        none = target == self.none
        keep = none & (torch.rand(none.shape, device=none.device) < 0.25 * hit.sum() / none.sum().clamp(min=1))
        queries = self.queries(features)
        known, place = few(torch.cat([target[hit], target[keep]]), len(table), self.NEGATIVES if self.training else len(table))
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
    NEGATIVES = 512  # tokens that the answers of a batch need not have
    LOOKING = {-3: 0, -2: 1, -1: 1}  # layers of the decoder of which some heads must look: at the token itself, or one ahead

    def __init__(self, size: Size, vocabulary: Vocabulary):
        super().__init__()
        self.model = InternVLForConditionalGeneration(config(size, vocabulary))
        self.model.set_attn_implementation("mixed")
        self.looking = {self.model.model.language_model.layers[i].self_attn: ahead for i, ahead in self.LOOKING.items()}
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

    def forward(self, batch: Batch, see: bool = True, converse: bool = True) -> Output:
        """The losses of the encoder where it learns to `see`, else it stays as it is; those of the conversations where asked."""
        with torch.set_grad_enabled(see and self.training):
            features = self.pixels(self.model.model.vision_tower, batch.patches, batch.cells, batch.tiles)
        image = self.model.model.multi_modal_projector(features.flatten(1))
        tokens, spelled = self.tokens(image, batch.tokens)
        loss, spotted = torch.zeros_like(tokens), torch.zeros_like(spelled)
        if see:
            loss, spotted = self.characters(features, batch.characters)
        loss = loss + tokens
        if not converse:
            nothing = torch.zeros_like(spelled)
            return Output(loss, torch.zeros_like(loss), torch.cat([spotted, spelled, nothing, nothing]))
        inputs = self.model.get_input_embeddings()(batch.ids)
        inputs = inputs.masked_scatter((batch.ids == self.context)[:, None], image.to(inputs.dtype))
        language = self.model.model.language_model
        with end_to_end(batch.conversations):
            hidden = language(inputs_embeds=inputs[None], position_ids=batch.positions[None], use_cache=False).last_hidden_state[0]
        asked = batch.target != IGNORE
        table = self.model.lm_head.weight
        known, place = few(batch.target[asked], len(table), self.NEGATIVES if self.training else len(table))
        logits = (hidden[asked] @ table[known].T).float()
        answer = cross_entropy(logits, place)
        right = (logits.argmax(-1) == place).sum()
        looks, found = self.look(batch)
        counts = torch.cat([spotted, spelled, torch.stack([right, asked.sum()]), found])
        return Output(answer + 0.3 * loss + 0.3 * looks, answer, counts)

    def look(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and (looks ahead that fell there, looks ahead): of the layers that are `LOOKING`, the first head of each group
        must attend to the cells in which a token that the page shows stands, or the next one of an answer."""
        losses, found = [], torch.zeros(2, device=batch.sources.device)
        for module, ahead in self.looking.items():
            sources = nn.functional.pad(batch.sources, (0, 0, 0, ahead), value=-1)[ahead:]
            if ahead:
                sources[batch.target == IGNORE] = -1
            each = zip(sources.split(batch.conversations), *(part[0].float().split(batch.conversations, 1) for part in module.kept))
            for places, query, key in each:
                there = places >= 0  # [L, SOURCES]
                rows = there.any(-1).nonzero()[:, 0]
                if len(rows) == 0:
                    continue
                later = torch.arange(len(places), device=rows.device) > rows[:, None]
                scores = (query[:, rows] @ key.mT * module.scaling).masked_fill(later, -math.inf)  # [G, n, L]
                at = scores.gather(2, places[rows].clamp(min=0).expand(len(scores), -1, -1)).masked_fill(~there[rows], -math.inf)
                losses.append((scores.logsumexp(-1) - at.logsumexp(-1)).flatten())
                if ahead:
                    found += torch.stack([(at.amax(-1) == scores.amax(-1)).sum(), torch.tensor(losses[-1].numel(), device=rows.device)])
        return torch.cat(losses).mean() if losses else found.sum(), found
