"""The code of an image does not depend on how many others are hashed with it."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from skyhash.spark.udfs.hashing import LEAST_ROWS, at_least


def test_a_small_batch_is_filled_up_with_zeros():
    data = np.ones((3, 2, 5), np.float32)
    filled = at_least(data, 8)
    assert filled.shape == (8, 2, 5) and filled.dtype == np.float32
    assert (filled[:3] == 1).all() and not filled[3:].any()
    assert at_least(data, 3) is data


@pytest.mark.parametrize("sizes", [(256, 128, 32), (150, 2048, 64)])
def test_codes_of_few_images_are_those_of_many(sizes):
    torch.manual_seed(1)
    layers = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.ReLU()) for a, b in pairwise(sizes)]
    network, data = torch.nn.Sequential(*layers).eval(), np.random.default_rng(2).random((300, sizes[0]), np.float32)
    with torch.inference_mode():
        every = network(torch.from_numpy(data)).numpy()
        for rows in (1, 2, 3, 17, 100):
            few = network(torch.from_numpy(at_least(data[:rows], LEAST_ROWS)))[:rows].numpy()
            assert few.tobytes() == every[:rows].tobytes()
