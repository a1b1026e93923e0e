"""Damage is found, and a disk or a connection that fails is told and leaves what was there before."""

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem
from safetensors.torch import save as serialise

from ablate.errors import StorageError
from ablate.store import Store
from ablate.trained import Checkpoint, Weights
from tests.test_store import CHECKPOINT, STATE, WEIGHTS, equal, names


class Fragile(MemoryFileSystem):  # type: ignore[misc]
    """A memory file system that loses its connection when told to, as a remote one may."""

    protocol = "fragile"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    lost: ClassVar[set[str]] = set()

    def _use(self, what: str) -> None:
        if what in self.lost:
            raise ConnectionError("connection lost")

    def info(self, path: str, **kwargs: Any) -> Any:
        self._use("info")
        return super().info(path, **kwargs)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        super().pipe_file(path, value[:9] if "pipe" in self.lost else value, mode, **kwargs)
        self._use("pipe")

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        self._use("move")
        super().mv(path1, path2, **kwargs)


fsspec.register_implementation("fragile", Fragile)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[str]:
    yield f"fragile://{tmp_path.name}"
    Fragile.lost.clear()


@pytest.mark.parametrize("kind", ["weights", "checkpoints"])
def test_every_damage_is_found(kind: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    load = store.load if kind == "weights" else store.load_checkpoint
    small = {"w": torch.tensor([1.5])}
    store.save("k", Weights(small, {"fit": "{}"}))
    store.save_checkpoint("k", Checkpoint(tensors=small, curves={"train_loss_mm": [1.0]}, seconds=1.0, scaler={}))
    path = tmp_path / kind / "k.safetensors"
    whole = path.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(len(whole))]
    truncated = [whole[:i] for i in range(len(whole))]
    for content in [*flipped, *truncated, whole + b"\0"]:
        path.write_bytes(content)
        with pytest.raises(StorageError, match=rf"{kind}/k\.safetensors: damaged {kind} \(.*\); delete the file, and"):
            load("k")
    path.write_bytes(whole)
    assert load("k") is not None


def test_weights_that_carry_no_checksum_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("k", WEIGHTS)
    Path(store.place("k")).write_bytes(serialise({"w": torch.ones(2)}, {"fit": "{}"}))
    with pytest.raises(StorageError, match="carries no checksum"):
        store.load("k")


def test_weights_are_no_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("k", WEIGHTS)
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(tmp_path / "weights" / "k.safetensors", tmp_path / "checkpoints")
    with pytest.raises(StorageError, match=r"damaged checkpoints \(.*progress"):
        store.load_checkpoint("k")


LARGE = Weights({"w": torch.zeros(100_000)}, {})


@contextmanager
def small_files() -> Iterator[None]:
    """The system refuses files of more than 10 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("k", WEIGHTS)
    with small_files(), pytest.raises(StorageError, match=r"k\.safetensors: can't be written \(File too large\)"):
        store.save("k", LARGE)
    assert names(store) == [("weights", "k.safetensors")]
    found = store.load("k")
    assert found is not None
    assert equal(found.state, STATE)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory of its own, mounted on ``folder``."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True) if shutil.which("mount") else None
    if done is None or done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {'no mount' if done is None else done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with mounted(folder, "size=64k"):
        store = Store(folder)
        store.save_checkpoint("k", CHECKPOINT)
        with pytest.raises(StorageError, match=r"can't be written \(No space left on device\)"):
            store.save_checkpoint("k", Checkpoint(tensors=LARGE.state, curves={}, seconds=1.0, scaler={}))
        with pytest.raises(StorageError, match="No space left on device"):
            store.save("k", LARGE)
        assert names(store) == [("checkpoints", "k.safetensors")]
        found = store.load_checkpoint("k")
        assert found is not None
        assert found.epoch == 2


def test_a_disk_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with mounted(folder, "ro"):
        store = Store(folder)
        with pytest.raises(StorageError, match=r"can't be written \(Read-only file system\)"):
            store.prepare()
        assert store.load("k") is None
        assert store.items() == []


@pytest.mark.parametrize("lost", ["pipe", "move"])
def test_a_connection_lost_in_writing_leaves_the_old_file(fragile: str, lost: str) -> None:
    store = Store(fragile)
    store.save("k", WEIGHTS)
    Fragile.lost.add(lost)
    with pytest.raises(StorageError, match=r"fragile://.*can't be written \(connection lost\)"):
        store.save("k", LARGE)
    Fragile.lost.clear()
    assert names(store) == [("weights", "k.safetensors")]
    found = store.load("k")
    assert found is not None
    assert equal(found.state, STATE)


def test_a_lost_connection_is_not_taken_for_missing_weights(fragile: str) -> None:
    store = Store(fragile)
    store.save("k", WEIGHTS)
    Fragile.lost.add("info")
    with pytest.raises(StorageError, match=r"can't be read \(connection lost\).*--store"):
        store.has("k")


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file")
    store = Store(tmp_path)
    uses: list[Callable[[], object]] = [store.prepare, lambda: store.load("k"), lambda: store.save("k", WEIGHTS)]
    for use in uses:
        with pytest.raises(StorageError, match=str(tmp_path / "weights")):
            use()
