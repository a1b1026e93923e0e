"""MLflow mirrors the records: the hierarchy, the numbers, the words, and nothing twice. On a real SQLite store."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ablate.errors import StorageError
from ablate.records import Record
from ablate.tracking import IDENTITY, SEEDS, Subject, Tracker, tracking_uri
from ablate.tracking.telling import NOTE
from ablate.workspace import Workspace
from tests.test_records import record

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)
ABOUT = Subject(
    study="s",
    question="why?",
    error="test_mpjpe_mm",
    error_title="MPJPE, test (mm)",
    compute="inference_gmacs",
    compute_title="inference (GMACs)",
    swept=("model.pruning.tcep.keep_ratio",),
)


def client_of(workspace: Workspace) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking_uri(workspace))


def experiment_of(workspace: Workspace) -> Any:
    found = client_of(workspace).get_experiment_by_name("s")
    assert found is not None
    return found


def runs(workspace: Workspace) -> dict[str, Run]:
    found = client_of(workspace).search_runs([experiment_of(workspace).experiment_id])
    return {run.data.tags[IDENTITY]: run for run in found}


def inputs_of(workspace: Workspace, name: str) -> Any:
    return client_of(workspace).get_run(runs(workspace)[name].info.run_id).inputs


def show(tracker: Tracker, records: list[Record], *, planned: int, running: bool = False) -> None:
    by_name = {r.name: r for r in records}
    tracker.mirror(planned, list(by_name), lambda names: [by_name[n] for n in names], running=running)


def test_study_configuration_and_seed_are_parent_child_and_grandchild(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    tracker = Tracker(ABOUT, workspace)
    show(tracker, [record(0)], planned=2, running=True)
    assert runs(workspace)["study"].info.status == "RUNNING"
    show(tracker, [record(0), record(1)], planned=2)
    found = runs(workspace)
    assert set(found) == {"study", "0123456789ab", "0123456789ab-s0", "0123456789ab-s1"}
    parent, child, seed = found["study"], found["0123456789ab"], found["0123456789ab-s1"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert seed.data.tags["mlflow.parentRunId"] == child.info.run_id
    assert {r.info.status for r in found.values()} == {"FINISHED"}
    assert seed.data.metrics["test_mpjpe_mm"] == 52.0
    assert seed.data.params["model.frames"] == "9"
    assert child.data.metrics["test_mpjpe_mm_std"] == 0.0
    assert parent.data.tags["ablate.finished"] == "2 of 2"
    client, run_id = client_of(workspace), seed.info.run_id
    assert [m.step for m in client.get_metric_history(run_id, "epoch/train_loss_mm")] == [1, 2]
    assert [m.step for m in client.get_metric_history(run_id, "epoch/validation_mpjpe_mm")] == [2]
    assert [m.value for m in client.get_metric_history(run_id, "denoising_step/test_mpjpe_mm")] == [51.0, 52.0]


def test_runs_say_what_they_are_in_names_tags_and_descriptions(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    worse = record(0, trial="ffffffffffff", label="uniform keep_ratio 0.5", group="uniform")
    worse = replace(worse, metrics=tuple(m._replace(value=m.value + 1) for m in worse.metrics))
    show(Tracker(ABOUT, workspace), [worse, record(0), record(1)], planned=3)
    found, experiment = runs(workspace), experiment_of(workspace)
    assert found["0123456789ab"].info.run_name == "htp 5 of 9 frames"
    assert found["0123456789ab-s1"].info.run_name == "htp 5 of 9 frames, seed 1"
    tags = found["0123456789ab-s1"].data.tags
    assert (tags["model"], tags["host"], tags["seed"]) == ("htp", "d3dp", "1")
    note = found["study"].data.tags[NOTE]
    assert note.startswith("why?")
    links = [f"#/experiments/{experiment.experiment_id}/runs/{found[name].info.run_id}" for name in found]
    best, other = (found[name].info.run_id for name in ("0123456789ab", "ffffffffffff"))
    by_error = note.partition("**By error**")[2]
    assert 0 < by_error.index(best) < by_error.index(other)
    assert other not in note.partition("**By error**")[0]  # it costs as much, and is worse
    assert any(link in note for link in links)
    assert experiment.tags[NOTE].startswith("why?")
    assert "52.00 ± 0.00" in found["0123456789ab"].data.tags[NOTE]


def test_an_experiment_has_views_that_sort_by_error(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker(ABOUT, workspace), [record(0)], planned=1)
    tags = experiment_of(workspace).tags
    view = json.loads(tags["mlflow.sharedViewState.ablate-errors"])
    state = json.loads(view["state"])
    assert view["name"] == "Configurations by error"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`test_mpjpe_mm`", True)
    assert {"metrics.`inference_gmacs`", "tags.`pruning.tcep.keep_ratio`"} <= set(state["selectedColumns"])
    assert state["searchFilter"] == "tags.`ablate.kind` = 'configuration'"
    found = client_of(workspace).search_runs([experiment_of(workspace).experiment_id], state["searchFilter"])
    assert [run.data.tags[IDENTITY] for run in found] == ["0123456789ab"]


def test_runs_name_their_data_and_the_model_that_they_were_evaluated_from(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker(ABOUT, workspace), [record(0, data={"digest": "5" * 64, "name": "cmu"})], planned=1)
    (model,) = client_of(workspace).search_logged_models([experiment_of(workspace).experiment_id])
    assert str(model.status) == "PENDING"  # its files come with the report
    for name in ("0123456789ab", "0123456789ab-s0"):
        inputs = inputs_of(workspace, name)
        (data,) = inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest) == ("cmu", "5" * 12)
        assert json.loads(data.dataset.profile)["digest"] == "5" * 64
        assert [used.model_id for used in inputs.model_inputs] == [model.model_id]


def test_what_the_work_took_stands_among_system_metrics(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    spent = {**record(0).provenance, "seconds_evaluate": 12.5, "memory_mb_evaluate": 800.0}
    show(Tracker(ABOUT, workspace), [record(0, provenance=spent)], planned=1)
    numbers = runs(workspace)["0123456789ab-s0"].data.metrics
    assert {name: value for name, value in numbers.items() if name.startswith("system/")} == {
        "system/evaluate_seconds": 12.5,
        "system/evaluate_peak_memory_megabytes": 800.0,
    }


def test_a_mirror_made_again_adds_nothing(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    for _ in range(2):
        show(Tracker(ABOUT, workspace), [record(0), record(1)], planned=3)
    found = runs(workspace)
    assert len(found) == 4
    assert found["study"].info.status == "KILLED"
    client, child = client_of(workspace), found["0123456789ab"]
    assert len(client.get_metric_history(child.info.run_id, "test_mpjpe_mm")) == 1
    assert len(client.search_logged_models([experiment_of(workspace).experiment_id])) == 1
    client.delete_tag(child.info.run_id, SEEDS)  # as a process leaves it that is killed before the last word
    show(Tracker(ABOUT, workspace), [record(0), record(1)], planned=3)
    assert runs(workspace)["0123456789ab"].data.tags[SEEDS] == "0, 1"
    again = inputs_of(workspace, "0123456789ab")
    assert (len(again.dataset_inputs), len(again.model_inputs)) == (1, 1)
    assert len(runs(workspace)) == 4


def test_a_configuration_left_open_is_shown_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker(ABOUT, workspace), [record(0)], planned=1)
    child = runs(workspace)["0123456789ab"].info.run_id
    client_of(workspace).update_run(child, status="RUNNING")
    show(Tracker(ABOUT, workspace), [record(0)], planned=1)
    assert runs(workspace)["0123456789ab"].info.status == "FINISHED"


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").write_bytes(b"not a database, but long enough to be looked at as one" * 20)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/db")
    with pytest.raises(StorageError, match="MLflow can't open it"):
        Tracker(ABOUT, Workspace(home=tmp_path))


def test_a_seed_that_a_killed_process_left_half_written_is_made_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker(ABOUT, workspace), [record(0), record(1)], planned=2)
    client = client_of(workspace)
    half = runs(workspace)["0123456789ab-s1"].info.run_id
    client.update_run(half, status="RUNNING")
    client.delete_tag(runs(workspace)["0123456789ab"].info.run_id, SEEDS)
    show(Tracker(ABOUT, workspace), [record(0), record(1)], planned=2)
    again = runs(workspace)
    assert again["0123456789ab-s1"].info.run_id != half
    assert {r.info.status for r in again.values()} == {"FINISHED"}
    assert again["0123456789ab-s1"].data.metrics["test_mpjpe_mm"] == 52.0


def test_seeds_left_half_written_on_any_page_are_made_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted while pages are read would let others slip through between them."""
    monkeypatch.setattr("ablate.tracking.tracker.PAGE", 2)
    workspace = Workspace(home=tmp_path)
    records = [record(seed) for seed in range(5)]
    show(Tracker(ABOUT, workspace), records, planned=5)
    client = client_of(workspace)
    for made in records:
        client.update_run(runs(workspace)[made.name].info.run_id, status="RUNNING")
    client.delete_tag(runs(workspace)["0123456789ab"].info.run_id, SEEDS)
    show(Tracker(ABOUT, workspace), records, planned=5)
    found = client.search_runs([experiment_of(workspace).experiment_id])
    assert len(found) == 1 + 1 + 5
    assert {run.info.status for run in found} == {"FINISHED"}


def test_a_configuration_shows_the_mean_of_all_its_seeds_whatever_the_clock_says(tmp_path: Path) -> None:
    """Two seeds may end within one second: of equal times MLflow takes the larger value for the later one."""
    workspace = Workspace(home=tmp_path)
    better = record(1)
    better = record(1, metrics=tuple(m._replace(value=m.value - 10) for m in better.metrics))
    tracker = Tracker(ABOUT, workspace)
    for records in ([record(0)], [record(0), better]):
        show(tracker, records, planned=2)
    assert runs(workspace)["0123456789ab"].data.metrics["test_mpjpe_mm"] == 47.0


def test_what_is_shown_is_not_read_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    show(Tracker(ABOUT, workspace), [record(0), record(1)], planned=2)
    names = [record(0).name, record(1).name]
    Tracker(ABOUT, workspace).mirror(2, names, lambda _: pytest.fail("a shown record was read"), running=False)
