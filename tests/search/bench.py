"""A study with its search on a real journal, whose records are made without training."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import optuna

from ablate.costing import known_compute
from ablate.loading import Study
from ablate.plan import Trial, expand
from ablate.records import Metric, Record
from ablate.search import Search, optuna_storage
from tests.conftest import TINY
from tests.test_records import record
from tests.test_study import study

KEEP, CLUSTERS = "model.pruning.tcep.keep_ratio", "model.pruning.mgptp.clusters"


def sampled(sampler: str = "tpe", trials: int = 6, more: str = "", text: str = TINY) -> str:
    text = text.replace("seeds: [0, 1]", f"sampler: {sampler}\ntrials: {trials}\nseeds: [0, 1]\n{more}")
    return text.replace("[1.0, 0.6]", "[1.0, 0.8, 0.6]").replace("[5, 3]", "[5, 4, 3]")


class Ledger:
    """Records in memory, made without training: the error falls with what is kept."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.loaded: list[str] = []

    def finish(self, trial: Trial, **compute: float) -> None:
        cell, known = trial.cell, known_compute(trial.cell.configuration)
        head = {"unit": "mm", "input": "gt", "aggregation": "mean", "oracle": False, "protocol": "exact"}
        error = Metric(
            metric="mpjpe",
            value=90 - 100 * known["inference_gmacs"] + trial.seed,
            split="validation",
            hypotheses=1,
            step=1,
            steps=1,
            **head,  # type: ignore[arg-type]
        )
        numbers = {"latency_ms": 3.0, **known, **compute}
        made = record(
            trial.seed, trial=cell.id, group=cell.group, params=cell.params, metrics=(error,), compute=numbers
        )
        self.records[made.name] = made

    def load(self, names: Iterable[str]) -> Iterator[Record]:
        for name in names:
            self.loaded.append(name)
            yield self.records[name]


class Bench:
    """A study with its search on a real journal; ``worker`` is what a new process would have."""

    def __init__(self, folder: Path, text: str) -> None:
        self.study: Study = study(text)
        self.path = folder / "optuna.journal"
        self.ledger = Ledger()

    def worker(self) -> Search:
        return Search(self.study, expand(self.study), optuna_storage(self.path))

    def sync(self, search: Search, refused: dict[str, str] | None = None) -> None:
        search.sync(list(self.ledger.records), self.ledger.load, refused or {})

    def run(self, search: Search | None = None) -> list[Trial]:
        """Propose and finish until nothing is left, with a new process each time unless one is given."""
        done: list[Trial] = []
        while True:
            at = search or self.worker()
            self.sync(at)
            trial = at.propose()
            if trial is None:
                return done
            done.append(trial)
            self.ledger.finish(trial)

    def stored(self) -> list[optuna.trial.FrozenTrial]:
        (name,) = optuna.get_all_study_names(storage=optuna_storage(self.path))
        return optuna.load_study(study_name=name, storage=optuna_storage(self.path)).get_trials()

    def states(self) -> list[str]:
        return [t.state.name for t in self.stored()]
