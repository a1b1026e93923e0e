"""The whole chain on a study of seconds: run, resume, refresh, fail."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ablate import laboratory, store
from ablate.errors import InputError
from ablate.records import Record, load_all
from ablate.runner import Outcome, run
from ablate.source import parse
from ablate.study import check
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.conftest import TINY


def go(folder: Path, text: str = TINY) -> Outcome:
    return run(check(parse(text, "quick.yaml")), Workspace(folder / "home", folder / "reports"), Plain(quiet=True))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    assert not go(folder).failures
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def records(folder: Path) -> list[Record]:
    return list(load_all(folder / "home" / "records" / "quick"))


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / "home" / "records" / "quick").iterdir()}


def test_every_trial_has_one_complete_record(finished: Path) -> None:
    found = records(finished)
    assert len(found) == 10
    assert len({r.training_key for r in found}) == 4  # elastic and dense, two seeds
    assert len(list((finished / "home" / "weights").iterdir())) == 4
    for r in found:
        assert r.value("mpjpe", "test") > 0
        assert r.value("mpjpe", "test", "j_best") <= r.value("mpjpe", "test", "p_best")
        assert r.arrays["test/mpjpe_mm"].dtype == "float32"
        weights = r.arrays["test/frames"]
        mean = float((r.arrays["test/mpjpe_mm"] * weights).sum() / weights.sum())
        assert mean == pytest.approx(r.value("mpjpe", "test"), rel=1e-5)
        assert (r.compute["inference_gmacs"] or 0) > 0
        assert {"commit", "torch", "device", "dtype", "finished"} <= r.provenance.keys()
        assert {m.protocol for m in r.metrics} == {"exact"}


def test_the_full_ratio_of_elastic_weights_is_the_dense_host(finished: Path) -> None:
    """Clusters prune as well, so the dense cell is keep_ratio 1 with as many clusters as frames."""
    text = TINY.replace("[1.0, 0.6]", "[1.0]").replace("[5, 3]", "[9]")
    folder = finished.parent / "dense"
    go(folder, text)
    by_group = {r.group: r for r in records(folder) if r.seed == 0}
    assert by_group["htp"].compute["pass_gmacs"] == by_group["d3dp"].compute["pass_gmacs"]


def test_pruned_cells_cost_less_and_differ(finished: Path) -> None:
    by_label = {r.label: r for r in records(finished) if r.seed == 0}
    full, least = by_label["htp keep_ratio 1, clusters 5"], by_label["htp keep_ratio 0.6, clusters 3"]
    assert (least.compute["inference_gmacs"] or 0) < (full.compute["inference_gmacs"] or 0)
    assert least.value("mpjpe", "test") != full.value("mpjpe", "test")
    assert next(iter(least.arrays["strip/tcep"])) == 0
    assert len(least.arrays["strip/tcep"]) == 5
    assert len(least.arrays["strip/mgptp"]) == 3


def test_a_finished_study_only_refreshes_its_report(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(copy)
    report = (copy / "reports" / "quick" / "report.md").read_bytes()
    monkeypatch.setattr(laboratory.Laboratory, "run", lambda *_: pytest.fail("a finished trial ran again"))
    outcome = go(copy)
    assert len(outcome.records) == 10
    assert content(copy) == before
    assert (copy / "reports" / "quick" / "report.md").read_bytes() == report


def test_only_what_is_missing_runs_and_gives_the_same_numbers(copy: Path) -> None:
    before = {r.name: r for r in records(copy)}
    gone = sorted(before)[3]
    (copy / "home" / "records" / "quick" / f"{gone}.json").unlink()
    go(copy)
    again = {r.name: r for r in records(copy)}
    assert again[gone].metrics == before[gone].metrics
    assert again[gone].provenance["finished"] >= before[gone].provenance["finished"]
    assert all(again[n].provenance == r.provenance for n, r in before.items() if n != gone)


def test_a_fresh_home_gives_the_same_numbers(finished: Path, tmp_path: Path) -> None:
    text = TINY.replace("seeds: [0, 1]", "seeds: [1]")
    go(tmp_path, text)
    expected = {r.name: r.metrics for r in records(finished) if r.seed == 1}
    assert {r.name: r.metrics for r in records(tmp_path)} == expected


def test_mlflow_holds_study_configurations_and_seeds(finished: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{finished}/home/mlflow.db")
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 + 5 + 10
    assert {r.info.status for r in runs} == {"FINISHED"}
    parent = next(r for r in runs if r.data.tags["ablate.kind"] == "study")
    listed = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert {"study.yaml", "report", "weights", "front"} <= listed
    front = {item.path for item in client.list_artifacts(parent.info.run_id, "front")}
    assert front == {"front/pareto.png", "front/front.csv"}
    figures = {item.path for item in client.list_artifacts(parent.info.run_id, "report/figures")}
    assert "report/figures/pareto.png" in figures


def test_mlflow_is_rebuilt_from_the_records(copy: Path) -> None:
    for path in (copy / "home" / "mlflow.db", copy / "home" / "optuna.journal"):
        path.unlink()
    shutil.rmtree(copy / "home" / "artifacts")
    go(copy)
    client = MlflowClient(tracking_uri=f"sqlite:///{copy}/home/mlflow.db")
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 16


def test_a_sampler_searches_and_its_results_come_back(tmp_path: Path) -> None:
    text = TINY.replace("seeds: [0, 1]", "sampler: tpe\ntrials: 2\nseeds: [0]")
    first = go(tmp_path, text)
    assert len(first.records) == 3
    before = content(tmp_path)
    assert [r.name for r in go(tmp_path, text).records] == [r.name for r in first.records]
    assert content(tmp_path) == before


def test_a_training_that_diverges_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace(
        "train.mode: fixed}", "train.mode: fixed, train.learning_rate: 1.0e+30, train.clip: null, train.warmup: 0}"
    )
    outcome = go(tmp_path, text)
    assert len(outcome.records) == 4
    (failure,) = outcome.failures
    assert failure.startswith("d3dp, seed 0: ")


def test_an_interrupt_keeps_what_is_finished_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = laboratory.Laboratory.run, []

    def interrupted(self: laboratory.Laboratory, trial: object) -> Record:
        calls.append(trial)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, trial)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(laboratory.Laboratory, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path)
    before = content(tmp_path)
    assert len(before) == 4  # two records, a JSON and an npz each
    go(tmp_path)
    after = content(tmp_path)
    assert len(after) == 20
    assert {name: after[name] for name in before} == before


def test_weights_of_other_data_are_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (copy / "home" / "records" / "quick").glob("*.json"):
        path.unlink()
    real = store.load

    def tampered(path: Path) -> store.Weights:
        found = real(path)
        assert found is not None
        return store.Weights(found.state, {**found.metadata, "data": "0" * 64})

    monkeypatch.setattr(store, "load", tampered)
    with pytest.raises(InputError, match="trained on other data"):
        go(copy)


def test_damaged_weights_are_named(copy: Path) -> None:
    for path in (copy / "home" / "records" / "quick").glob("*.json"):
        path.unlink()
    for path in (copy / "home" / "weights").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"damaged weights.*delete the file"):
        go(copy)


def test_records_are_plain_json(finished: Path) -> None:
    for path in (finished / "home" / "records" / "quick").glob("*.json"):
        assert json.loads(path.read_text())["format"] == 1
