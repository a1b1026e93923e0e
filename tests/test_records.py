"""Records: whole or absent, and the same after a round trip."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ablate.errors import StorageError
from ablate.records import Metric, Record, decode, encode, load, load_all, save
from ablate.workspace import Workspace
from ablate.writing import write_atomically


def record(seed: int = 0, **changes: object) -> Record:
    head = {"unit": "mm", "input": "gt", "aggregation": "mean", "oracle": False, "protocol": "exact", "hypotheses": 1}
    metrics = tuple(
        Metric(metric="mpjpe", value=50.0 + step, split=split, step=step, steps=2, **head)  # type: ignore[arg-type]
        for split in ("validation", "test")
        for step in (1, 2)
    )
    base = Record(
        study="s",
        trial="0123456789ab",
        seed=seed,
        group="htp",
        label="htp keep_ratio 0.5",
        params={"model.pruning.tcep.keep_ratio": 0.5},
        config={"name": "htp", "model": {"frames": 9}, "data": {}, "train": {}, "evaluate": {}, "measure": {}},
        training_key="abc",
        metrics=metrics,
        compute={"inference_gmacs": 1.5, "latency_ms": 3.0, "peak_memory_mb": None},
        curves={"train_loss_mm": [90.0, 80.0], "validation_epoch": [2], "validation_mpjpe_mm": [70.0]},
        best_epoch=2,
        data={"digest": "d", "name": "synthetic"},
        provenance={"commit": None, "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:00:00+00:00"},
        arrays={"test/mpjpe_mm": np.array([1.5, 2.5], np.float32)},
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    saved = record()
    found = load(save(tmp_path, saved))
    assert found == saved
    np.testing.assert_array_equal(found.arrays["test/mpjpe_mm"], saved.arrays["test/mpjpe_mm"])
    assert found.value("mpjpe", "test") == 52.0
    with pytest.raises(KeyError, match="p_mpjpe"):
        found.value("p_mpjpe", "test")


def test_a_stored_record_encodes_to_its_own_bytes(tmp_path: Path) -> None:
    """So a record is the same in a folder, in a database, and on its way from one to the other."""
    path = save(tmp_path, record())
    content, arrays = path.read_bytes(), path.with_suffix(".npz").read_bytes()
    assert encode(load(path)) == (content, arrays) == encode(record())
    found = decode(content, lambda: arrays, "a database")
    assert found == record()
    assert list(found.arrays) == ["test/mpjpe_mm"]


def test_reading_a_record_leaves_its_arrays_until_they_are_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path, record())
    found, gone = load(path), load(path)
    np.testing.assert_array_equal(found.arrays["test/mpjpe_mm"], record().arrays["test/mpjpe_mm"])
    path.with_suffix(".npz").unlink()
    assert "strip/motion" not in found.arrays
    assert gone == found
    with pytest.raises(StorageError, match=f"{path.name}.*No such file.*move it away"):
        gone.arrays.get("test/mpjpe_mm")


def test_damaged_arrays_are_named(tmp_path: Path) -> None:
    path = save(tmp_path, record())
    whole = path.with_suffix(".npz").read_bytes()
    npy = tmp_path / "one.npy"
    np.save(npy, np.zeros(1))
    for content in (b"", b"PK", whole[:-30], whole[:60] + bytes(20) + whole[80:], npy.read_bytes()):
        path.with_suffix(".npz").write_bytes(content)
        with pytest.raises(StorageError, match=f"{path.name}.*move it away"):
            dict(load(path).arrays)


def test_the_json_comes_last_so_arrays_alone_are_no_record(tmp_path: Path) -> None:
    path = save(tmp_path, record())
    path.unlink()
    assert list(load_all(tmp_path)) == []


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"format": 1}', '{"format": 99}', "[]", '{"format": 1, "metrics": [{}]}'],
)
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    path = save(tmp_path, record())
    path.write_text(content)
    with pytest.raises(StorageError, match=f"{path.name}.*move it away"):
        load(path)


def test_nan_is_refused_rather_than_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path, record(compute={"inference_gmacs": float("nan")}))
    assert list(load_all(tmp_path)) == []


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()  # a folder that isn't empty can't be renamed over
    with pytest.raises(StorageError, match="can't be written"):
        write_atomically(target, b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


READ_ONLY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from ablate.errors import StorageError
from ablate.workspace import Workspace
if os.getuid() == 0:
    os.setuid(65534)  # root writes anywhere
try:
    Workspace(home=Path(sys.argv[1]) / "home", reports=Path(sys.argv[1])).prepare()
except StorageError as error:
    print(error)
"""


def test_a_folder_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents:
        if os.getuid() == 0 and parent.stat().st_uid == 0 and parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o001)
    root = str(Path(__file__).parent.parent)
    script = [sys.executable, "-c", READ_ONLY, str(tmp_path), root]
    told = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert "home: can't be written (Permission denied)" in told
    assert "--home" in told


def test_a_workspace_prepares_itself(tmp_path: Path) -> None:
    Workspace(home=tmp_path / "a" / "home", reports=tmp_path / "b").prepare()
    assert (tmp_path / "a" / "home").is_dir()
    assert list((tmp_path / "a" / "home").iterdir()) == []


def test_poses_are_read_when_asked_for_and_not_kept(tmp_path: Path) -> None:
    arrays = {"test/mpjpe_mm": np.ones(2, np.float32), "sample/pose": np.ones((3, 17, 3), np.float32)}
    path = save(tmp_path, record(arrays=arrays))
    found = load(path)
    assert set(found.arrays) == set(arrays)
    np.testing.assert_array_equal(found.arrays["sample/pose"], arrays["sample/pose"])
    path.with_suffix(".npz").unlink()
    assert "sample/pose" in found.arrays
    np.testing.assert_array_equal(found.arrays["test/mpjpe_mm"], arrays["test/mpjpe_mm"])
    with pytest.raises(StorageError, match="No such file"):
        found.arrays["sample/pose"]
