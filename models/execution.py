"""How lifting is carried out: what changes its speed and memory, and its result by no more than rounding.

No torch here. A row is one pose sequence on its way through the network: one window, one hypothesis, straight or
mirrored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from models.config import JOINTS, Host
from models.pruning.config import Problem

CACHED = 2**21  # values of one activation that rows share on a CPU: 8 MB in float32
HELD = 2**27  # the same in the memory of any other device: 0.5 GB


class Cut(NamedTuple):
    """How many ``windows``, and ``hypotheses`` of each, go through at once; and whether the mirrored ones do, too."""

    windows: int
    hypotheses: int
    together: bool


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How ``lift`` goes about it.

    ``rows`` go through the network at once; flipped rows count. None is the device's own rule, which looks at sizes and
    never at a clock (``models.probing.fastest`` does), so that a record can be made again: on a CPU as many as stay in
    its cache, elsewhere as many as memory surely holds. On a CPU that rule takes one hypothesis at a time, so that the
    first of many are bit for bit those of a run with few. ``precision``: ``bf16-mixed`` multiplies in bfloat16 and adds
    up in float32. ``compiled``: through torch.compile, whose first call for each shape takes tens of seconds and on a
    CPU asks for a C++ compiler; on a GPU it replays CUDA graphs. It pays where a network is small.
    """

    rows: int | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compiled: bool = False

    @property
    def half(self) -> bool:
        """Does the network multiply in bfloat16?"""
        return self.precision == "bf16-mixed"

    def problems(self) -> Iterator[Problem]:
        """What is wrong with it."""
        if self.rows is not None and self.rows < 1:
            yield ("rows",), f"must be at least 1, got {self.rows}"

    def cut(self, config: Host, device: str, windows: int, hypotheses: int, *, flip: bool) -> Cut:
        """The chunks of so many windows and hypotheses on a ``device``'s type. Raises ValueError for bad values."""
        if problems := [f"{'.'.join(at)}: {text}" for at, text in self.problems()]:
            raise ValueError("\n".join(problems))
        rows = self.rows or max(1, (CACHED if device == "cpu" else HELD) // (config.frames * JOINTS * config.width))
        together = flip and rows > 1
        rows //= 2 if together else 1
        at_once = min(windows, rows)
        alone = self.rows is None and device == "cpu"
        return Cut(at_once, 1 if alone else min(hypotheses, rows // at_once), together)


BY_DEVICE = Execution()


def slices(count: int, size: int) -> Iterator[slice]:
    """``count`` things in parts of ``size``, the last one as long as what is left."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
