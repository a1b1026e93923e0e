"""What may go of a home: never a record, never what a later run could use, never anything of a job that may live."""

import os
import shutil
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ablate.data import load
from ablate.data.config import DataConfig
from ablate.data.h36m import POSES
from ablate.errors import StorageError
from ablate.loading import Study, check
from ablate.records import load_all
from ablate.runner import run
from ablate.scheduled import Launcher
from ablate.source import parse
from ablate.store import Store
from ablate.terminal import Plain
from ablate.trained import Checkpoint
from ablate.upkeep import Leftover, leftovers
from ablate.workspace import Workspace
from tests.benchmarks import h36m
from tests.conftest import TINY
from tests.test_cli import ablate

SMALL = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[1.0]").replace("[5, 3]", "[5]")
DAY_S = 86400.0


def study(text: str = SMALL) -> Study:
    return check(parse(text, "quick.yaml"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which one job of a launcher did a study: two trainings, two records."""
    folder = tmp_path_factory.mktemp("finished")
    workspace = Workspace(folder / "home", folder / "reports")
    launcher = Launcher.of("local", [], workspace)
    assert not run(study(), workspace, Plain(quiet=True), launcher=launcher).failures
    return folder / "home"


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "home"))


def found(home: Path, *keep: Study) -> list[Leftover]:
    return leftovers(Store(home), home, keep or None)


def old(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * DAY_S,) * 2)


def test_a_job_that_has_ended_goes_with_all_its_files(home: Path) -> None:
    (item,) = found(home)
    files = list((home / "submitit").iterdir())
    assert len(files) >= 4  # its order, its result, two logs
    assert item.name == f"submitit/{files[0].name.split('_')[0]}"
    assert item.bytes == sum(path.stat().st_size for path in files)
    assert item.why == "its job has ended"
    item.remove()
    assert not list((home / "submitit").iterdir())
    item.remove()  # gone already


def test_a_job_without_a_result_stays_while_it_may_run_or_wait(home: Path) -> None:
    found(home)[0].remove()
    order, log = home / "submitit" / "4711_submitted.pkl", home / "submitit" / "4711_0_log.out"
    order.write_bytes(b"an order")
    log.write_text("a word")
    old(order, days=30)
    old(log, days=6)
    assert not found(home)
    old(log, days=8)
    (item,) = found(home)
    assert (item.name, item.bytes) == ("submitit/4711", 14)
    assert "no word for 7 days" in item.why


def test_a_record_that_was_never_whole_goes_once_its_writer_is_dead(home: Path) -> None:
    found(home)[0].remove()
    part = home / "records" / "quick" / ".abc.part"
    part.write_bytes(b"half")
    assert not found(home)
    old(part, days=2)
    (item,) = found(home)
    assert (item.name, item.bytes, item.why) == ("records/quick/.abc.part", 4, "left by a process that was killed")
    item.remove()
    assert not part.exists()
    assert len(list(load_all(home / "records" / "quick"))) == 2


def test_a_cache_goes_when_its_files_are_gone_or_when_its_maker_was_killed(home: Path, tmp_path: Path) -> None:
    found(home)[0].remove()
    data = h36m(tmp_path / "h36m", frames=9)
    load(DataConfig(name="h36m", path=str(data)), 9, home)
    (place,) = (home / "cache").glob("?" * 16)
    assert not found(home)
    half = home / "cache" / "0123456789abcdef.half"
    half.mkdir()
    (half / "train.x2d.npy").write_bytes(b"half")
    assert not found(home)
    old(half, days=2)
    (item,) = found(home)
    assert (item.name, item.bytes, item.why) == (f"cache/{half.name}", 4, "left by a process that was killed")
    item.remove()
    (data / POSES).unlink()
    (item,) = found(home)
    assert item.name == f"cache/{place.name}"
    assert item.bytes == sum(path.stat().st_size for path in place.iterdir()) > 100_000
    assert item.why == f"{data / POSES}, which it was made from, is gone"
    item.remove()
    assert not place.exists()
    item.remove()  # gone already
    assert not found(home)


def test_of_mlflows_files_goes_what_it_knows_no_longer(home: Path) -> None:
    found(home)[0].remove()
    store = home / "mlflow.db"
    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    for shown in client.search_runs([experiment.experiment_id]):
        client.delete_run(shown.info.run_id)
    assert not found(home), "what is deleted can be restored"
    left = [
        home / "artifacts" / "quick" / ("0123456789abcdef" * 2),
        home / "artifacts" / "quick" / "models" / f"m-{'0' * 32}",
    ]
    for folder in [*left, home / "artifacts" / "quick" / "mine"]:
        (folder / "artifacts").mkdir(parents=True)
        (folder / "artifacts" / "weights").write_bytes(b"left")
    items = found(home)
    assert [(home / item.name, item.bytes) for item in items] == [(folder, 4) for folder in left]
    assert {item.why for item in items} == {"MLflow knows nothing of it any more"}
    items[0].remove()
    assert [home / item.name for item in found(home)] == left[1:]
    assert (home / "artifacts" / "quick" / "mine").exists()
    store.write_bytes(b"no database")
    with pytest.raises(StorageError, match="is it MLflow's store"):
        found(home)
    store.unlink()
    assert not found(home), "a store that was moved away may come back"


def test_of_the_store_goes_what_nobody_can_use(home: Path) -> None:
    store = Store(home)
    (used, other) = (path.stem for path in sorted((home / "weights").iterdir()))
    for key in (used, "unfinished"):
        store.save_checkpoint(key, Checkpoint(tensors={}, curves={}, seconds=0.0, scaler={}))
    for name, days in ((".killed.part", 2), (".writing.part", 0)):
        (home / "weights" / name).write_bytes(b"half")
        old(home / "weights" / name, days)
    told = {item.name: item.why for item in found(home) if not item.name.startswith("submitit/")}
    assert told == {
        "weights/.killed.part": "left by a process that was killed",
        f"checkpoints/{used}.safetensors": "its training is finished",
    }
    another = study(SMALL.replace("epochs: 1", "epochs: 2"))
    told = {item.name: item.why for item in found(home, another)}
    for key in (used, other):
        assert told[f"weights/{key}.safetensors"] == "no trial of the studies to keep uses it"
    assert "checkpoints/unfinished.safetensors" in told
    assert not [item for item in found(home, another, study()) if item.name == f"weights/{used}.safetensors"]


def test_clean_lists_first_and_deletes_when_told(home: Path) -> None:
    (home.parent / "s.yaml").write_text(SMALL)
    before = sorted(home.rglob("*"))
    listed = ablate("--home", "home", "clean", "s.yaml", cwd=home.parent)
    assert listed.returncode == 0, listed.stderr
    assert "may go: submitit/" in listed.stdout
    assert listed.stdout.endswith("MB; --delete drops them\n")
    assert sorted(home.rglob("*")) == before
    done = ablate("--home", "home", "clean", "s.yaml", "--delete", cwd=home.parent)
    assert done.stdout.count("deleted: ") == 1
    assert ablate("--home", "home", "clean", cwd=home.parent).stdout == "0 in all, 0.0 MB\n"
    assert len(list(load_all(home / "records" / "quick"))) == 2
    assert len(list((home / "weights").iterdir())) == 2
