"""The mirror lets go of what it holds and repairs what a kill left half. On real stores."""

import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from PIL import Image

import models
from ablate.archive import Archive
from ablate.ledger import open_ledger
from ablate.mirror import Mirror, subject
from ablate.plan import Trial, expand
from ablate.store import Store
from ablate.tracking import store_id, tracking_uri
from ablate.tracking.telling import NOTE, how
from ablate.trained import Weights
from ablate.upkeep import leftovers
from ablate.workspace import Workspace
from models.contract import Lifter
from models.weights import metadata
from tests.conftest import TINY
from tests.test_records import record
from tests.test_study import study

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)
KEEP = "model.pruning.tcep.keep_ratio"


def archive(workspace: Workspace, **changes: object) -> Archive:
    """A study with the record of its last trial of the sweep."""
    workspace.prepare()
    own = study(TINY)
    cell = next(cell for cell in expand(own) if cell.params.get(KEEP) == 0.6)
    ledger = open_ledger(workspace, own.name)
    trial = Trial(cell, 0)
    known = {"trial": cell.id, "group": cell.group, "params": cell.params, "label": cell.label, "config": cell.identity}
    assert ledger.add(record(trial.seed, **{**known, **changes}))
    return Archive(own, ledger)


def trained(store: Store, key: str) -> Lifter:
    """Fresh weights in place of trained ones, as a training of the tiny study stores them."""
    config = next(cell for cell in expand(study(TINY)) if cell.params.get(KEEP) == 0.6).training_configuration.model
    lifter = models.build(config, seed=0)
    store.save(key, Weights(lifter.state_dict(), {**metadata(config), "model": "htp"}))
    return lifter


def fine(note: str) -> None:
    raise AssertionError(note)


def client_of(workspace: Workspace) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking_uri(workspace))


def experiment_of(workspace: Workspace) -> str:
    experiment = client_of(workspace).get_experiment_by_name("quick")
    assert experiment is not None
    return str(experiment.experiment_id)


def send(shown: Archive, workspace: Workspace, report: Path) -> None:
    with Mirror(shown, workspace, fine) as mirror:
        mirror.settle()
        assert mirror.attach("name: quick", report, Store(workspace.weights), {"abc"})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "page" / "figures").mkdir(parents=True)
    return Workspace(tmp_path / "home", tmp_path / "reports")


def test_a_mirror_that_fails_by_a_bug_leaves_the_study_to_others(workspace: Workspace) -> None:
    shown = archive(workspace, provenance={})  # no run can be made of it
    with pytest.raises(KeyError), Mirror(shown, workspace, fine):
        pass
    assert shown.ledger.held([f"mirror-{store_id(workspace)}"]) == set()


def test_a_model_that_a_kill_left_pending_is_sent_again_and_a_ready_one_is_left(
    workspace: Workspace, tmp_path: Path
) -> None:
    shown = archive(workspace)
    trained(Store(workspace.weights), "abc")
    send(shown, workspace, tmp_path / "page")
    client = client_of(workspace)
    (model,) = client.search_logged_models([experiment_of(workspace)])
    assert str(model.status) == "READY"
    assert f'load_model("models:/{model.model_id}")' in model.tags[NOTE]
    (kept,) = (workspace.artifacts / "quick" / "models" / model.model_id).rglob("*.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:100])
    send(shown, workspace, tmp_path / "page")
    assert kept.read_bytes() == whole[:100]  # what is ready was sent whole, so nobody looks again
    client.finalize_logged_model(model.model_id, "FAILED")
    send(shown, workspace, tmp_path / "page")
    assert kept.read_bytes() == whole
    assert [str(m.status) for m in client.search_logged_models([experiment_of(workspace)])] == ["READY"]
    assert not list(workspace.artifacts.rglob("*.pkl"))


def test_what_is_deleted_in_mlflow_goes_whole_and_comes_back_from_the_records(
    workspace: Workspace, tmp_path: Path
) -> None:
    """As `ablate clean` says: it leaves files to `mlflow gc`, and takes what that forgets."""
    shown = archive(workspace)
    trained(Store(workspace.weights), "abc")
    (tmp_path / "page" / "report.md").write_text("a report")

    def files() -> list[str]:
        return sorted(path.name for path in workspace.artifacts.rglob("*") if path.is_file())

    def collected() -> None:
        uri = tracking_uri(workspace)
        command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)

    send(shown, workspace, tmp_path / "page")
    client, whole = client_of(workspace), files()
    assert {"report.md", "study.yaml", "abc.safetensors"} <= set(whole)
    (model,) = client.search_logged_models([experiment_of(workspace)])
    for run in client.search_runs([experiment_of(workspace)]):
        client.delete_run(run.info.run_id)
    client.delete_logged_model(model.model_id)
    assert files() == whole, "MLflow can still restore it"
    collected()
    assert files() == []
    send(shown, workspace, tmp_path / "page")
    assert files() == whole
    client.delete_experiment(experiment_of(workspace))
    collected()
    assert "abc.safetensors" in files(), "it forgets the models, so that `ablate clean` has to know of them"
    for item in leftovers(Store(workspace.weights), workspace.home, None):
        item.remove()
    assert files() == []
    send(shown, workspace, tmp_path / "page")
    assert files() == whole


def test_a_model_lifts_as_its_configuration_does(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = archive(workspace)
    lifter = trained(Store(workspace.weights), "abc")
    send(shown, workspace, tmp_path / "page")
    (model,) = client_of(workspace).search_logged_models([experiment_of(workspace)])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(workspace))
    (kept,) = shown.records()
    asked = how(kept)
    assert asked["pruning"]["tcep"] == {"keep_ratio": 0.6}
    loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}", model_config=asked)
    example = loaded.input_example
    assert example.shape == (1, 9, 17, 2)
    poses = loaded.predict(np.concatenate([example, example + 0.1]).astype(np.float32))
    assert poses.shape == (2, 9, 17, 3)
    configuration = next(cell for cell in expand(study(TINY)) if cell.id == kept.trial).configuration
    same = models.build(configuration.model)
    same.load_state_dict(lifter.state_dict())
    given = configuration.evaluate
    own = same.eval().lift(torch.from_numpy(example), hypotheses=given.hypotheses, steps=given.steps, flip=given.flip)
    np.testing.assert_allclose(poses[:1], own[:, -1].mean(dim=1).numpy(), atol=1e-6)
    dense = mlflow.pyfunc.load_model(f"models:/{model.model_id}", model_config={"pruning": {}})
    assert np.abs(dense.predict(example) - poses[:1]).max() > 1e-4
    (child,) = client_of(workspace).search_runs([experiment_of(workspace)], "tags.`ablate.kind` = 'configuration'")
    assert f'load_model("models:/{model.model_id}", model_config={asked!r})' in child.data.tags[NOTE]


def test_the_fronts_picture_is_in_the_description_once_it_is_there(workspace: Workspace, tmp_path: Path) -> None:
    shown = archive(workspace)
    trained(Store(workspace.weights), "abc")
    notes = []
    for picture in (None, tmp_path / "page" / "figures" / "pareto.png"):
        if picture is not None:
            Image.new("RGB", (1500, 900)).save(picture)
        for _ in range(2):  # said again by the next mirror, before it has a report
            send(shown, workspace, tmp_path / "page")
            (parent,) = client_of(workspace).search_runs([experiment_of(workspace)], "tags.`ablate.kind` = 'study'")
            notes.append(parent.data.tags[NOTE])
    assert ["get-artifact?path=front%2Fsmall.png" in note for note in notes] == [False, False, True, True]
    assert notes[3].startswith("Does it run?")


def test_a_study_is_told_by_the_numbers_that_its_report_puts_first() -> None:
    told = subject(study(TINY))
    assert (told.error, told.compute) == ("test_mpjpe_mm", "inference_gmacs")
    other = subject(study(f"{TINY}report: {{metric: mpjve, compute: latency_ms}}\n"))
    assert (other.error, other.error_title) == ("test_mpjve_mm_per_frame", "MPJVE, test (mm/frame)")
    assert (other.compute, other.compute_title) == ("latency_ms", "latency (ms)")
    assert other.swept == (KEEP, "model.pruning.mgptp.clusters")
