"""A record run again, to see whether it still gives what it gave."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.archive import Archive
from ablate.errors import InputError
from ablate.laboratory import Laboratory
from ablate.nearest import nearest
from ablate.records import Metric
from ablate.store import Store
from ablate.terminal import Reporter
from ablate.work import Job
from ablate.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Each recorded error with what it is this time. ``worst`` is the largest difference, in the errors' units;
    infinite where the two runs did not measure the same."""

    name: str
    pairs: Sequence[tuple[Metric, float]]
    worst: float


def reproduce(
    archive: Archive, name: str, workspace: Workspace, reporter: Reporter, *, from_weights: bool = False
) -> Reproduction:
    """Run the trial of record ``name`` again, apart from everything stored; with ``from_weights`` from its weights.

    Raises InputError for a name that is no record of this study, and what a trial raises.
    """
    trials = {trial.name: trial for trial in (*archive.planned_trials(), *archive.sampled_trials())}
    names = archive.names()
    if name not in names:
        hint = nearest(name, names) or f"; `ablate status {archive.study.name} --json` lists what is open"
        raise InputError(f"{name}: no record of {archive.study.name}{hint}")
    (recorded,) = archive.ledger.load([name])
    job = Job((trials[name],))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(workspace.weights if from_weights else folder)
        laboratory = Laboratory(archive.study.name, store, workspace.home, bar=reporter.bar)
        if not from_weights:
            label = job.training.label
            laboratory.train(job.training, lambda done, total, note: reporter.training(label, done, total, note))
        (again,) = laboratory.evaluate(job)
    reporter.end()
    values = {_name(metric): metric.value for metric in again.metrics}
    pairs = [(metric, values.get(_name(metric), math.inf)) for metric in recorded.metrics]
    return Reproduction(name=name, pairs=pairs, worst=max(abs(m.value - value) for m, value in pairs))


def _name(m: Metric) -> tuple[str, str, str, str, int, str]:
    return m.metric, m.split, m.aggregation, m.protocol, m.step, m.action
