"""How much faster one thing is than another, both measured in one run on the same machine.

Whatever else a machine does slows all that runs at the same time. So contenders take turns, first forward, then
backward, and a ratio is taken round by round before its median is.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from ablate.bench import Row


@dataclass(frozen=True)
class Contender:
    """Something to be timed; ``run`` returns only when its work is done (on a GPU it synchronises itself)."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """The median and the quartiles of the ratios of all rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Timing:
    """What one contender took in each round, in seconds."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds that half of the rounds took less than."""
        return median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Seconds that a quarter, and three quarters, of the rounds took less than."""
        return _quartiles(self.seconds)

    def ratio(self, reference: "Timing") -> Ratio:
        """How many times as fast as ``reference`` this is; above 1 this one is faster. Both are of the same race."""
        rounds = [theirs / own for theirs, own in zip(reference.seconds, self.seconds, strict=True)]
        return Ratio(median(rounds), *_quartiles(rounds))


def race(
    contenders: Sequence[Contender],
    *,
    repeats: int,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Timing]:
    """Time each contender ``repeats`` times, in turns, after ``warmup`` rounds that are not counted.

    The order is reversed each round, so that nobody always comes after the same one. Raises ValueError for fewer than
    one repeat, and where two contenders share a name.
    """
    if repeats < 1:
        raise ValueError(f"a race needs at least one round, not {repeats}")
    if len({contender.name for contender in contenders}) < len(contenders):
        raise ValueError("two contenders share a name")
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(-warmup, repeats):
        for contender in contenders[:: -1 if turn % 2 else 1]:
            began = clock()
            contender.run()
            took = clock() - began
            if turn >= 0:
                seconds[contender.name].append(took)
    return [Timing(name, tuple(found)) for name, found in seconds.items()]


def ratio_row(what: str, timing: Timing, reference: Timing, promise: float | None = None) -> Row:
    """How many times as fast as ``reference`` this is, and at least has to be."""
    ratio = timing.ratio(reference)
    return Row(
        what=what, value=ratio.median, unit="x", promise=promise, sense="at_least", low=ratio.low, high=ratio.high
    )


def timing_row(what: str, timing: Timing, promise: float | None = None) -> Row:
    """The seconds themselves, and what they may at most be."""
    low, high = timing.quartiles
    return Row(what=what, value=timing.median, unit="s", promise=promise, low=low, high=high)


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
