"""The model zoo: diffusion lifters and their pruned variants.

``MODELS`` is the one list of names. Importing this package imports no torch, so that listing, validating and costing
stay instant; ``build`` and ``load`` import it when called.

    lifter = models.build("htp", size="tiny")
    x0_BKHFJ3 = lifter.lift(x2d_BFJ2, hypotheses=5, steps=5)
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from models.config import D3DP, SIZES, Elastic, Pruning, three_stages
from models.cost import Cost
from models.cost import cost as d3dp_cost
from models.names import Later

if TYPE_CHECKING:
    from models.contract import Lifter

__all__ = ["MODELS", "SIZES", "Cost", "Entry", "build", "config", "cost", "host", "load", "serialised"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A name in the zoo: what it is made of, and what a reader needs to know of it.

    ``config`` is D3DP or a class of plain values derived from it; ``lifter`` makes a lifter of one, ``cost`` is what
    that costs in closed form. Both belong to the config's class: names of one class differ in ``preset`` alone, the
    pruning part of a host of so many pairs (None: the config's own).
    """

    config: type[D3DP]
    lifter: "Callable[[Any], Lifter]"
    cost: Callable[..., Cost] = d3dp_cost
    preset: Callable[[int], Pruning] | None = None
    about: str
    changes: str
    paper: str


_D3DP = Later("models.d3dp:Lifter")
_HTP = "Hierarchical Temporal Pruning, arXiv 2508.21363, IEEE TCSVT (stages after this project's own design)"

MODELS: dict[str, Entry] = {
    "d3dp": Entry(
        config=D3DP,
        lifter=_D3DP,
        about="diffusion lifter around a MixSTE denoiser, every frame in every block",
        changes="the dense host",
        paper="Shan et al., Diffusion-Based 3D Human Pose Estimation with Multi-Hypothesis Aggregation, ICCV 2023",
    ),
    "htp": Entry(
        config=D3DP,
        lifter=_D3DP,
        preset=partial(three_stages, keep=0.5, clusters=0.25),
        about="D3DP with frames pruned in three stages, compute cut by about 60 %",
        changes="d3dp + TCEP keeps 1/2 of the frames, SFT attends to them, MGPTP keeps 1/4; recovered by interpolation",
        paper=_HTP,
    ),
    "htp_fast": Entry(
        config=D3DP,
        lifter=_D3DP,
        preset=partial(three_stages, keep=1 / 3, clusters=1 / 7),
        about="HTP at stronger ratios, compute cut by about 70 %",
        changes="htp with TCEP at 1/3 and MGPTP at 1/7",
        paper=_HTP,
    ),
    "htp_max": Entry(
        config=D3DP,
        lifter=_D3DP,
        preset=partial(three_stages, keep=0.125, clusters=1 / 15),
        about="HTP at the strongest ratios, compute cut by about 80 %",
        changes="htp with TCEP at 1/8 and MGPTP at 1/15",
        paper=_HTP,
    ),
}


def _known(kind: str, name: str, names: dict[str, Any]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown {kind} {name!r}{hint} (known: {', '.join(names)})")


def config(name: str, size: str = "base", **overrides: Any) -> D3DP:
    """The config that a name and a size stand for, with fields of it replaced; imports no torch.

    Raises ValueError for an unknown name, size or field (naming the nearest known one), and for values that the config
    itself refuses.
    """
    _known("model", name, MODELS)
    _known("size", size, SIZES)
    fields = MODELS[name].config.__dataclass_fields__
    for field in overrides:
        _known("field", field, fields)
    values: dict[str, Any] = {**SIZES[size], **overrides}
    made = MODELS[name].config(**values)
    preset = MODELS[name].preset
    if "pruning" not in overrides and preset is not None:
        made = replace(made, pruning=preset(made.depth))
    problems = [f"{'.'.join(path)}: {text}" for path, text in made.problems()]
    if problems:
        raise ValueError("\n".join(problems))
    return made


def host(config: D3DP) -> str:
    """The first name in the zoo with a config of this class. Raises ValueError where there is none."""
    found = next((name for name, entry in MODELS.items() if entry.config is type(config)), None)
    if found is None:
        raise ValueError(f"{type(config).__name__} is no config of a model in the zoo")
    return found


def cost(
    config: D3DP, *, hypotheses: int = 1, steps: int = 1, flip: bool = False, elastic: Elastic | None = None
) -> Cost:
    """What a lifter with ``config`` costs, in closed form; with ``elastic`` training is the expectation over its draws.

    Raises ValueError as ``host`` does.
    """
    return MODELS[host(config)].cost(config, hypotheses=hypotheses, steps=steps, flip=flip, elastic=elastic)


def build(model: str | D3DP, size: str = "base", *, seed: int | None = None, **overrides: Any) -> "Lifter":
    """A lifter with fresh weights, from a name (with size and overrides) or from a config.

    With ``seed`` the weights are drawn under it and the caller's random state stays as it was; without it they come
    from torch's current state. Raises ValueError as ``config`` does.
    """
    import torch

    made = config(model, size, **overrides) if isinstance(model, str) else model
    make = MODELS[host(made)].lifter
    if seed is None:
        return make(made)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(made)


def load(path: str | PathLike[str]) -> "Lifter":
    """The lifter whose config and weights ``path`` (safetensors, from ``serialised``) holds.

    Raises OSError if the file can't be read, ValueError if it holds something else.
    """
    from models import weights

    return weights.load(path)


def serialised(lifter: "Lifter") -> bytes:
    """Weights and config as the bytes of one safetensors file; equal weights and configs give equal bytes."""
    from models import weights

    return weights.serialised(lifter)
