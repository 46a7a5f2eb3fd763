"""Shared by all tests."""

import pytest
import torch


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, so that a failure comes back."""
    return torch.Generator().manual_seed(0)
