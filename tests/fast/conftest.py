"""Fixtures of the fast tests."""

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Many threads of several tests at once are slower than one each."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
