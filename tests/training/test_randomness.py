"""The random generators' states go into a checkpoint and back."""

import random

import numpy as np
import torch

from lightsweep.training.plain_data import is_loadable
from lightsweep.training.randomness import random_state, restore_random_state

CPU = torch.device("cpu")


def drawn():
    return [torch.rand(3).tolist(), [random.random(), random.gauss(0, 1)], np.random.rand(3).tolist()]


def as_lists(state):
    """As runs of earlier versions have it."""
    return {
        name: [part.tolist() if isinstance(part, torch.Tensor) else part for part in parts]
        for name, parts in state.items()
        if name in ("python", "numpy")
    }


def test_what_is_drawn_goes_on_where_it_was():
    drawn()  # so that both kinds of normal numbers have one in store, and the positions are within the words
    np.random.randn()
    random.gauss(0, 1)
    state = random_state(CPU)
    wanted = drawn(), np.random.randn()

    restore_random_state(state, CPU)
    assert (drawn(), np.random.randn()) == wanted

    restore_random_state({**state, **as_lists(state)}, CPU)
    assert (drawn(), np.random.randn()) == wanted, "earlier versions"


def test_a_checkpoint_holds_the_words_of_the_generators_as_tensors():
    state = random_state(CPU)

    held = [part for name in ("python", "numpy") for part in state[name]]
    assert not any(isinstance(part, list | tuple) for part in held), "torch.save asks about each of hundreds of numbers"
    assert is_loadable(state)
