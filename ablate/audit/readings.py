"""What this zoo counts for a published model, and which way of counting a published figure is.

A reading multiplies: so many units a MAC, linear layers alone or attention products too, for a window or one of its
frames. The one nearest to a figure is how that figure was counted, if it is near enough; no source need be trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import models
from ablate.audit.published import Figure, Per
from models.pruning.config import SFT, TCEP, Pruning

TOLERANCE = 0.01  # of a reading; attention alone is 6 % of MixSTE, so no two readings are this near
FACTORS = (1, 2, 4)  # MACs; FLOPs, or MACs of both passes of flip averaging; FLOPs of both passes


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """The model of this zoo that a published name is, at size base; ``own``: after our design, as none was released."""

    model: str
    host: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


# TPC is HoT's pruning without recovery, published at 61 frames from pair 7 (README of its repository).
_TPC = Pruning(
    tcep=TCEP(keep_ratio=None, keep_frames=61, before_pair=7, policy="dpc_knn", embed_places=True), sft=SFT()
)
COUNTERPARTS = {
    "MixSTE": Counterpart(model="mixste"),
    "HoT-MixSTE": Counterpart(model="hot", host="mixste"),
    "TPC-MixSTE": Counterpart(model="mixste", fields={"pruning": _TPC}),
    "D3DP": Counterpart(model="d3dp"),
    "DDHPose": Counterpart(model="ddhpose"),
    "KTPFormer-diffusion": Counterpart(model="ktpformer_diffusion", own=True),
    "HTP": Counterpart(model="htp", host="d3dp", own=True),
}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """GMACs of one pass over a window by kind, and what lies outside the passes (``shared``).

    ``gmacs``: all of it, which is the one convention (H = K = 1, no flip). ``window_gmacs``: what a window takes at
    this H, K and flip. ``params_m`` in millions.
    """

    model: str
    host: str
    linear: float
    attention: float
    other: float
    shared: float
    gmacs: float
    hypotheses: int
    steps: int
    flip: bool
    window_gmacs: float
    params_m: float


@dataclass(frozen=True, kw_only=True)
class Reading:
    """``value``: this zoo's count, read this way; ``off_percent``: how far the published figure lies from it."""

    factor: int
    attention: bool
    per: Per
    value: float
    off_percent: float


def count(of: Counterpart, frames: int, hypotheses: int, steps: int) -> Counted:
    """The closed form of a counterpart on windows of ``frames``."""
    config = models.config(of.model, "base", host=of.host, frames=frames, **of.fields)
    cost = models.cost(config, hypotheses=hypotheses, steps=steps, flip=True)
    kinds = {kind: sum(stage[kind] for stage in cost.stages.values()) for kind in ("linear", "attention", "other")}
    return Counted(
        model=of.model,
        host=models.host_of(config),
        **kinds,
        shared=cost.window_gmacs,
        gmacs=cost.pass_gmacs + cost.window_gmacs,
        hypotheses=hypotheses,
        steps=steps,
        flip=True,
        window_gmacs=cost.inference_gmacs,
        params_m=cost.params_m,
    )


def readings(figure: Figure, counted: Counted) -> list[Reading]:
    """Every reading of ``counted``, the one nearest to the published number first."""
    assert figure.compute_g is not None
    found = []
    pers: tuple[Per, ...] = ("window", "frame")
    for factor, attention, per in product(FACTORS, (False, True), pers):
        macs = counted.gmacs if attention else counted.linear
        value = factor * macs / (figure.frames if per == "frame" else 1)
        off = 100 * (figure.compute_g / value - 1)
        found.append(Reading(factor=factor, attention=attention, per=per, value=value, off_percent=off))
    return sorted(found, key=lambda reading: abs(reading.off_percent))
