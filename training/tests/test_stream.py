"""Batches hold about as many cells as they are asked to."""

from random import Random
from types import SimpleNamespace

import numpy as np

from pagelens_training.documents.stream import Filling, size


def test_batches_are_nearly_full():
    random, filling = Random(0), Filling(1024)
    given = [SimpleNamespace(tiles=[SimpleNamespace(cells=np.zeros(random.randint(30, 250))) for _ in range(3)]) for _ in range(400)]
    given.append(SimpleNamespace(tiles=[SimpleNamespace(cells=np.zeros(3000))]))
    batches = [batch for one in given for batch in filling.add(one)]
    left = [one for batch in filling.batches for one in batch]
    assert sorted(map(id, given)) == sorted([id(one) for batch in batches for one in batch] + [id(one) for one in left])
    assert all(size(batch) <= 1024 or len(batch) == 1 for batch in batches)
    assert np.mean([size(batch) for batch in batches if len(batch) > 1]) > 0.9 * 1024
