"""Shared by all tests."""

import pytest
import torch

# the tests' tensors are tiny: threads only wait for each other
torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, so that a failure comes back."""
    return torch.Generator().manual_seed(0)
