"""Early stopping: bounds hold as often as they say, a training goes on while there is hope, and the front stays."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow.tracking import MlflowClient

from ablate.attempts import Attempt
from ablate.costing import known_compute
from ablate.ledger import open_ledger
from ablate.plan import Trial, expand, trials
from ablate.records import Metric, Record
from ablate.runner import Outcome, retry, run, status
from ablate.sections import PruneConfig
from ablate.stopping import Judge, lower_bound
from ablate.terminal import Plain, print_overview
from ablate.work import Training
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_cli import ablate
from tests.test_records import record
from tests.test_search import Bench
from tests.test_study import problems, study

FIXED = TINY.replace("{mode: elastic, epochs: 1", "{mode: each, epochs: 4").replace(
    "[1.0, 0.6]", "[1.0, 0.9, 0.8, 0.7, 0.6]"
)
PRUNED = FIXED.replace("seeds: [0, 1]", "seeds: [0, 1]\nprune: {curves: 4}")


# The bound


@pytest.mark.parametrize("slope", [1.0, 0.3])
def test_the_bound_is_passed_as_often_as_it_says_where_the_relation_is_linear(slope: float) -> None:
    rng, kept, times = np.random.default_rng(0), 0, 2000
    for _ in range(times):
        x = rng.normal(5, 0.5, 8)
        y = 1 + slope * x + rng.normal(0, 0.1, 8)
        kept += y[-1] >= lower_bound(list(zip(x[:-1], y[:-1], strict=True)), float(x[-1]), 0.9)
    assert kept / times >= 0.9 - 3 * (0.9 * 0.1 / times) ** 0.5


def test_the_bound_is_students_for_one_further_draw() -> None:
    """Four points on a line of slope one, at -1, 1, 1, -1 times 0.1 beside it: s is 0.2/sqrt(3), t(3) is 2.3534."""
    points = [(1.0, 0.9), (2.0, 2.1), (3.0, 3.1), (4.0, 3.9)]
    expected = 2.5 - 2.3534 * 0.2 / 3**0.5 * (1 + 1 / 4) ** 0.5
    fitted = 2.5 - 2.9200 * 0.2 / 2**0.5 * (1 + 1 / 4) ** 0.5
    assert lower_bound(points, 2.5, 0.95) == pytest.approx(min(expected, fitted), abs=1e-4)


def test_the_bound_falls_with_the_confidence_and_away_from_what_is_known() -> None:
    points = [(1.0, 0.9), (2.0, 2.1), (3.0, 3.1), (4.0, 3.9)]
    assert lower_bound(points, 2.5, 0.99) < lower_bound(points, 2.5, 0.9)
    assert 2.5 - lower_bound(points, 2.5, 0.95) < 9 - lower_bound(points, 9, 0.95)
    assert lower_bound([(1.0, 2.0)] * 5, 1.0, 0.95) == -np.inf


# The judge


def finished(trial: Trial, error_mm: float, curve: Sequence[float] = (), latency_ms: float = 3.0) -> Record:
    """A record whose errors in training fall to ``error_mm``, by about a half each epoch unless ``curve`` is given."""
    cell = trial.cell
    wobble = 1 + 0.005 * (int(cell.id, 16) % 5)
    course = list(curve or [error_mm * wobble * factor for factor in (8, 4, 2, 1)])
    head = {"unit": "mm", "input": "gt", "aggregation": "mean", "oracle": False, "protocol": "exact"}
    error = Metric("mpjpe", error_mm, split="validation", hypotheses=2, step=2, steps=2, **head)  # type: ignore[arg-type]
    return record(
        trial.seed,
        trial=cell.id,
        label=cell.label,
        config=cell.identity,
        metrics=(error,),
        compute={**known_compute(cell.configuration), "latency_ms": latency_ms},
        curves={"validation_epoch": [1.0, 2.0, 3.0, 4.0], "validation_mpjpe_mm": course},
    )


def cells(text: str = PRUNED) -> list[Trial]:
    own = study(text)
    return list(trials(own, expand(own)))


def judge(records: Sequence[Record], text: str = PRUNED, **rule: float) -> Judge:
    own = study(text)
    made = Judge(PruneConfig(**{"curves": 4, **rule}), own.file.baseline, own.constraints)  # type: ignore[arg-type]
    made.learn(records)
    return made


def half() -> list[Record]:
    """Every keep ratio at five clusters, finished, from 50 mm on: as dear as each other, and dearer than at three."""
    return [finished(trial, 50 * 1.3**i) for i, trial in enumerate(cells()[0:10:2])]


def test_a_hopeless_training_is_stopped_and_the_reason_says_all() -> None:
    asked = cells()[0:10:2][-1]
    others = [r for r in half() if r.trial != asked.cell.id]
    reason = judge(others).reason([asked], 2, 2000.0)
    assert reason is not None
    assert reason.startswith("epoch 2 of 4: 2000.0 mm so far, ")
    assert "mm at best in the end (95 % confidence, from 4 configurations)" in reason
    assert reason.endswith("and htp keep_ratio 1, clusters 5 has 50.0 mm at no more compute")
    assert judge(others).reason([asked], 2, 200.0) is None  # as good as the others


def test_a_training_goes_on_while_it_has_hope_or_too_little_is_known() -> None:
    asked = cells()[0:10:2][-1]
    others = [r for r in half() if r.trial != asked.cell.id]
    base = judge(others)
    assert base.reason([asked], 1, 2000.0) is not None
    assert judge(others, after=2).reason([asked], 1, 2000.0) is None
    assert judge(others, curves=5).reason([asked], 1, 2000.0) is None
    assert judge(others[:3]).reason([asked], 1, 2000.0) is None
    assert base.reason([asked], 4, 2000.0) is None  # its weights are made: nothing would be saved
    cheaper = [
        t
        for t in cells()
        if known_compute(t.cell.configuration)["inference_gmacs"]
        < min(r.compute["inference_gmacs"] or 0 for r in others)
    ]
    assert cheaper
    assert base.reason(cheaper[:1], 1, 2000.0) is None  # nobody is as cheap
    assert base.reason([asked, cheaper[0]], 1, 2000.0) is None  # one of two may still reach the front


def test_neither_the_baseline_nor_elastic_weights_are_stopped() -> None:
    dear = next(t for t in cells() if t.cell.label == "d3dp")
    assert judge(half()).reason([dear], 1, 1e6) is None
    other = PRUNED.replace("baseline: d3dp", "baseline: htp keep_ratio 1, clusters 5")
    assert judge(half(), other).reason([dear], 1, 1e6) is not None
    elastic = cells(FIXED.replace("mode: each, epochs: 4", "mode: elastic, epochs: 4"))[8]
    assert judge(half()).reason([elastic], 1, 1e6) is None


def test_only_trainings_of_the_same_course_and_trials_of_the_same_protocol_are_a_measure() -> None:
    asked, same = cells()[0:10:2][-1], half()[:4]
    for old, new in (("epochs: 4", "epochs: 5"), ("steps: 2", "steps: 1"), ("clip_seconds: 1", "clip_seconds: 2")):
        (other,) = [
            t for t in cells(PRUNED.replace(old, new)) if (t.cell.label, t.seed) == (asked.cell.label, asked.seed)
        ]
        assert judge(same).reason([other], 1, 2000.0) is None
    faster = PRUNED.replace("epochs: 4", "learning_rate: 0.5, epochs: 4")
    (other,) = [t for t in cells(faster) if (t.cell.label, t.seed) == (asked.cell.label, asked.seed)]
    assert judge(same).reason([other], 1, 2000.0) is not None


def test_what_breaks_a_bound_dominates_nothing() -> None:
    asked = cells()[0:10:2][-1]
    bounded = PRUNED.replace("seeds:", "sampler: tpe\ntrials: 3\nconstraints: [latency_ms <= 10]\nseeds:")
    for latency_ms, stopped in ((3.0, True), (30.0, False)):
        records = [finished(t, 50 * 1.3**i, latency_ms=latency_ms) for i, t in enumerate(cells()[0:8:2])]
        assert (judge(records, bounded).reason([asked], 1, 2000.0) is not None) is stopped


def test_a_configuration_keeps_its_seeds_while_it_is_on_the_front() -> None:
    every = [t for t in cells() if t.cell.label != "d3dp"]
    first, second = ([t for t in every if t.seed == seed] for seed in (0, 1))
    own = next(t for t in second if t.cell.id == first[8].cell.id)
    others = [finished(t, 50 * 1.3**i) for i, t in enumerate(first[0:8:2])]
    assert judge([*others, finished(first[8], 70.0)]).reason([own], 1, 5000.0) is not None
    assert judge([*others, finished(first[8], 40.0)]).reason([own], 1, 5000.0) is None


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
    told = "Trainings that were stopped early: 2. At 95 % confidence"
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
