"""Heads are asked to look at the cells in which a token stands, or the next one of an answer."""

from types import SimpleNamespace

import pytest
import torch

from pagelens_training.documents.vocabulary import IGNORE, Vocabulary
from pagelens_training.reader import SIZES, Reader


@pytest.mark.parametrize("right", [True, False])
def test_looks(right):
    reader = Reader(SIZES["small"], Vocabulary())
    nowhere, ids = -1, [1, 2, 3, 4]
    stands = [nowhere, nowhere, 0, 1, nowhere, 0, 1, nowhere]  # of two conversations of four tokens; the first quotes nothing
    target = [IGNORE, *ids[2:], IGNORE, IGNORE, ids[2], IGNORE, IGNORE]
    ahead_of = [nowhere, 0, 1, nowhere, nowhere, 1, nowhere, nowhere]
    batch = SimpleNamespace(sources=torch.tensor(stands)[:, None], target=torch.tensor(target), conversations=[4, 4])
    for module, ahead in reader.looking.items():
        looks = ahead_of if ahead == right else stands
        key = 30 * torch.eye(4).repeat(2, 8)
        query = torch.stack([torch.eye(4)[at].repeat(8) if at != nowhere else torch.zeros(32) for at in looks])
        module.kept = query.expand(1, 2, -1, -1), key.expand(1, 2, -1, -1)
    loss, found = reader.look(batch)
    assert (loss < 0.01) == right
    assert (found[0] == found[1]) == right and found[1] == 2 * 2 * 3  # layers, groups, tokens of answers that stand somewhere
