"""Heads are asked to look at the cells of what was just said, or is said next."""

from types import SimpleNamespace

import pytest
import torch

from pagelens_training.documents.vocabulary import Vocabulary
from pagelens_training.reader import SIZES, Reader


@pytest.mark.parametrize("right", [True, False])
def test_looks(right):
    reader = Reader(SIZES["small"], Vocabulary())
    nowhere = -1
    next_at = [nowhere, 0, 1, nowhere, nowhere, 1, 0, nowhere]  # places of two conversations of four tokens
    last_at = [nowhere, *next_at[:-1]]
    batch = SimpleNamespace(sources=torch.tensor(next_at)[:, None], conversations=[4, 4])
    for module, back in reader.looking.items():
        looks = last_at if back == right else next_at
        key = 30 * torch.eye(4).repeat(2, 8)
        query = torch.stack([torch.eye(4)[at].repeat(8) if at != nowhere else torch.zeros(32) for at in looks])
        module.kept = query.expand(1, 2, -1, -1), key.expand(1, 2, -1, -1)
    loss, found = reader.look(batch)
    assert (loss < 0.01) == right
    assert (found[0] == found[1]) == right and found[1] == 2 * 2 * 4  # layers, groups, tokens that stand somewhere
