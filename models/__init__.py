"""The model zoo: hosts, which are whole lifters, and presets of pruning that stand on any of them.

``MODELS`` is the one list of names. Importing this package imports no torch, so that listing, validating and costing
stay instant; ``build`` and ``load`` import it when called.

    lifter = models.build("htp", size="tiny")
    x0_BKHFJ3 = lifter.lift(x2d_BFJ2, hypotheses=5, steps=5)
    on_another = models.build("htp", host="mixste")
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from models.beside import DDHPOSE, KTPFORMER
from models.branch import Branch
from models.config import D3DP, SIZES, DDHPose, Host, KTPFormer, KTPFormerDiffusion, MixSTE
from models.cost import Cost
from models.cost import cost as mixste_cost
from models.names import Later
from models.pruning.config import Pruning, hot, three_stages
from models.pruning.elastic import Elastic
from models.sampling import Flip

if TYPE_CHECKING:
    from models.contract import Lifter

__all__ = [
    "MODELS",
    "SIZES",
    "Cost",
    "Entry",
    "build",
    "config",
    "cost",
    "entry",
    "host_of",
    "hosts",
    "load",
    "serialised",
]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A name in the zoo: what it is made of, and what a reader needs to know of it.

    ``config`` is the class of its plain values, derived from ``Host``; ``lifter`` makes a lifter of one, ``cost`` is
    what that costs in closed form. Both belong to the config's class. An entry with a ``preset`` (the pruning part of
    a host of so many pairs) stands on any host, on that of ``config`` where a study names none; one without is a host.
    """

    config: type[Host]
    lifter: "Callable[[Any], Lifter]"
    cost: Callable[..., Cost] = mixste_cost
    preset: Callable[[int], Pruning] | None = None
    about: str
    changes: str
    paper: str


_D3DP = Later("models.d3dp:Lifter")
_MIXSTE = Later("models.deterministic:Lifter")
_KTPFORMER = (
    "Peng et al., KTPFormer: Kinematics and Trajectory Prior Knowledge-Enhanced Transformer for 3D Human Pose "
    "Estimation, CVPR 2024"
)
_HTP = "Hierarchical Temporal Pruning, arXiv 2508.21363, IEEE TCSVT (stages after this project's own design)"

MODELS: dict[str, Entry] = {
    "mixste": Entry(
        config=MixSTE,
        lifter=_MIXSTE,
        about="deterministic lifter: one pass, no diffusion, every frame in every block",
        changes="the network alone, the parent of d3dp",
        paper="Zhang et al., MixSTE: Seq2seq Mixed Spatio-Temporal Encoder for 3D Human Pose Estimation, CVPR 2022",
    ),
    "d3dp": Entry(
        config=D3DP,
        lifter=_D3DP,
        about="diffusion lifter around a MixSTE denoiser, every frame in every block",
        changes="mixste + a noisy 3D pose beside the 2D one, and the diffusion time; H hypotheses in K steps",
        paper="Shan et al., Diffusion-Based 3D Human Pose Estimation with Multi-Hypothesis Aggregation, ICCV 2023",
    ),
    "ddhpose": Entry(
        config=DDHPose,
        lifter=Later("models.ddhpose:Lifter"),
        cost=partial(mixste_cost, beside=DDHPOSE),
        about="diffusion lifter that diffuses the direction and length of bones",
        changes="d3dp with bones in place of joints, averaged attention down the skeleton's chains, relation tokens",
        paper=(
            "Cai et al., Disentangled Diffusion-Based 3D Human Pose Estimation with Hierarchical Spatial and Temporal "
            "Denoiser, AAAI 2024"
        ),
    ),
    "ktpformer": Entry(
        config=KTPFormer,
        lifter=Later("models.ktpformer:Lifter"),
        cost=partial(mixste_cost, beside=KTPFORMER),
        about="deterministic lifter whose first pair has priors of the skeleton and of time",
        changes="mixste with a graph convolution over joints as embedding, and two over frames in the first pair",
        paper=_KTPFORMER,
    ),
    "ktpformer_diffusion": Entry(
        config=KTPFormerDiffusion,
        lifter=Later("models.ktpformer:DiffusionLifter"),
        cost=partial(mixste_cost, beside=KTPFORMER),
        about="diffusion lifter around KTPFormer's network (our own: only the deterministic form was ever released)",
        changes="ktpformer + a noisy 3D pose beside the 2D one, and the diffusion time, as d3dp has them",
        paper=_KTPFORMER,
    ),
    "htp": Entry(
        config=D3DP,
        lifter=_D3DP,
        preset=partial(three_stages, keep=0.5, clusters=0.25),
        about="frames pruned in three stages, compute of d3dp cut by about 60 %",
        changes="host + TCEP keeps 1/2 of the frames, SFT attends to them, MGPTP keeps 1/4; recovered by interpolation",
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
    "hot": Entry(
        config=MixSTE,
        lifter=_MIXSTE,
        preset=hot,
        about="a third of the frames kept by clustering tokens, recovered by learned queries",
        changes="host + DPC-kNN on tokens before pair 3, an embedding of each place, cross-attention recovery",
        paper="Li et al., Hourglass Tokenizer for Efficient Transformer-Based 3D Human Pose Estimation, CVPR 2024",
    ),
}


def _known(kind: str, name: str, names: dict[str, Any]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown {kind} {name!r}{hint} (known: {', '.join(names)})")


def hosts() -> tuple[str, ...]:
    """The names that are hosts, on each of which every preset stands."""
    return tuple(name for name, entry in MODELS.items() if entry.preset is None)


def entry(name: str, host: str | None = None) -> Entry:
    """What ``name`` is made of on ``host``, by default on its own.

    Raises ValueError for an unknown name, and where a host is to stand on another.
    """
    _known("model", name, MODELS)
    found = MODELS[name]
    if host is None or host == name:
        return found
    _known("host", host, dict.fromkeys(hosts()))
    if found.preset is None:
        raise ValueError(f"{name} is a host itself, so it can't stand on {host}; only presets take a host")
    on = MODELS[host]
    return replace(found, config=on.config, lifter=on.lifter, cost=on.cost)


def config(name: str, size: str = "base", *, host: str | None = None, **overrides: Any) -> Host:
    """The config that a name, a size and for a preset a host stand for, with fields replaced; imports no torch.

    Raises ValueError for an unknown name, size or field (naming the nearest known one), and for values that the config
    itself refuses.
    """
    made_of = entry(name, host)
    _known("size", size, SIZES)
    settings = {field.name: field for field in fields(made_of.config)}
    for field in overrides:
        _known("field", field, settings)
    values: dict[str, Any] = {**SIZES[size], **overrides}
    made = made_of.config(**values)
    if "pruning" not in overrides and made_of.preset is not None:
        made = replace(made, pruning=made_of.preset(made.depth))
    problems = [f"{'.'.join(path)}: {text}" for path, text in made.problems()]
    if problems:
        raise ValueError("\n".join(problems))
    return made


def host_of(config: Host) -> str:
    """The first name in the zoo with a config of this class. Raises ValueError where there is none."""
    found = next((name for name, entry in MODELS.items() if entry.config is type(config)), None)
    if found is None:
        raise ValueError(f"{type(config).__name__} is no config of a model in the zoo")
    return found


def cost(
    config: Host,
    *,
    hypotheses: int = 1,
    steps: int = 1,
    flip: Flip = False,
    elastic: Elastic | None = None,
    branch: Branch | None = None,
) -> Cost:
    """What a lifter with ``config`` costs, in closed form; with ``elastic`` training is the expectation over its draws.

    Raises ValueError as ``host_of`` does.
    """
    count = MODELS[host_of(config)].cost
    return count(config, hypotheses=hypotheses, steps=steps, flip=flip, elastic=elastic, branch=branch)


def build(
    model: str | Host, size: str = "base", *, host: str | None = None, seed: int | None = None, **overrides: Any
) -> "Lifter":
    """A lifter with fresh weights, from a name (with size, host and overrides) or from a config.

    With ``seed`` the weights are drawn under it and the caller's random state stays as it was; without it they come
    from torch's current state. Raises ValueError as ``config`` does.
    """
    import torch

    made = config(model, size, host=host, **overrides) if isinstance(model, str) else model
    make = MODELS[host_of(made)].lifter
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
