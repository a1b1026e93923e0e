"""A study as units of work: trainings, and the jobs that are evaluated from their weights.

Both are found from the trials alone, so every worker of a study knows the same units by the same names.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.canonical import canonical_json
from ablate.plan import Cell, Trial


@dataclass(frozen=True)
class Training:
    """What makes one set of weights: any cell that is evaluated from them, and the seed."""

    cell: Cell
    seed: int

    @cached_property
    def key(self) -> str:
        return self.cell.training_key(self.seed)

    @property
    def unit(self) -> str:
        """Its name in the ledger."""
        return f"train-{self.key}"

    @property
    def label(self) -> str:
        configuration = self.cell.configuration
        mode = configuration.train.mode
        name = self.cell.label if mode == "each" else f"{configuration.name} ({mode})"
        return f"{name}, seed {self.seed}"


@dataclass(frozen=True)
class Job:
    """Trials that one run of the sampler serves: they differ in the number of hypotheses alone, and the first H of many
    hypotheses are those of a run with H. Where they branch, all begin with as many and branch at the same step."""

    trials: tuple[Trial, ...]

    @cached_property
    def training(self) -> Training:
        return Training(self.trials[0].cell, self.trials[0].seed)

    @cached_property
    def unit(self) -> str:
        """Its name in the ledger."""
        return f"evaluate-{_sampling_key(self.trials[0])}"

    @property
    def label(self) -> str:
        more = f" and {len(self.trials) - 1} more" if len(self.trials) > 1 else ""
        return f"{self.trials[0].cell.label}{more}, seed {self.trials[0].seed}"


def _sampling_key(trial: Trial) -> str:
    content = dict(trial.cell.identity)
    content["evaluate"] = {k: _uncounted(v) for k, v in content["evaluate"].items() if k != "hypotheses"}
    return hashlib.sha256(canonical_json([content, trial.seed]).encode()).hexdigest()[:12]


def _uncounted(value: Any) -> Any:
    """A setting without the number of hypotheses inside it, which a branch tells again."""
    return {k: v for k, v in value.items() if k != "hypotheses"} if isinstance(value, Mapping) else value


def jobs(trials: Iterable[Trial]) -> list[Job]:
    """The trials as jobs, those of one training next to each other, in the order of their first trials."""
    trainings: dict[str, dict[str, list[Trial]]] = {}
    for trial in trials:
        group = trainings.setdefault(trial.cell.training_key(trial.seed), {})
        group.setdefault(_sampling_key(trial), []).append(trial)
    return [Job(tuple(members)) for group in trainings.values() for members in group.values()]
