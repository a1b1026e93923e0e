"""Elastic training: one set of weights for every ratio, because each step prunes otherwise. No torch here."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from models.pruning.config import MGPTP, POLICIES, TCEP, Policy, Problem, Pruning, policy_problems

if TYPE_CHECKING:
    import numpy as np

STAGES = ("tcep", "sft", "mgptp")


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """One set of weights for every ratio: each training step draws the kept counts and the policy anew.

    ``dense_share`` of the steps prunes nothing; the others draw TCEP's ratio and MGPTP's share *of what TCEP kept*
    uniformly from the two ranges, and a policy uniformly from ``policies`` (``segment`` keeps one random frame a
    segment; with ``uniform`` MGPTP is uniform as well).

    ``stages``: of these each step draws a subset, every stage in or out at even odds, so that one training serves every
    configuration that is made of some of them; None prunes with the configuration's own stages, all in every step.
    """

    dense_share: float = 0.1
    keep_range: tuple[float, float] = (0.1, 1.0)
    cluster_range: tuple[float, float] = (0.2, 1.0)
    policies: tuple[Policy, ...] = ("tcep", "uniform", "random", "segment")
    stages: Pruning | None = None

    def problems(self) -> Iterator[Problem]:
        if not 0 <= self.dense_share <= 1:
            yield (("dense_share",), f"must lie in [0, 1], got {self.dense_share:g}")
        for name in ("keep_range", "cluster_range"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                yield ((name,), f"must be two rising values in (0, 1], got {low:g}, {high:g}")
        if not self.policies:
            yield (("policies",), "needs at least one policy")
        for policy in self.policies:
            yield from policy_problems(("policies",), policy)
        if self.stages is not None and self.stages.schedule != "constant":
            yield (("stages", "schedule"), "training has no denoising steps: give the schedule to the model's pruning")


def without_counts(pruning: Pruning) -> Pruning:
    """The same stages with everything that elastic weights leave open set to its default: what shapes the weights."""
    return replace(
        pruning,
        schedule="constant",
        tcep=None if pruning.tcep is None else TCEP(before_pair=pruning.tcep.before_pair),
        mgptp=None
        if pruning.mgptp is None
        else MGPTP(before_pair=pruning.mgptp.before_pair, source=pruning.mgptp.source),
    )


def trained(pruning: Pruning, elastic: Elastic) -> Pruning:
    """What elastic weights for ``pruning`` are trained with: its own stages or those that the steps draw from, without
    what the weights leave open."""
    return without_counts(elastic.stages or pruning)


def beyond(pruning: Pruning, stages: Pruning) -> list[str]:
    """Which parts of ``pruning`` weights that draw from ``stages`` know nothing of, by name."""
    own, known = without_counts(pruning), without_counts(stages)
    others = [name for name in STAGES if getattr(own, name) not in (None, getattr(known, name))]
    return others if own.recovery == known.recovery else [*others, "recovery"]


def subsets(pruning: Pruning, elastic: Elastic) -> tuple[Pruning, ...]:
    """The stages of a step that prunes, all equally probable; ``pruning`` is what the weights are ``trained`` with."""
    if elastic.stages is None:
        return (pruning,)
    inside = itertools.product(*((None, getattr(pruning, stage)) for stage in STAGES))
    return tuple(replace(pruning, tcep=tcep, sft=sft, mgptp=mgptp) for tcep, sft, mgptp in inside)


def misfits(pruning: Pruning, elastic: Elastic, frames: int, depth: int) -> list[str]:
    """Which policies don't go with the stages that a step may draw them for, and why; one line each.

    What is wrong with the stages under any policy is told where they stand, not here.
    """
    told: dict[str, str] = {}
    for stages in subsets(trained(pruning, elastic), elastic):
        anyhow = list(_chosen_by("uniform", stages).problems(frames, depth))
        for policy in filter(POLICIES.__contains__, elastic.policies):
            for path, text in _chosen_by(policy, stages).problems(frames, depth):
                if (path, text) not in anyhow:
                    told.setdefault(policy, f"{policy} can't be drawn: pruning.{'.'.join(path)}: {text}")
    return list(told.values())


def draw(pruning: Pruning, elastic: Elastic, frames: int, rng: "np.random.Generator") -> Pruning:
    """One step's pruning: the same stages at drawn counts and with a drawn policy, or nothing dropped."""
    undropped, keep, share = rng.random(3)
    policy = elastic.policies[int(rng.integers(len(elastic.policies)))]
    if elastic.stages is not None:
        choices = subsets(pruning, elastic)
        pruning = choices[int(rng.integers(len(choices)))]
    if undropped < elastic.dense_share:
        return dense(pruning)
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


def dense(pruning: Pruning) -> Pruning:
    """A step that drops nothing. Where a learned layer recovers, the stages stay, at full counts: it is trained to be
    used at any, and tokens of before pruning, where these ask, are those of the same pair as ever."""
    if not pruning.recovers_by_attention:
        return Pruning(recovery=pruning.recovery)
    tcep, mgptp = pruning.tcep, pruning.mgptp
    return Pruning(
        tcep=None if tcep is None else replace(tcep, keep_ratio=1.0, keep_frames=None),
        mgptp=None if mgptp is None else replace(mgptp, keep_ratio=1.0, clusters=None),
        recovery=pruning.recovery,
    )


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
