"""What a study has yet to do, what that takes, and what is left out where it takes too long."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from ablate import probe
from ablate.archive import Archive
from ablate.budget import parse_budget, trim
from ablate.cli.app import app
from ablate.costing import cost_of
from ablate.errors import InputError
from ablate.laboratory import Laboratory
from ablate.ledger import open_ledger
from ablate.loading import Study, check
from ablate.outlook import Forecast, Outlook
from ablate.predictions import Prediction
from ablate.runner import run
from ablate.source import parse
from ablate.store import Store
from ablate.terminal import Plain, Silent
from ablate.worker import Worker
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_cli import ablate, refused

# The counters take their second each; small batches suffice to be timed, and one step to be evaluated.
BASE = (
    TINY.replace("measure: {", "measure: {counters: false, ")
    .replace("epochs: 1, batch: 64", "epochs: 1, batch: 8")
    .replace("steps: 2, batch: 64", "steps: 1, batch: 16")
)
MORE = BASE.replace("seeds: [0, 1]", "seeds: [0, 1, 2]")


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "TIMED_S", 0.01)
        yield


def study(text: str = BASE) -> Study:
    return check(parse(text, "quick.yaml"))


def space(folder: Path) -> Workspace:
    return Workspace(folder / "home", folder / "reports")


def forecast(folder: Path, text: str = BASE, workers: int = 1) -> Forecast:
    asked, workspace = study(text), space(folder)
    archive, store = Archive(asked, open_ledger(workspace, asked.name)), Store(workspace.weights)
    return Forecast(archive, store, workspace.home, workers)


def outlook(folder: Path, text: str = BASE) -> Outlook:
    found = forecast(folder, text)
    return found.outlook(found.open)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the baseline and one cell are finished, with one seed."""
    folder = tmp_path_factory.mktemp("outlook")
    small = study(BASE.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[0.6]").replace("[5, 3]", "[3]"))
    archive, store = Archive(small, open_ledger(space(folder), small.name)), Store(space(folder).weights)
    Worker(archive, Laboratory(small.name, store, space(folder).home), Silent(), propose=lambda: []).work()
    assert len(archive.names()) == 2
    return folder


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    """Of three seeds, of which nothing is done."""
    return forecast(tmp_path_factory.mktemp("fresh"), MORE)


def test_everything_of_a_new_study_is_open(tmp_path: Path) -> None:
    found = outlook(tmp_path)
    assert (found.configurations, found.trials, found.recorded, found.open, found.searched) == (5, 10, 0, 10, 0)
    assert (found.trainings, found.stored, found.runs) == (4, 0, 10)
    low, likely, high = found.seconds
    assert 0 < low < likely < high
    assert found.memory_mb > 100
    assert not list(tmp_path.rglob("*"))


def test_what_is_recorded_and_stored_is_not_to_do(done: Path) -> None:
    found = outlook(done)
    assert (found.recorded, found.open, found.trainings, found.stored) == (2, 8, 2, 1)
    one = outlook(done, BASE.replace("hypotheses: 2", "hypotheses: 1"))
    assert (one.recorded, one.open, one.trainings, one.stored) == (0, 10, 2, 2)
    shared = BASE.replace("sweep:\n", "sweep:\n  evaluate.hypotheses: [1, 2, 3]\n")
    three = outlook(done, shared)
    assert (three.open, three.runs) == (3 * 4 * 2 + 2 - 1 - 1, 4 * 2 + 1)


def test_compute_is_the_closed_form_over_every_window(tmp_path: Path) -> None:
    text = BASE.replace("[1.0, 0.6]", "[0.6]").replace("[5, 3]", "[3]").replace("seeds: [0, 1]", "seeds: [4]")
    text = text.replace("epochs: 1", "epochs: 3")
    asked = forecast(tmp_path, text)
    found, cells = asked.outlook(asked.open), [trial.cell.configuration for trial in asked.open]
    training = sum(3 * 3 * 64 * cost_of(c).training_gmacs for c in cells) / 1000
    assert found.training_tmacs == pytest.approx(training)
    splits_windows = found.evaluation_tmacs * 1000 / sum(cost_of(c).inference_gmacs for c in cells)
    assert splits_windows == pytest.approx(round(splits_windows))
    assert splits_windows > 1


def test_more_work_takes_longer_and_more_workers_less(fresh: Forecast, tmp_path: Path) -> None:
    alone = [fresh.seconds([trial for trial in fresh.open if trial.seed < seeds]) for seeds in range(4)]
    assert alone[3] - alone[2] == pytest.approx(alone[2] - alone[1])
    assert alone[2] - alone[1] == pytest.approx(alone[1] - alone[0])
    two = forecast(tmp_path, BASE.replace("epochs: 1", "epochs: 400"), workers=2)
    trainings = [two.seconds([trial]) for trial in two.open]
    assert max(trainings) < two.seconds(two.open) < sum(trainings)


def test_trials_of_a_search_are_stood_in_for(done: Path) -> None:
    found = forecast(done, BASE.replace("seeds: [0, 1]", "sampler: tpe\ntrials: 3\nseeds: [0]"))
    assert len({trial.name for trial in found.searched}) == 2  # one cell of the space is recorded
    assert [trial.cell.label for trial in found.planned] == []
    text = BASE.replace("seeds: [0, 1]", "sampler: tpe\ntrials: 8\nseeds: [0, 1]")
    every = forecast(done, text)
    assert len({trial.name for trial in every.searched}) == 7  # the whole space
    cut = trim(study(text), every, every.seconds([trial for trial in every.open if trial.seed == 0][:3]) + 1e-6)
    assert cut.study.file.trials == 1 + 3  # the recorded one, and what fits
    assert "4 of the 8 trials of the search" in cut.said[-1]


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("3600s", 3600), ("1.5 h", 5400), ("1d", 86400)]
)
def test_a_budget_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["2", "h", "-2h", "2 hours", "0h", ""])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="2h, 90m or 3600s"):
        parse_budget(text)


def test_seeds_go_first_and_from_the_last_on(fresh: Forecast) -> None:
    asked, found = study(MORE), fresh
    whole = trim(asked, found, found.seconds(found.open))
    assert whole.study is asked
    assert not whole.said
    two = trim(asked, found, found.seconds([trial for trial in found.open if trial.seed < 2]) + 1e-6)
    assert two.study.file.seeds == [0, 1]
    assert not two.cells
    assert {trial.seed for trial in two.open} == {0, 1}
    (said,) = two.said
    assert said.endswith("seed 2.")


def test_then_cells_from_the_plans_end_but_never_the_baseline(fresh: Forecast) -> None:
    asked, found = study(MORE), fresh
    first = [trial for trial in found.open if trial.seed == 0]
    assert first[-1].cell.label == "d3dp"
    enough = found.seconds([*first[:2], first[-1]])
    cut = trim(asked, found, enough + 1e-6)
    assert cut.study.file.seeds == [0]
    assert [trial.cell.label for trial in cut.open] == [first[0].cell.label, first[1].cell.label, "d3dp"]
    assert list(cut.labels) == [first[2].cell.label, first[3].cell.label]
    with pytest.raises(InputError, match="the baseline with one more configuration"):
        trim(asked, found, found.seconds([first[0], first[-1]]) - 1e-6)


def test_a_trimmed_run_says_what_it_lacks_and_the_rest_can_follow(tmp_path: Path) -> None:
    text = BASE.replace("[1.0, 0.6]", "[0.6]")
    asked, found, workspace = study(text), forecast(tmp_path, text), space(tmp_path)
    first = [trial for trial in found.open if trial.seed == 0]
    cut = trim(asked, found, found.seconds([first[0], first[-1]]) + 1e-6)
    Prediction(workspace, "quick").save(asdict(found.outlook(cut.open)))
    outcome = run(asked, workspace, Plain(quiet=True), trim=cut)
    assert {record.name for record in outcome.records} == {first[0].name, first[-1].name}
    page = outcome.report.read_text()
    assert "seed 1." in page
    assert f"Never started: {first[1].cell.label} (over the budget of " in page
    assert "`ablate plan` predicted " in page
    whole = run(asked, workspace, Plain(quiet=True))
    assert len(whole.records) == 6
    assert "Never started" not in whole.report.read_text()


def test_only_the_predicted_run_is_compared(tmp_path: Path) -> None:
    prediction = Prediction(space(tmp_path), "quick")
    assert prediction.comparison() is None
    prediction.ended(8, 1, 60.0)
    assert prediction.load() is None
    prediction.save({"open": 8, "workers": 1, "seconds": [50.0, 65.0, 80.0], "machine": "an abacus"})
    prediction.ended(7, 1, 60.0)
    prediction.ended(8, 2, 60.0)
    assert prediction.comparison() is None
    prediction.ended(8, 1, 60.0)
    assert "predicted 65 s (50 s to 80 s) for 8 trials on an abacus; they took 60 s" in str(prediction.comparison())
    told = prediction.comparison()
    prediction.save({"open": 0, "workers": 1, "seconds": [5.0, 6.0, 8.0], "machine": "an abacus"})
    prediction.ended(0, 1, 9.0)
    assert prediction.comparison() == told
    (tmp_path / "home" / "predictions" / "quick.json").write_text("{")
    with pytest.raises(InputError, match="delete it"):
        prediction.load()


def test_plan_is_told_and_leaves_only_its_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = BASE.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[0.6]").replace("[5, 3]", "[5]")
    text = re.sub("variants:.*\n.*\n", "", text).replace("baseline: d3dp", "baseline: htp keep_ratio 0.6, clusters 5")
    (tmp_path / "s.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    app(["plan", "s.yaml", "--json"], standalone_mode=False)  # in this process, where what is timed is short
    told = json.loads(capsys.readouterr().out)
    assert (told["open"], told["trainings"], told["trimmed"]) == (1, 1, [])
    assert [p.name for p in (tmp_path / ".ablate").rglob("*") if p.is_file()] == ["quick.json"]
    assert "write it as a number" in refused(ablate("run", "s.yaml", "--budget", "1", cwd=tmp_path))
