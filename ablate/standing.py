"""How every trial of a study stands: done, running, waiting, or, for a reason, failed or pruned."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal, get_args

from ablate.archive import Archive
from ablate.attempts import TRIES, Attempt, refusal
from ablate.ledger import Ledger
from ablate.plan import Trial
from ablate.work import jobs

SAMPLE = 200  # records that tell the pace of a study; a large one need not be read whole

State = Literal["done", "running", "waiting", "failed", "pruned"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """``unit`` is what the trial stands at: its training until that is over, then its job. ``reason`` says why it
    failed or was pruned; ``attempts`` are those at the unit, the running one among them."""

    trial: Trial
    state: State
    unit: str = ""
    reason: str = ""
    attempts: Sequence[Attempt] = ()


def standings(trials: Sequence[Trial], ledger: Ledger, tries: int = TRIES) -> list[Standing]:
    """One for each trial, in their order. Raises StorageError."""
    there = ledger.names()
    units = {
        trial.name: (job.training.unit, job.unit)
        for job in jobs(trial for trial in trials if trial.name not in there)
        for trial in job.trials
    }
    every = {unit for pair in units.values() for unit in pair}
    histories, held = ledger.histories(every), ledger.held(every)

    def standing(trial: Trial) -> Standing:
        if trial.name in there:
            return Standing(trial=trial, state="done")
        training, job = units[trial.name]
        unit = job if job in histories or job in held else training
        history = histories.get(unit, [])
        if unit in held:
            return Standing(trial=trial, state="running", unit=unit, attempts=history)
        reason = refusal(history, tries)
        stopped = any(a.outcome == "pruned" and not a.forgiven for a in history)
        state: State = "waiting" if reason is None else "pruned" if stopped else "failed"
        return Standing(trial=trial, state=state, unit=unit, reason=reason or "", attempts=history)

    return [standing(trial) for trial in trials]


def given_up(trials: Sequence[Trial], ledger: Ledger, tries: int = TRIES) -> list[Standing]:
    """The trials that no run goes on with by itself: failed or pruned."""
    return [standing for standing in standings(trials, ledger, tries) if standing.state in ("failed", "pruned")]


def overview(archive: Archive, trials: Sequence[Trial], tries: int = TRIES) -> dict[str, Any]:
    """Counts by state, each trial that isn't done, and the seconds left (None before anything is known)."""
    found = standings(trials, archive.ledger, tries)
    counts = Counter(standing.state for standing in found)
    rows = [
        {
            "trial": s.trial.name,
            "label": s.trial.cell.label,
            "seed": s.trial.seed,
            "state": s.state,
            "unit": s.unit,
            "reason": s.reason,
            "attempts": [asdict(attempt) for attempt in s.attempts],
        }
        for s in found
        if s.state != "done"
    ]
    return {
        "study": archive.study.name,
        "planned": archive.planned,
        **{state: counts[state] for state in get_args(State)},
        "seconds_left": _seconds_left(archive, found),
        "open": rows,
    }


def _seconds_left(archive: Archive, found: Sequence[Standing]) -> float | None:
    """What is open at the pace of what is done, shared by the workers that are at it now."""
    names = archive.names()
    done = list(archive.ledger.load(names[:: max(1, len(names) // SAMPLE)]))
    if not done:
        return None
    missing = [s for s in found if s.state in ("running", "waiting")]
    at_work = max(1, len({s.unit for s in missing if s.state == "running"}))
    known = {record.training_key: float(record.provenance["seconds_train"]) for record in done}
    keys = {s.trial.cell.training_key(s.trial.seed) for s in missing if s.unit.startswith("train-")} - known.keys()
    evaluation = fmean(float(record.provenance["seconds_evaluate"]) for record in done)
    return (len(keys) * fmean(known.values()) + len(missing) * evaluation) / at_work
