"""Elastic training's draws: one set of weights for every ratio, because each step prunes otherwise. No torch here."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from models.pruning.config import MGPTP, TCEP, Elastic, Policy, Pruning

if TYPE_CHECKING:
    import numpy as np


def draw(pruning: Pruning, elastic: Elastic, frames: int, rng: "np.random.Generator") -> Pruning:
    """One step's pruning: the same stages at drawn counts and with a drawn policy, or no stage at all."""
    dense, keep, share = rng.random(3)
    policy = elastic.policies[int(rng.integers(len(elastic.policies)))]
    if dense < elastic.dense_share:
        return Pruning(recovery=pruning.recovery)
    drawn = _chosen_by(policy, pruning)
    kept, tcep, mgptp = frames, drawn.tcep, drawn.mgptp
    if tcep is not None:
        kept = TCEP(keep_ratio=_between(elastic.keep_range, keep)).count(frames)
        tcep = replace(tcep, keep_ratio=None, keep_frames=kept)
    if mgptp is not None:
        clusters = MGPTP(keep_ratio=_between(elastic.cluster_range, share)).count(kept)
        mgptp = replace(mgptp, keep_ratio=None, clusters=clusters)
    return replace(drawn, tcep=tcep, mgptp=mgptp)


def counts(pruning: Pruning, elastic: Elastic, frames: int) -> Iterator[tuple[float, int, int]]:
    """Every outcome of a step that prunes: (probability, frames that TCEP keeps, frames that MGPTP keeps), exactly."""
    keeps = _chances(elastic.keep_range, frames) if pruning.tcep is not None else [(1.0, frames)]
    for keep_chance, kept in keeps:
        shares = _chances(elastic.cluster_range, kept) if pruning.mgptp is not None else [(1.0, kept)]
        for share_chance, clusters in shares:
            yield keep_chance * share_chance, kept, clusters


def policies(pruning: Pruning, elastic: Elastic) -> Iterator[Pruning]:
    """The same stages with each policy that ``draw`` may give them, all equally probable."""
    return (_chosen_by(policy, pruning) for policy in elastic.policies)


def _chosen_by(policy: Policy, pruning: Pruning) -> Pruning:
    """The same stages with ``policy`` in TCEP's place; with ``uniform`` MGPTP is uniform as well."""
    by: Literal["peaks", "uniform"] = "uniform" if policy == "uniform" else "peaks"
    return replace(
        pruning,
        tcep=None if pruning.tcep is None else replace(pruning.tcep, policy=policy),
        mgptp=None if pruning.mgptp is None else replace(pruning.mgptp, policy=by),
    )


def _between(bounds: tuple[float, float], along: float) -> float:
    low, high = bounds
    return low + along * (high - low)


def _chances(bounds: tuple[float, float], frames: int) -> Iterator[tuple[float, int]]:
    """How probable each count is when a ratio is uniform between ``bounds``: it rounds, and two frames always stay."""
    low, high = bounds
    first, last = TCEP(keep_ratio=low).count(frames), TCEP(keep_ratio=high).count(frames)
    if first == last:
        yield 1.0, first
        return
    for count in range(first, last + 1):
        lower = low if count == first else max(low, (count - 0.5) / frames)
        upper = high if count == last else min(high, (count + 0.5) / frames)
        yield (upper - lower) / (high - low), count
