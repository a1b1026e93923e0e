"""MLflow mirrors the records: the hierarchy, the numbers, and nothing twice. On a real SQLite store."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ablate.errors import StorageError
from ablate.records import Record
from ablate.tracking import IDENTITY, SEEDS, Tracker, tracking_uri
from ablate.workspace import Workspace
from tests.test_records import record

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def runs(workspace: Workspace) -> dict[str, object]:
    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    return {run.data.tags[IDENTITY]: run for run in client.search_runs([experiment.experiment_id])}


def show(tracker: Tracker, records: list[Record], *, planned: int, running: bool = False) -> None:
    by_name = {r.name: r for r in records}
    tracker.mirror("why?", planned, list(by_name), lambda names: [by_name[n] for n in names], running=running)


def test_study_configuration_and_seed_are_parent_child_and_grandchild(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    tracker = Tracker("s", workspace)
    show(tracker, [record(0)], planned=2, running=True)
    assert runs(workspace)["study"].info.status == "RUNNING"  # type: ignore[attr-defined]
    show(tracker, [record(0), record(1)], planned=2)
    found = runs(workspace)
    assert set(found) == {"study", "0123456789ab", "0123456789ab-s0", "0123456789ab-s1"}
    parent, child, seed = found["study"], found["0123456789ab"], found["0123456789ab-s1"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id  # type: ignore[attr-defined]
    assert seed.data.tags["mlflow.parentRunId"] == child.info.run_id  # type: ignore[attr-defined]
    assert {r.info.status for r in found.values()} == {"FINISHED"}  # type: ignore[attr-defined]
    assert seed.data.metrics["test_mpjpe_mm"] == 52.0  # type: ignore[attr-defined]
    assert seed.data.params["model.frames"] == "9"  # type: ignore[attr-defined]
    assert child.data.metrics["test_mpjpe_mm_std"] == 0.0  # type: ignore[attr-defined]
    assert parent.data.tags["ablate.finished"] == "2 of 2"  # type: ignore[attr-defined]
    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    run_id = seed.info.run_id  # type: ignore[attr-defined]
    assert [m.step for m in client.get_metric_history(run_id, "epoch/train_loss_mm")] == [1, 2]
    assert [m.step for m in client.get_metric_history(run_id, "epoch/validation_mpjpe_mm")] == [2]
    assert [m.value for m in client.get_metric_history(run_id, "denoising_step/test_mpjpe_mm")] == [51.0, 52.0]


def test_a_mirror_made_again_adds_nothing(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    for _ in range(2):
        show(Tracker("s", workspace), [record(0), record(1)], planned=3)
    found = runs(workspace)
    assert len(found) == 4
    assert found["study"].info.status == "KILLED"  # type: ignore[attr-defined]
    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    child = found["0123456789ab"].info.run_id  # type: ignore[attr-defined]
    assert len(client.get_metric_history(child, "test_mpjpe_mm")) == 1


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").write_bytes(b"not a database, but long enough to be looked at as one" * 20)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/db")
    with pytest.raises(StorageError, match="MLflow can't open it"):
        Tracker("s", Workspace(home=tmp_path))


def test_a_seed_that_a_killed_process_left_half_written_is_made_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker("s", workspace), [record(0), record(1)], planned=2)
    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    half = runs(workspace)["0123456789ab-s1"].info.run_id  # type: ignore[attr-defined]
    client.update_run(half, status="RUNNING")
    client.delete_tag(runs(workspace)["0123456789ab"].info.run_id, SEEDS)  # type: ignore[attr-defined]
    show(Tracker("s", workspace), [record(0), record(1)], planned=2)
    again = runs(workspace)
    assert again["0123456789ab-s1"].info.run_id != half  # type: ignore[attr-defined]
    assert {r.info.status for r in again.values()} == {"FINISHED"}  # type: ignore[attr-defined]
    assert again["0123456789ab-s1"].data.metrics["test_mpjpe_mm"] == 52.0  # type: ignore[attr-defined]


def test_seeds_left_half_written_on_any_page_are_made_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted while pages are read would let others slip through between them."""
    monkeypatch.setattr("ablate.tracking.PAGE", 2)
    workspace = Workspace(home=tmp_path)
    records = [record(seed) for seed in range(5)]
    show(Tracker("s", workspace), records, planned=5)
    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    for made in records:
        client.update_run(runs(workspace)[made.name].info.run_id, status="RUNNING")  # type: ignore[attr-defined]
    client.delete_tag(runs(workspace)["0123456789ab"].info.run_id, SEEDS)  # type: ignore[attr-defined]
    show(Tracker("s", workspace), records, planned=5)
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 1 + 1 + 5
    assert {run.info.status for run in found} == {"FINISHED"}


def test_a_configuration_shows_the_mean_of_all_its_seeds_whatever_the_clock_says(tmp_path: Path) -> None:
    """Two seeds may end within one second: of equal times MLflow takes the larger value for the later one."""
    workspace = Workspace(home=tmp_path)
    better = record(1)
    better = record(1, metrics=tuple(m._replace(value=m.value - 10) for m in better.metrics))
    tracker = Tracker("s", workspace)
    for records in ([record(0)], [record(0), better]):
        show(tracker, records, planned=2)
    assert runs(workspace)["0123456789ab"].data.metrics["test_mpjpe_mm"] == 47.0  # type: ignore[attr-defined]


def test_what_is_shown_is_not_read_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker("s", workspace), [record(0), record(1)], planned=2)
    names = [record(0).name, record(1).name]
    Tracker("s", workspace).mirror("why?", 2, names, lambda _: pytest.fail("a shown record was read"), running=False)
