"""When a training is stopped early: nothing that is evaluated from it could still reach the front.

Finished trainings say what an error after an epoch means for the end: over their configurations, the logarithm of the
recorded error is set against that of the lowest validation error up to this epoch, as one proportion for all and as a
straight line. Each gives a one-sided prediction bound for one further observation (least squares and Student's t; Hahn
and Meeker, Statistical Intervals, 1991); the lower of the two is the lowest error that an unfinished training may still
come to. A proportion alone knows no slow starters that catch up, a line alone trusts the few points that it has. Both
lead from the validation during training (one hypothesis, one step) to the trial's own protocol, so that what is
compared with the front is what the front is made of.

What the confidence is of: one training, over all its looks together. Each look has an equal share of the allowed error
(Bonferroni), so that of the trainings that are judged no more than 1 - confidence are to be stopped at a bound above
what they would have come to. It is no share of the stopped ones: where few are stopped, because all are about equal,
many of these few can have had a bound that was too high.

What it assumes: about these models the training is one more independent draw like the finished ones of its seed.
Trainings of equal settings resemble each other, so where too few have the very settings of the one that is judged, each
settings count once, and the bound is as wide as they differ. Not accounted for: an order in which what is finished
first says little of what comes later; that stopped trainings never tell how they would have ended; and that one seed
decides for all seeds of a configuration.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablate.canonical import canonical_json
from ablate.costing import known_compute
from ablate.plan import Trial
from ablate.quantities import Constraint, broken, summary
from ablate.records import Record
from ablate.sections import PruneConfig

# Of `train`: what shapes a curve over its epochs. Trainings that differ in these are no measure for each other.
COURSE = ("mode", "epochs", "batch", "windows", "schedule", "warmup", "decay", "ema", "validate_every")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one record says here. ``kind`` is equal for trials that are a measure for each other, ``settings`` for those
    that were trained alike, ``lowest_mm`` the lowest validation error by epoch during training, ``error_mm`` the
    recorded one under the trial's own protocol, ``compute`` in GMACs a window; ``allowed`` says whether it keeps the
    study's bounds."""

    cell: str
    label: str
    seed: int
    kind: str
    settings: str
    error_mm: float
    compute: float
    lowest_mm: Mapping[int, float]
    allowed: bool

    @classmethod
    def of(cls, record: Record, constraints: Iterable[Constraint]) -> "Result":
        numbers, lowest, so_far = summary(record), math.inf, {}
        for epoch, error in zip(record.curves["validation_epoch"], record.curves["validation_mpjpe_mm"], strict=True):
            lowest = min(lowest, error)
            so_far[int(epoch)] = lowest
        return cls(
            cell=record.trial,
            label=record.label,
            seed=record.seed,
            kind=_kind(record.config),
            settings=canonical_json(record.config["train"]),
            error_mm=numbers["validation_mpjpe_mm"],
            compute=numbers["inference_gmacs"],
            lowest_mm=so_far,
            allowed=not broken(constraints, numbers),
        )


def _kind(identity: Mapping[str, Any]) -> str:
    course = {name: identity["train"][name] for name in COURSE}
    return canonical_json([identity["data"], identity["evaluate"], course])


def lower_bound(points: Sequence[tuple[float, float]], at: float, confidence: float) -> float:
    """The lowest y at ``at`` that is plausible by at least three draws (x, y) of a linear relation: what a further draw
    exceeds with this confidence, be the slope one, or the one that fits best. Minus infinity where every x is the same,
    which says nothing of the slope."""
    x, y = np.array(points, dtype=np.float64).T
    spread = float(((x - x.mean()) ** 2).sum())
    if spread == 0:
        return -math.inf
    fitted = float(((x - x.mean()) * y).sum()) / spread
    away = at - float(x.mean())
    return min(
        _prediction_bound(y - x, at, 0.0, len(x) - 1, confidence),
        _prediction_bound(y - fitted * x, fitted * at, away**2 / spread, len(x) - 2, confidence),
    )


def _prediction_bound(rest: np.ndarray, known: float, leverage: float, freedom: int, confidence: float) -> float:
    """``known`` plus a further draw of ``rest``, the differences from a model that leaves ``freedom`` degrees."""
    from scipy.special import stdtrit

    mean = float(rest.mean())
    deviation = math.sqrt(float(((rest - mean) ** 2).sum()) / freedom)
    return known + mean - float(stdtrit(freedom, confidence)) * deviation * math.sqrt(1 + 1 / len(rest) + leverage)


class Judge:
    """Says which trainings of a study to stop, by what is recorded of it. ``baseline`` is the label of the row that is
    trained to its end whatever it comes to."""

    def __init__(self, rule: PruneConfig, baseline: str, constraints: Sequence[Constraint]) -> None:
        self._rule = rule
        self._baseline = baseline
        self._constraints = constraints
        self._results: dict[str, Result] = {}

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of these records that weren't learnt."""
        return [name for name in names if name not in self._results]

    def learn(self, records: Iterable[Record]) -> None:
        self._results.update({record.name: Result.of(record, self._constraints) for record in records})

    def reason(self, trials: Sequence[Trial], epoch: int, lowest_mm: float, elsewhere: str = "") -> str | None:
        """Why the training that serves all these trials is stopped after ``epoch`` (from 1, a validated one); None when
        it goes on.

        ``lowest_mm`` is its lowest validation error so far. It goes on while one trial could still reach the front.
        Elastic and dense weights do in any case: what they are validated at is none of their trials. One seed decides
        for all, since a mean over some of the seeds is no row of the front: with a finished seed nothing is stopped,
        and with one that was stopped, for the reason ``elsewhere``, everything.
        """
        train = trials[0].cell.configuration.train
        modes = {trial.cell.configuration.train.mode for trial in trials}
        if not self._rule.after <= epoch < train.epochs or modes != {"each"}:
            return None
        if any(trial.cell.label == self._baseline for trial in trials):
            return None
        if {trial.cell.id for trial in trials} & {result.cell for result in self._results.values()}:
            return None
        if elsewhere:
            return f"epoch {epoch} of {train.epochs}: as was another seed ({elsewhere})"
        every = train.validate_every
        looks = (train.epochs - 1) // every - (self._rule.after - 1) // every
        confidence = 1 - (1 - self._rule.confidence) / looks
        reasons = [self._dominated(trial, epoch, lowest_mm, confidence) for trial in trials]
        if None in reasons:
            return None
        more = f"; the same for {len(trials) - 1} more" if len(trials) > 1 else ""
        return f"epoch {epoch} of {train.epochs}: {reasons[0]}{more}"

    def _dominated(self, trial: Trial, epoch: int, lowest_mm: float, confidence: float) -> str | None:
        """Why one trial can't reach the front, with this confidence at one look; None while it may, or while too little
        is known. Everything is compared at its own seed: seeds may differ by more than configurations do."""
        points = self._points(trial, epoch)
        if len(points) < self._rule.curves:
            return None
        bound = math.exp(lower_bound(points, math.log(lowest_mm), confidence))
        compute = known_compute(trial.cell.configuration)["inference_gmacs"]
        better = [
            rival
            for rival in self._results.values()
            if rival.seed == trial.seed and rival.allowed and rival.compute <= compute and rival.error_mm < bound
        ]
        if not better:
            return None
        best = min(better, key=lambda rival: rival.error_mm)
        return (
            f"{lowest_mm:.1f} mm so far, {bound:.1f} mm at best in the end ({100 * self._rule.confidence:g} % "
            f"confidence, from {len(points)} configurations), and {best.label} has {best.error_mm:.1f} mm at no "
            "more compute"
        )

    def _points(self, trial: Trial, epoch: int) -> list[tuple[float, float]]:
        """Logarithms of the lowest error by ``epoch`` and of the final one: one point for each configuration that was
        trained alike where these are enough, otherwise one for each way to train. What resembles each other would count
        as more than it tells, so the first to be known stands for all that were trained alike."""
        kind, settings = _kind(trial.cell.identity), canonical_json(trial.cell.identity["train"])
        own: list[tuple[float, float]] = []
        every: dict[str, tuple[float, float]] = {}
        for result in self._results.values():
            if (result.seed, result.kind) == (trial.seed, kind) and epoch in result.lowest_mm:
                point = (math.log(result.lowest_mm[epoch]), math.log(result.error_mm))
                every.setdefault(result.settings, point)
                if result.settings == settings:
                    own.append(point)
        return own if len(own) >= self._rule.curves else list(every.values())
