"""Early stopping in a study: what is hopeless is stopped and told, and the front stays."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from ablate.attempts import Attempt
from ablate.ledger import open_ledger
from ablate.plan import expand, trials
from ablate.records import Record
from ablate.runner import Outcome, retry, run, status
from ablate.sections import PruneConfig
from ablate.terminal import Plain, print_overview
from ablate.work import Training
from ablate.workspace import Workspace
from tests.search.bench import Bench
from tests.test_cli import ablate
from tests.test_stopping_judge import FIXED, PRUNED, cells
from tests.test_study import problems, study

# A study's file


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("curves: 4", "curves: 3", "prune.curves: must be at least 4, got 3"),
        ("curves: 4", "after: 0", "prune.after: must be at least 1, got 0"),
        ("curves: 4", "confidence: 95", "prune.confidence: must lie in [0.5, 1), got 95"),
        ("curves: 4", "curve: 4", "unknown key 'curve'; did you mean 'curves'"),
        ("mode: each, epochs", "mode: elastic, epochs", "none is ever stopped; set train.mode to each"),
        ("prune:", "report: {metric: p_mpjpe}\nprune:", "and so must the report"),
        ("prune:", "report: {compute: latency_ms}\nprune:", "and so must the report"),
        ("prune:", "sampler: tpe\ntrials: 3\nobjectives: [latency_ms]\nprune:", "and so must the objectives"),
        (
            "sweep:",
            "sampler: tpe\ntrials: 3\nsweep:\n  evaluate.hypotheses: [1, 2]",
            "what tpe will propose for evaluate.hypotheses is not known by then",
        ),
    ],
)
def test_what_pruning_can_not_do_is_told(old: str, new: str, text: str) -> None:
    assert any(text in line for line in problems(PRUNED.replace(old, new, 1)))


def test_a_study_prunes_only_when_it_says_so_and_its_trials_stay_the_same() -> None:
    assert study(FIXED).file.prune is None
    assert study(FIXED + "prune: null\n").file.prune is None
    assert study(FIXED + "prune: {}\n").file.prune == PruneConfig()
    assert [t.name for t in cells(FIXED)] == [t.name for t in cells(PRUNED)]


# A search


def test_a_pruned_proposal_counts_as_tried_and_opens_again(tmp_path: Path) -> None:
    text = FIXED.replace("seeds: [0, 1]", "sampler: tpe\ntrials: 2\nseeds: [0]")
    bench = Bench(tmp_path, text)
    search = bench.worker()
    first = search.propose()
    assert first is not None
    search.sync([], bench.ledger.load, {first.name: "hopeless"}, {first.name})
    assert [t.state for t in bench.stored()] == [optuna.trial.TrialState.PRUNED]
    second = search.propose()
    assert second is not None
    bench.ledger.finish(second)
    search.sync([second.name], bench.ledger.load, {first.name: "hopeless"}, {first.name})
    assert search.propose() is None
    assert search.shortfall() == ""
    search.sync([second.name], bench.ledger.load, {})
    assert [t.name for t in search.open()] == [first.name]


# The whole chain

RATES = [0.01, 0.006, 0.003, 1e-5, 8e-6, 6e-6]
EACH = f"""\
name: each
question: Which learning rate?
baseline: d3dp
model: {{name: htp, size: tiny, width: 16, heads: 2, frames: 9, input: root_relative, init: warm}}
sweep:
  train.learning_rate: {RATES}
variants:
  d3dp: {{set: {{model.name: d3dp}}}}
data: {{name: synthetic, clip_seconds: 1, cameras: 1}}
train: {{epochs: 4, batch: 16, windows: 64, accelerator: cpu}}
evaluate: {{hypotheses: 2, steps: 2, batch: 64}}
measure: {{latency: false, counters: false}}
"""
STOPPING = f"{EACH}prune: {{curves: 4}}\n"


class Listening(Plain):
    """Keeps what is noted."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def place(folder: Path) -> Workspace:
    return Workspace(folder / "home", folder / "reports")


def go(folder: Path, text: str) -> tuple[Outcome, list[str]]:
    reporter = Listening()
    return run(study(text), place(folder), reporter), reporter.notes


def front(records: Sequence[Record]) -> set[str]:
    """The configurations that nothing beats, by the errors on the validation split."""
    points = {r.label: (r.value("mpjpe", "validation"), r.compute["inference_gmacs"] or 0) for r in records}
    beaten = {
        label
        for label, (error, compute) in points.items()
        for e, c in points.values()
        if e <= error and c <= compute and (e, c) != (error, compute)
    }
    return points.keys() - beaten


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome, list[str]]:
    """A study that stopped what it could."""
    folder = tmp_path_factory.mktemp("pruned")
    return folder, *go(folder, STOPPING)


@pytest.fixture
def copy(pruned: tuple[Path, Outcome, list[str]], tmp_path: Path) -> Path:
    shutil.copytree(pruned[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def histories(folder: Path) -> dict[str, list[Attempt]]:
    """Of the trainings whose trials have no record."""
    own = study(STOPPING)
    units = [
        Training(t.cell, t.seed).unit
        for t in trials(own, expand(own))
        if t.cell.params.get("train.learning_rate") in RATES[-2:]
    ]
    return open_ledger(place(folder), own.name).histories(units)


def test_what_is_hopeless_is_stopped_with_its_reason(pruned: tuple[Path, Outcome, list[str]]) -> None:
    folder, outcome, _ = pruned
    rates = {r.params.get("train.learning_rate") for r in outcome.records}
    assert rates == {None, *RATES[:-2]}
    assert len(histories(folder)) == 2
    for (attempt,) in histories(folder).values():
        assert attempt.outcome == "pruned"
        assert attempt.reason.startswith(f"epoch {attempt.done} of 4: ")
        assert attempt.done < attempt.total == 4


def test_a_pruned_study_is_finished_and_says_what_it_left_out(pruned: tuple[Path, Outcome, list[str]]) -> None:
    folder, outcome, notes = pruned
    assert not outcome.failures  # nothing is wrong
    assert sum(note.startswith("stopped early: htp learning_rate ") for note in notes) == 2
    told = "Trainings that were stopped early: 2. Each was at 95 % confidence"
    assert notes[-1].startswith(told)
    page = outcome.report.read_text()
    assert told in page
    assert "5 of 5 records, finished" in page
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/home/mlflow.db")
    experiment = client.get_experiment_by_name("each")
    assert experiment is not None
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}


def test_a_second_run_stops_nothing_again_and_ends_well(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = histories(copy)
    (copy / "each.yaml").write_text(STOPPING)
    done = ablate("--home", "home", "run", "each.yaml", "--quiet", "--json", cwd=copy)
    assert done.returncode == 0, done.stderr  # 1 is for failures
    assert len(json.loads(done.stdout)["records"]) == 5
    assert histories(copy) == before
    print_overview("each", status(study(STOPPING), place(copy)))
    told = capsys.readouterr().out
    assert told.startswith("each: 5 done, 0 running, 0 waiting, 0 failed, 2 pruned of 7 trials\n")
    assert "pruned: training of htp learning_rate 8e-06, seed 0: epoch " in told


def test_what_was_stopped_is_finished_when_asked_for_and_the_front_stays(
    pruned: tuple[Path, Outcome, list[str]], copy: Path
) -> None:
    before = pruned[1].records
    assert retry(study(STOPPING), place(copy)) == 2
    full, notes = go(copy, STOPPING)  # goes on from the checkpoints, to the end
    assert not notes
    assert len(full.records) == 7
    assert front(full.records) == front(before)
    for history in histories(copy).values():
        assert [attempt.outcome for attempt in history] == ["pruned", "done"]
        assert history[-1].done == 4


def test_a_seed_is_stopped_where_another_was(tmp_path: Path) -> None:
    text = f"{STOPPING.replace(str(RATES), '[0.01]')}seeds: [0, 1]\n"
    own = study(text)
    first = next(t for t in trials(own, expand(own)) if t.cell.label != "d3dp")
    claim = open_ledger(place(tmp_path), own.name).claim(Training(first.cell, 0).unit)
    assert claim is not None
    with claim:
        claim.begin()
        claim.end("pruned", "too dear")
    outcome, notes = go(tmp_path, text)
    assert sorted((r.label, r.seed) for r in outcome.records) == [("d3dp", 0), ("d3dp", 1)]
    told = "stopped early: htp learning_rate 0.01, seed 1: epoch 1 of 4: as was another seed (too dear)"
    assert [note for note in notes if note.startswith("stopped early: ")] == [told]
