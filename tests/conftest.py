"""Shared by all tests."""

import signal

import hypothesis
import pytest
import torch

# a shell starts background commands with Ctrl-C ignored, and children would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
# the tests' tensors are tiny: threads only wait for each other
torch.set_num_threads(1)
# a loaded machine is no failure
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, so that a failure comes back."""
    return torch.Generator().manual_seed(0)
