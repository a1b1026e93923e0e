"""The mirror lets go of what it holds and repairs what a kill left half. On real stores."""

from pathlib import Path

import pytest
import torch
from mlflow.tracking import MlflowClient

from ablate.archive import Archive
from ablate.ledger import open_ledger
from ablate.mirror import Mirror
from ablate.plan import Trial, expand
from ablate.store import Store
from ablate.tracking import store_id, tracking_uri
from ablate.trained import Weights
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_records import record
from tests.test_study import study

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def archive(workspace: Workspace, **changes: object) -> Archive:
    """A study with the record of its first trial."""
    workspace.prepare()
    own = study(TINY)
    cell = expand(own)[0]
    ledger = open_ledger(workspace, own.name)
    trial = Trial(cell, 0)
    known = {"trial": cell.id, "group": cell.group, "params": cell.params, "label": cell.label}
    assert ledger.add(record(trial.seed, **{**known, **changes}))
    return Archive(own, ledger)


def fine(note: str) -> None:
    raise AssertionError(note)


def test_a_mirror_that_fails_by_a_bug_leaves_the_study_to_others(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    shown = archive(workspace, provenance={})  # no run can be made of it
    with pytest.raises(KeyError), Mirror(shown, workspace, fine):
        pass
    assert shown.ledger.held([f"mirror-{store_id(workspace)}"]) == set()


def test_weights_that_a_kill_cut_off_are_sent_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    shown, store = archive(workspace), Store(workspace.weights)
    store.save("abc", Weights({"w": torch.arange(1000.0)}, {"model": "{}"}))
    (tmp_path / "page").mkdir()
    with Mirror(shown, workspace, fine) as mirror:
        mirror.settle()
        assert mirror.attach("name: quick", tmp_path / "page", store, {"abc"})
    client = MlflowClient(tracking_uri=tracking_uri(workspace))
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`ablate.kind` = 'study'")
    kept = workspace.artifacts / "quick" / parent.info.run_id / "artifacts" / "weights" / "abc.safetensors"
    whole = kept.read_bytes()
    for content in (whole[:100], whole):
        kept.write_bytes(content)
        before = kept.stat().st_mtime_ns
        with Mirror(shown, workspace, fine) as mirror:
            mirror.settle()
            assert mirror.attach("name: quick", tmp_path / "page", store, {"abc"})
        assert kept.read_bytes() == whole
        assert (kept.stat().st_mtime_ns == before) == (content == whole)
