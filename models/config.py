"""What a lifter is made of, as frozen values: no torch here, so that validating, listing and planning stay instant.

A host (``D3DP``) is a complete lifter. One whose ``pruning`` (see models/pruning/config.py) is ``None`` is the plain,
dense lifter; presets (``htp``, ``hot``) are nothing but a host with such a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from models.pruning.config import Problem, Pruning

JOINTS = 17
LEFT = (4, 5, 6, 11, 12, 13)
RIGHT = (1, 2, 3, 14, 15, 16)
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)


@dataclass(frozen=True, kw_only=True)
class Host:
    """What every lifter is made of.

    ``channels``: how many values of each joint are diffused; a lifter that diffuses none is deterministic.
    ``whole_batch``: does training take statistics of a batch, so that several devices can't share one?

    ``depth`` counts pairs of a spatial and a temporal block. ``input: root_relative`` feeds joints relative to the
    root, scaled by 5, the root itself absolute; ``init: warm`` draws the joint and frame embeddings at 0.5 and 0.1
    instead of MixSTE's zeros.
    """

    channels: ClassVar[int] = 0
    whole_batch: ClassVar[bool] = False

    frames: int = 243
    width: int = 512
    depth: int = 8
    heads: int = 8
    mlp_ratio: float = 2.0
    drop_path: float = 0.1
    input: Literal["absolute", "root_relative"] = "absolute"
    init: Literal["zeros", "warm"] = "zeros"
    pruning: Pruning | None = None

    @property
    def hidden(self) -> int:
        """Channels inside a block's MLP."""
        return int(self.width * self.mlp_ratio)

    def problems(self) -> Iterator[Problem]:
        for name in ("frames", "width", "depth", "heads"):
            if getattr(self, name) < 1:
                yield ((name,), f"must be at least 1, got {getattr(self, name)}")
        if self.heads >= 1 and self.width % self.heads:
            yield (("heads",), f"must divide the width {self.width}, got {self.heads}")
        if not 0 <= self.drop_path < 1:
            yield (("drop_path",), f"must lie in [0, 1), got {self.drop_path:g}")
        if self.pruning is not None and self.frames >= 1 and self.depth >= 1:
            yield from ((("pruning", *path), text) for path, text in self.pruning.problems(self.frames, self.depth))
            if not self.channels and self.pruning.schedule != "constant":
                text = "needs denoising steps, and this host is deterministic, it has one; set it to constant"
                yield ("pruning", "schedule"), f"{self.pruning.schedule} {text}"


@dataclass(frozen=True, kw_only=True)
class MixSTE(Host):
    """The deterministic lifter (Zhang et al., CVPR 2022): one pass of the network that D3DP denoises with.

    ``loss``: ``mpjpe`` as all lifters here; ``mixste`` is the published sum, in which joints far from the trunk weigh
    more and predictions that jerk or move at another pace than the truth cost as well.
    """

    loss: Literal["mpjpe", "mixste"] = "mpjpe"

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if self.loss == "mixste" and self.frames < 2:
            yield (("loss",), "mixste looks at how poses move, so it needs at least 2 frames; use mpjpe")


@dataclass(frozen=True, kw_only=True)
class D3DP(Host):
    """D3DP's diffusion lifter around a MixSTE denoiser (Shan et al., ICCV 2023)."""

    channels: ClassVar[int] = 3

    timesteps: int = 1000
    scale: float = 1.0

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if self.timesteps < 1:
            yield (("timesteps",), f"must be at least 1, got {self.timesteps}")
        if self.width % 2:
            yield (("width",), f"must be even (the time embedding is half sines, half cosines), got {self.width}")


@dataclass(frozen=True, kw_only=True)
class _WholeFirstPair(Host):
    """What needs all frames until its first pair is over; ``ties`` says why."""

    ties: ClassVar[str]

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        stages = {} if self.pruning is None else {"tcep": self.pruning.tcep, "mgptp": self.pruning.mgptp}
        for name, stage in stages.items():
            if stage is not None and stage.before_pair == 0:
                yield ("pruning", name, "before_pair"), f"must be at least 1: {self.ties}"


@dataclass(frozen=True, kw_only=True)
class DDHPose(_WholeFirstPair, D3DP):
    """DDHPose: D3DP that diffuses each bone's direction and length (Cai et al., AAAI 2024)."""

    channels: ClassVar[int] = 4
    ties: ClassVar[str] = "after the first pair this host gives every place a token of another frame to look at"


@dataclass(frozen=True, kw_only=True)
class _Priors(_WholeFirstPair):
    """What KTPFormer's first pair asks for: whole batches for its batch norm, and all frames for its trajectory prior,
    whose weights belong to frames."""

    whole_batch: ClassVar[bool] = True
    ties: ClassVar[str] = "the prior in the first pair ties each frame to the ones beside it"


@dataclass(frozen=True, kw_only=True)
class KTPFormer(_Priors, MixSTE):
    """MixSTE with priors of the skeleton and of time in its first pair, deterministic (Peng et al., CVPR 2024).

    ``depth`` counts the prior pair as well: published at 7 + 1.
    """


@dataclass(frozen=True, kw_only=True)
class KTPFormerDiffusion(_Priors, D3DP):
    """KTPFormer's network as D3DP's denoiser: our own, for only the deterministic form was ever released."""


SIZES: dict[str, dict[str, int]] = {
    "tiny": {"frames": 27, "width": 32, "depth": 2, "heads": 4},
    "small": {"frames": 81, "width": 64, "depth": 4, "heads": 4},
    "base": {"frames": 243, "width": 512, "depth": 8, "heads": 8},
}
