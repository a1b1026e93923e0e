"""Do these tensors belong to a lifter of that config? Told by names and shapes, without making the lifter."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

import models
from models.config import Host

SHOWN = 12


def misfits(config: Host, state: Mapping[str, Tensor], spelt: Mapping[str, str] | None = None) -> list[str]:
    """A line for each way in which ``state`` is not the state dict of a lifter with ``config``; none where it is.

    ``spelt``: what the names in ``state`` are called where they come from.
    """
    told = spelt or {}
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in models.build(config).state_dict().items()}
    lists = {
        "missing (by this zoo's names)": [name for name in wanted if name not in state],
        "of no layer": [told.get(name, name) for name in state if name not in wanted],
        "misshapen": [
            f"{told.get(name, name)} {tuple(state[name].shape)} instead of {tuple(shape)}"
            for name, shape in wanted.items()
            if name in state and state[name].shape != shape
        ],
    }
    return [f"{what}: {few(names)}" for what, names in lists.items() if names]


def few(names: Sequence[str]) -> str:
    """The first ``SHOWN`` of ``names``, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
