"""A study cut down to what fits into a time: seeds go first, from the last on, then cells from the plan's end."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ablate.errors import InputError
from ablate.loading import Study, check
from ablate.plan import Trial
from ablate.source import Source
from ablate.terminal import duration

if TYPE_CHECKING:
    from ablate.outlook import Forecast

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Trim:
    """What is left of a study: ``study`` has fewer seeds, or trials of a search, as ``said`` tells, and is run without
    ``cells`` (by id, with the reason), called ``labels``. ``open`` are the trials to do."""

    study: Study
    open: Sequence[Trial] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    labels: Sequence[str] = ()
    said: Sequence[str] = ()


def parse_budget(text: str) -> float:
    """``2h``, ``90m``, ``3600s``, ``1.5d`` in seconds. Raises InputError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if found is None or not float(found[1]):
        raise InputError(f"--budget {text}: write it as a number with its unit, for instance 2h, 90m or 3600s")
    return float(found[1]) * UNITS_S[found[2]]


def trim(study: Study, forecast: "Forecast", budget_s: float) -> Trim:
    """``study`` itself where it likely takes no longer than ``budget_s``. What is recorded is never given up for it,
    and the baseline is kept. Raises InputError when not even one more cell beside the baseline fits, with one seed."""
    seconds, trials = forecast.seconds, forecast.open
    if seconds(trials) <= budget_s:
        return Trim(study, trials)
    budget, seeds = duration(budget_s), list(study.file.seeds)
    said = []
    while len(seeds) > 1 and any(t.seed == seeds[-1] for t in trials) and seconds(trials) > budget_s:
        last = seeds.pop()
        trials = [trial for trial in trials if trial.seed != last]
    if dropped := study.file.seeds[len(seeds) :]:
        said.append(f"Over the budget of {budget}: seed{'s'[: len(dropped) > 1]} {', '.join(map(str, dropped))}.")
        study = _changed(study, {"seeds": seeds})
    kept = _fitting(trials, study.file.baseline, seconds, budget_s)
    if kept is None:
        raise InputError(
            f"--budget {budget}: the baseline with one more configuration and one seed takes longer; raise the budget, "
            "or train less (train.epochs, train.windows)"
        )
    names, searched = {trial.name for trial in kept}, {trial.name for trial in forecast.searched}
    if fewer := len(searched - names):
        assert study.file.trials is not None
        said.append(f"Over the budget of {budget}: {fewer} of the {study.file.trials} trials of the search.")
        study = _changed(study, {"trials": study.file.trials - fewer})
    gone = {t.cell.id: t.cell.label for t in trials if t.name not in names | searched}
    return Trim(study, kept, dict.fromkeys(gone, f"over the budget of {budget}"), list(gone.values()), said)


def _fitting(
    trials: Sequence[Trial], baseline: str, seconds: Callable[[Sequence[Trial]], float], budget_s: float
) -> list[Trial] | None:
    """The baseline and the first further cells that fit; None when not one does."""
    others = list(dict.fromkeys(trial.cell.id for trial in trials if trial.cell.label != baseline))

    def first(count: int) -> list[Trial]:
        left_out = set(others[count:])
        return [trial for trial in trials if trial.cell.id not in left_out]

    fitting = bisect_right(range(1, len(others) + 1), budget_s, key=lambda count: seconds(first(count)))
    return first(fitting) if fitting else None


def _changed(study: Study, settings: Mapping[str, object]) -> Study:
    source = study.source
    return check(Source(source.path, source.text, dict(study.base), None), settings)
