"""The whole chain on a study of seconds: run, resume, refresh, fail."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ablate import laboratory
from ablate.errors import InputError
from ablate.ledger import open_ledger
from ablate.loading import check
from ablate.records import Record, load_all
from ablate.runner import Outcome, retry, run, status
from ablate.source import parse
from ablate.store import Store
from ablate.terminal import Plain
from ablate.trained import Weights
from ablate.work import Job
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.data.test_cmu import clips, written


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


def statuses(folder: Path) -> set[str]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/home/mlflow.db")
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    return {run.info.status for run in client.search_runs([experiment.experiment_id])}


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
        assert {m.protocol for m in r.measured} == {"exact"}
        assert {m.protocol for m in r.metrics} == {"exact", "reference"}


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


def test_records_hold_what_figures_show(finished: Path) -> None:
    found = records(finished)
    assert len({r.arrays["sample/truth"].tobytes() for r in found}) == 1
    for r in found:
        assert r.arrays["test/joint_mm"].mean() == pytest.approx(r.value("mpjpe", "test"), rel=1e-5)
        assert r.arrays["sample/hypotheses"].shape == (2, *r.arrays["sample/truth"].shape)
        stages = {name: value or 0 for name, value in r.compute.items() if name.startswith("inference_gmacs_")}
        assert sum(stages.values()) == pytest.approx(r.compute["inference_gmacs"])
    figures = finished / "reports" / "quick" / "figures"
    for name in ("pareto", "compute_by_stage", "skeletons", "joint_differences"):
        assert (figures / f"{name}.pdf").stat().st_size > 5000
    assert (figures / "skeletons.gif").read_bytes().startswith(b"GIF89a")


def test_a_finished_study_only_refreshes_its_report(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a move: what was shown from the old place is shown once more from the new one."""
    before = content(copy)
    report = (copy / "reports" / "quick" / "report.md").read_bytes()
    for work in ("train", "evaluate"):
        monkeypatch.setattr(laboratory.Laboratory, work, lambda *_: pytest.fail("finished work was done again"))
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
    assert {"study.yaml", "report", "front"} <= listed
    models = client.search_logged_models([experiment.experiment_id])
    assert {m.tags["ablate.training"] for m in models} == {record.training_key for record in records(finished)}
    assert {str(m.status) for m in models} == {"READY"}
    front = {item.path for item in client.list_artifacts(parent.info.run_id, "front")}
    assert front == {"front/pareto.png", "front/small.png", "front/front.csv"}
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


def test_a_bug_fails_its_trials_with_the_place_and_retry_forgives_it(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sorted(content(copy))[0].removesuffix(".json")
    (copy / "home" / "records" / "quick" / f"{gone}.json").unlink()

    def broken(self: laboratory.Laboratory, job: Job, halvings: int = 0) -> Iterator[Record]:
        raise ZeroDivisionError("nothing to share")

    with monkeypatch.context() as patch:
        patch.setattr(laboratory.Laboratory, "evaluate", broken)
        (failure,) = go(copy).failures
    assert "ZeroDivisionError: nothing to share (" in failure
    assert "test_run.py:" in failure
    study, workspace = check(parse(TINY, "quick.yaml")), Workspace(copy / "home", copy / "reports")
    assert go(copy).failures == [failure]  # a bug is not tried again by itself
    found = status(study, workspace)
    assert (found["done"], found["failed"], found["waiting"]) == (9, 1, 0)
    assert retry(study, workspace) == 1
    assert not go(copy).failures
    assert len(records(copy)) == 10


def test_two_workers_do_each_trial_once(tmp_path: Path) -> None:
    study, workspace = check(parse(TINY, "quick.yaml")), Workspace(tmp_path / "home", tmp_path / "reports")
    outcome = run(study, workspace, Plain(quiet=True), workers=2)
    assert not outcome.failures
    assert len(outcome.records) == 10
    ledger = open_ledger(workspace, "quick")
    files = (tmp_path / "home" / "ledger" / "quick").iterdir()
    units = {path.stem for path in files if path.stem.startswith(("train-", "evaluate-"))}
    histories = ledger.histories(units)
    assert {len(history) for history in histories.values()} == {1}
    assert {attempt.outcome for (attempt,) in histories.values()} == {"done"}
    assert len(histories) == 4 + 10
    assert {r.provenance["workers"] for r in outcome.records} == {2}
    assert statuses(tmp_path) == {"FINISHED"}


def test_weights_of_other_data_are_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (copy / "home" / "records" / "quick").glob("*.json"):
        path.unlink()
    real = Store.load

    def tampered(self: Store, key: str) -> Weights:
        found = real(self, key)
        assert found is not None
        return Weights(found.state, {**found.metadata, "data": "0" * 64})

    monkeypatch.setattr(Store, "load", tampered)
    with pytest.raises(InputError, match="trained on other data"):
        go(copy)


def test_damaged_weights_are_named(copy: Path) -> None:
    for path in (copy / "home" / "records" / "quick").glob("*.json"):
        path.unlink()
    for path in (copy / "home" / "weights").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"damaged weights.*delete the file"):
        go(copy)


def test_a_report_of_captured_motion_thanks_where_its_licence_asks(tmp_path: Path) -> None:
    written(tmp_path, clips())
    text = TINY.replace(
        "{name: synthetic, clip_seconds: 1, cameras: 1}", f"{{name: cmu, path: {tmp_path}, cameras: 1}}"
    )
    outcome = go(tmp_path, text.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[1.0]"))
    assert "NSF EIA-0196217" in outcome.report.read_text()


def test_records_are_plain_json(finished: Path) -> None:
    for path in (finished / "home" / "records" / "quick").glob("*.json"):
        assert json.loads(path.read_text())["format"] == 1
