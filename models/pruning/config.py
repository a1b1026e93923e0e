"""The stages of pruning as frozen values, and what a study may choose among: no torch here.

``Pruning`` is the part that a host is handed to prune frames inside its network; ``None`` means the part is absent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from models.names import Later, Names

if TYPE_CHECKING:
    from torch import Tensor

    from models.pruning.tcep import Graph

Problem = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class ByTokens:
    """A policy that looks at the tokens of every pass, where the others look at the window once.

    ``choose`` gets what the policy ``sees``, and a count; it gives rising frames, (B, count), without a gradient.
    ``sees``: the ``tokens`` that are about to be pruned, (B, F, J, C), or the ``attention`` that each frame received in
    the temporal block before, (B, F). ``macs`` says what that costs a pass of so many frames and channels, by kind.
    ``merges``: the frames given are each the first of a group, of which the mean is kept; 0 must be among them.
    """

    choose: "Callable[[Tensor, int], Tensor]"
    macs: Callable[[int, int], Mapping[str, float]]
    sees: Literal["tokens", "attention"] = "tokens"
    merges: bool = False


# What may choose the kept frames: each gets a window's graph and a count, and gives the frames, (B, count).
POLICIES: "dict[str, Callable[[Graph, int], Tensor] | ByTokens]" = {
    "tcep": Later("models.pruning.tcep:tcep"),
    "uniform": Later("models.pruning.policies:uniform"),
    "random": Later("models.pruning.policies:random"),
    "segment": Later("models.pruning.policies:segment"),
    "motion": Later("models.pruning.policies:motion"),
    "dpc_knn": ByTokens(Later("models.pruning.dpc_knn:dpc_knn"), Later("models.pruning.macs:dpc_knn")),
    "merge": ByTokens(Later("models.pruning.merge:merge"), Later("models.pruning.macs:merge"), merges=True),
    "attention": ByTokens(
        Later("models.pruning.attention:attention"), Later("models.pruning.macs:attention"), sees="attention"
    ),
}
# Those that look at no frame, or at each alone; the others are counted as comparing all frames of a window.
UNSEEING = ("uniform", "random", "segment", "motion")


def by_tokens(policy: str) -> ByTokens | None:
    """The policy of this name if it is one that looks at tokens."""
    found = POLICIES.get(policy)
    return found if isinstance(found, ByTokens) else None


Policy = Annotated[str, Names(POLICIES)]


def policy_problems(at: tuple[str, ...], policy: str) -> Iterator[Problem]:
    """What is wrong with ``policy`` as a name, told at the setting ``at``."""
    if text := Names(POLICIES).problem(policy):
        yield at, text


def _count(keep_ratio: float | None, keep_frames: int | None, frames: int) -> int:
    """Frames kept out of ``frames``: half rounds up, and both endpoints always stay."""
    if keep_frames is not None:
        return keep_frames
    assert keep_ratio is not None
    return max(min(2, frames), int(keep_ratio * frames + 0.5))


def _amount_problems(ratio: float | None, count_name: str, count: int | None, frames: int) -> Iterator[Problem]:
    if (ratio is None) == (count is None):
        yield (("keep_ratio",), f"give exactly one of keep_ratio and {count_name}")
    if ratio is not None and not 0 < ratio <= 1:
        yield (("keep_ratio",), f"must lie in (0, 1], got {ratio:g}; a count of frames is called {count_name}")
    if count is not None and not min(2, frames) <= count <= frames:
        yield ((count_name,), f"must lie in {min(2, frames)}..{frames} (the window has {frames} frames), got {count}")


@dataclass(frozen=True, kw_only=True)
class TCEP:
    """Temporal-correlation frame choice, computed once a window from the clean 2D input.

    ``policy`` names what chooses the frames at the same count: ``tcep`` itself, or another in its place. ``random``
    and ``segment`` (one random frame a segment) take the window's own content as their seed; ``motion`` keeps the
    frames in which most moves; ``dpc_knn`` clusters the joint-pooled tokens of every pass (HoT, CVPR 2024), and
    promises no endpoints; ``attention`` keeps the frames that receive most in the last dense temporal block;
    ``merge`` drops none, but makes one of neighbours that are alike, and interpolation gives each frame its group's.
    ``keep_ratio`` (of the window, in (0, 1]) and ``keep_frames`` (a count) exclude each other.
    ``uniform_share`` is epsilon of the density; ``None`` means 0.5, or 0.25 when under a fifth is kept.
    ``embed_places`` adds a learned embedding for each place among the kept frames, first to last, as HoT does; it ties
    the weights to their count.
    """

    keep_ratio: float | None = 0.5
    keep_frames: int | None = None
    before_pair: int = 1
    policy: Policy = "tcep"
    uniform_share: float | None = None
    velocity_weight: float = 0.5
    threshold_std: float = 0.0
    embed_places: bool = False

    def count(self, frames: int) -> int:
        return _count(self.keep_ratio, self.keep_frames, frames)

    def problems(self, frames: int, depth: int) -> Iterator[Problem]:
        yield from policy_problems(("policy",), self.policy)
        yield from _amount_problems(self.keep_ratio, "keep_frames", self.keep_frames, frames)
        if not 0 <= self.before_pair < depth:
            yield (("before_pair",), f"must lie in 0..{depth - 1} (the host has {depth} pairs), got {self.before_pair}")
        if (policy := by_tokens(self.policy)) and policy.sees == "attention" and self.before_pair == 0:
            yield (("before_pair",), f"must be at least 1: {self.policy} looks at the temporal block before it")
        if self.uniform_share is not None and not 0 < self.uniform_share <= 1:
            yield (("uniform_share",), f"must lie in (0, 1], got {self.uniform_share:g}")


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Sparse-focused temporal attention: after pruning, only kept frames serve as keys and values.

    ``focus``: each frame attends to its ``focus`` nearest neighbours in TCEP's graph (itself included) among the kept
    ones; ``None`` attends to all kept frames. Where the stage is absent, attention stays dense: the kept frames also
    see the dropped ones, frozen as they were when they were dropped.
    """

    focus: int | None = None

    def problems(self, frames: int) -> Iterator[Problem]:
        if self.focus is not None and not 1 <= self.focus <= frames:
            yield (("focus",), f"must lie in 1..{frames}, got {self.focus}")


@dataclass(frozen=True, kw_only=True)
class MGPTP:
    """Mask-guided clustering: among the kept frames, the most representative one of each of ``clusters`` segments.

    ``source``: ``descriptors`` clusters once a window on TCEP's clean 2D descriptors (free); ``tokens`` clusters on the
    joint-pooled tokens of every pass. ``policy: uniform`` keeps the middle of each segment instead: the control at the
    same count.
    """

    keep_ratio: float | None = 0.25
    clusters: int | None = None
    before_pair: int = 3
    policy: Literal["peaks", "uniform"] = "peaks"
    source: Literal["descriptors", "tokens"] = "descriptors"
    neighbours: int = 2

    def count(self, frames: int) -> int:
        return _count(self.keep_ratio, self.clusters, frames)

    @property
    def compares_tokens(self) -> bool:
        """Does every pass compare its tokens to choose among them?"""
        return self.source == "tokens" and self.policy == "peaks"

    def problems(self, frames: int, depth: int) -> Iterator[Problem]:
        yield from _amount_problems(self.keep_ratio, "clusters", self.clusters, frames)
        if not 0 <= self.before_pair < depth:
            yield (("before_pair",), f"must lie in 0..{depth - 1} (the host has {depth} pairs), got {self.before_pair}")
        if self.neighbours < 1:
            yield (("neighbours",), f"must be at least 1, got {self.neighbours}")


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How kept tokens become all frames again: ``interpolate`` in time (no parameters), or learned attention, in which
    learned queries ask (``cross_attention``; HoT, CVPR 2024) or the tokens of before pruning (the other)."""

    kind: Literal["interpolate", "cross_attention", "skip_cross_attention"] = "interpolate"


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """The three stages of hierarchical temporal pruning; any subset works, ``None`` is off.

    ``schedule``: the same counts in all denoising steps, or counts that grow (``coarse_to_fine``) or shrink over them
    with the configured ones as their mean; see schedule.py. What shapes the weights does not depend on it.
    """

    tcep: TCEP | None = None
    sft: SFT | None = None
    mgptp: MGPTP | None = None
    recovery: Recovery = field(default_factory=Recovery)
    schedule: Literal["constant", "coarse_to_fine", "fine_to_coarse"] = "constant"

    def kept(self, frames: int) -> tuple[int, int]:
        """How many of ``frames`` are left after TCEP and after MGPTP."""
        kept = frames if self.tcep is None else self.tcep.count(frames)
        return kept, kept if self.mgptp is None else self.mgptp.count(frames)

    @property
    def pairs(self) -> tuple[int, ...]:
        """Pairs before which attention changes: where frames are dropped, or pair 0 if no stage drops any."""
        return tuple(stage.before_pair for stage in (self.tcep, self.mgptp) if stage is not None) or (0,)

    @property
    def merges(self) -> bool:
        """Does TCEP's policy make groups of frames instead of dropping some?"""
        return self.tcep is not None and (policy := by_tokens(self.tcep.policy)) is not None and policy.merges

    @property
    def recovers_by_attention(self) -> bool:
        """Is there anything to recover, and does a learned layer do it?"""
        return self.recovery.kind != "interpolate" and (self.tcep is not None or self.mgptp is not None)

    def queries(self, frames: int) -> int:
        """How many queries recovery learns; 0 where it needs none, or the tokens of before pruning ask."""
        return frames if self.recovers_by_attention and self.recovery.kind == "cross_attention" else 0

    def places(self, frames: int) -> int:
        """How many kept frames have a learned embedding of their place; 0 for none."""
        kept, _ = self.kept(frames)
        return kept if self.tcep is not None and self.tcep.embed_places and kept < frames else 0

    def compares_frames(self, frames: int) -> bool:
        """Does choosing frames need their distances, which TCEP, MGPTP's descriptors and SFT's focus share?"""
        kept, clusters = self.kept(frames)
        policy = "uniform" if self.tcep is None else self.tcep.policy
        by_tcep = policy not in UNSEEING and not by_tokens(policy) and kept < frames
        by_mgptp = self.mgptp is not None and self.mgptp.policy == "peaks" and clusters < kept
        return by_tcep or by_mgptp or (self.sft is not None and self.sft.focus is not None)

    def problems(self, frames: int, depth: int) -> Iterator[Problem]:
        own = [(("tcep", *at), text) for at, text in (self.tcep.problems(frames, depth) if self.tcep else ())]
        own += [(("sft", *at), text) for at, text in (self.sft.problems(frames) if self.sft else ())]
        own += [(("mgptp", *at), text) for at, text in (self.mgptp.problems(frames, depth) if self.mgptp else ())]
        yield from own
        if self.tcep is not None and self.mgptp is not None and not own:
            kept, clusters = self.kept(frames)
            if clusters > kept:
                name = "keep_ratio" if self.mgptp.clusters is None else "clusters"
                yield (("mgptp", name), f"asks for {clusters} clusters, but TCEP keeps only {kept} of {frames} frames")
            if self.mgptp.before_pair < (at := self.tcep.before_pair):
                yield (("mgptp", "before_pair"), f"clustering follows TCEP, so it can't come before pair {at}")
            if by_tokens(self.tcep.policy) and not (self.merges or self.mgptp.compares_tokens):
                text = "chooses by each pass's tokens, and clustering has to follow: source tokens, policy peaks"
                yield (("mgptp", "source"), f"{self.tcep.policy} {text}")
        if self.tcep is not None and self.merges and (self.mgptp is not None or self.sft != SFT()):
            text = "merges frames, and drops none to be seen or clustered: give sft without focus, and no mgptp"
            yield (("tcep", "policy"), f"{self.tcep.policy} {text}")
        if self.tcep is not None and self.tcep.embed_places and self.schedule != "constant":
            text = "changes counts over the steps, and places are learned for one: take constant, or no embed_places"
            yield (("schedule",), f"{self.schedule} {text}")


def three_stages(depth: int, *, keep: float, clusters: float) -> Pruning:
    """HTP at the paper's places, scaled to a host of ``depth`` pairs: pair 0 stays dense, clustering at three eighths.

    ``keep`` and ``clusters``: what TCEP and MGPTP keep of the window, in (0, 1].
    """
    return Pruning(
        tcep=TCEP(keep_ratio=keep, before_pair=min(1, depth - 1)),
        sft=SFT(),
        mgptp=MGPTP(keep_ratio=clusters, before_pair=_three_eighths(depth)),
    )


def hot(depth: int) -> Pruning:
    """HoT (CVPR 2024) at the paper's place, scaled to a host of ``depth`` pairs: a third of the frames from pair 3."""
    return Pruning(
        tcep=TCEP(keep_ratio=1 / 3, before_pair=_three_eighths(depth), policy="dpc_knn", embed_places=True),
        sft=SFT(),
        recovery=Recovery(kind="cross_attention"),
    )


def _three_eighths(depth: int) -> int:
    return max(1, (3 * depth + 4) // 8) if depth > 1 else 0
