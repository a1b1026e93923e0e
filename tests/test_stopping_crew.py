"""Early stopping by several workers of a search: every trial is recorded or stopped for a reason, whoever is asked."""

import shutil
from collections import Counter
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from ablate.archive import Archive
from ablate.laboratory import Laboratory
from ablate.ledger import open_ledger
from ablate.runner import Outcome, retry, run, status
from ablate.search import optuna_storage
from ablate.search.seen import REASON, TRIAL
from ablate.store import Store
from ablate.terminal import Plain, Silent
from ablate.worker import Worker
from ablate.workspace import Workspace
from tests.test_study import study

pytestmark = pytest.mark.slow

KNOWN, HOPELESS = [0.01, 0.006, 0.003, 0.002, 1e-5], [8e-6, 6e-6, 4e-6]
BEFORE = f"""\
name: crew
question: Who is stopped?
baseline: d3dp
model: {{name: htp, size: tiny, width: 16, heads: 2, frames: 9, input: root_relative, init: warm}}
sweep:
  train.learning_rate: {KNOWN}
variants:
  d3dp: {{set: {{model.name: d3dp}}}}
data: {{name: synthetic, clip_seconds: 1, cameras: 1}}
train: {{mode: each, epochs: 4, batch: 16, windows: 64, accelerator: cpu}}
evaluate: {{hypotheses: 2, steps: 1, batch: 64}}
measure: {{latency: false, counters: false}}
seeds: [0]
"""
TEXT = BEFORE.replace(str(KNOWN), str(KNOWN + HOPELESS)) + "sampler: tpe\ntrials: 8\nprune: {curves: 4}\n"
DONE, STOPPED = len(KNOWN) + 1, len(HOPELESS)


def place(folder: Path) -> Workspace:
    return Workspace(folder / "home", folder / "reports")


def go(folder: Path) -> Outcome:
    outcome = run(study(TEXT), place(folder), Plain(quiet=True), workers=2)
    assert not outcome.failures
    return outcome


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough is known before the workers begin, so that whoever comes first stops what is hopeless."""
    folder = tmp_path_factory.mktemp("crew")
    archive, store = Archive(study(BEFORE), open_ledger(place(folder), "crew")), Store(place(folder).weights)
    Worker(archive, Laboratory("crew", store, place(folder).home), Silent(), propose=lambda: []).work()
    assert len(archive.names()) == DONE
    assert len(go(folder).records) == DONE
    return folder


def trainings(folder: Path) -> Counter[tuple[str | None, ...]]:
    """How often the attempts at a training went in which way, one after another."""
    units = [path.stem for path in (folder / "home" / "ledger" / "crew").glob("train-*.jsonl")]
    histories = open_ledger(place(folder), "crew").histories(units)
    return Counter(tuple(attempt.outcome for attempt in history) for history in histories.values())


def searched(folder: Path) -> dict[str, list[optuna.trial.FrozenTrial]]:
    """Optuna's trials by state; proposals that gave no work are left out."""
    storage = optuna_storage(place(folder).journal)
    (name,) = optuna.get_all_study_names(storage=storage)
    found: dict[str, list[optuna.trial.FrozenTrial]] = {}
    for trial in optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False):
        if TRIAL in trial.user_attrs:
            found.setdefault(trial.state.name, []).append(trial)
    return found


def shown(folder: Path) -> Counter[tuple[str, str]]:
    """MLflow's runs by what they are and their state."""
    client = MlflowClient(tracking_uri=f"sqlite:///{place(folder).database}")
    experiment = client.get_experiment_by_name("crew")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return Counter((str(run.data.tags["ablate.kind"]), str(run.info.status)) for run in runs)


def test_every_trial_is_recorded_or_stopped_for_a_reason(pruned: Path) -> None:
    found = status(study(TEXT), place(pruned))
    states = {state: found[state] for state in ("done", "pruned", "running", "waiting", "failed")}
    assert states == {"done": DONE, "pruned": STOPPED, "running": 0, "waiting": 0, "failed": 0}
    assert [row["reason"][:6] for row in found["open"]] == ["epoch "] * STOPPED
    assert trainings(pruned) == {("done",): DONE, ("pruned",): STOPPED}
    by_state = searched(pruned)
    assert {state: len(trials) for state, trials in by_state.items()} == {"COMPLETE": len(KNOWN), "PRUNED": STOPPED}
    stopped = {trial.user_attrs[TRIAL]: trial.user_attrs[REASON] for trial in by_state["PRUNED"]}
    assert stopped == {row["trial"]: row["reason"] for row in found["open"]}
    assert shown(pruned) == {("study", "FINISHED"): 1, ("configuration", "FINISHED"): DONE, ("seed", "FINISHED"): DONE}


def test_what_was_stopped_is_trained_to_its_end_when_asked_for(pruned: Path, tmp_path: Path) -> None:
    shutil.copytree(pruned, tmp_path, dirs_exist_ok=True)
    assert retry(study(TEXT), place(tmp_path)) == STOPPED
    every = DONE + STOPPED
    assert len(go(tmp_path).records) == every
    assert status(study(TEXT), place(tmp_path))["done"] == every
    assert trainings(tmp_path) == {("done",): DONE, ("pruned", "done"): STOPPED}
    by_state = searched(tmp_path)
    assert len(by_state["COMPLETE"]) == len({t.user_attrs[TRIAL] for t in by_state["COMPLETE"]}) == every - 1
    assert by_state.keys() == {"COMPLETE", "PRUNED"}
    assert shown(tmp_path) == {(kind, "FINISHED"): every for kind in ("configuration", "seed")} | {
        ("study", "FINISHED"): 1
    }
