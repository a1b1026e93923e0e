"""The cache of footage: made once, whole or not at all, shared, made again when what it depends on changes."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data import load, read
from ablate.data.cache import HALF, LIST, kept, opened, stale
from ablate.data.config import DataConfig
from ablate.data.film import digest, film
from ablate.data.h36m import POSES, SEEN
from ablate.data.recording import Kept, Source
from ablate.data.windows import Footage, cut, joined
from ablate.errors import DataError, StorageError
from tests.benchmarks import dhp3, h36m
from tests.conftest import ROOT
from tests.motion import recording
from tests.mounting import mounted

LONG = ("x2d_NJ2", "x3d_NJ3", "root_N3", "valid_N")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return h36m(tmp_path_factory.mktemp("h36m"), frames=20)


def config(folder: Path, **changes: Any) -> DataConfig:
    return replace(DataConfig(name="h36m", path=str(folder)), **changes)


def caches(home: Path) -> list[Path]:
    """Whatever is in the cache but its lock and the hashes of files."""
    return sorted(path for path in (home / "cache").glob("*") if path.name not in (".lock", "hashes"))


class Told:
    """What a bar was told."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, int | None, int]] = []

    @contextmanager
    def __call__(self, what: str, total: int | None) -> Iterator[Callable[[int], object]]:
        steps: list[int] = []
        yield steps.append
        self.bars.append((what, total, sum(steps)))


def test_the_cache_holds_what_reading_gives(folder: Path, tmp_path: Path) -> None:
    given = config(folder)
    splits, source = load(given, 9, tmp_path), read(given, tmp_path)
    for name, clips in source.splits.items():
        fresh = joined([view for clip in clips for view in film(clip, given)])
        mapped: Footage = getattr(splits, name).footage
        for array in LONG:
            np.testing.assert_array_equal(getattr(mapped, array), getattr(fresh, array))
        for one, other in zip(mapped.views, fresh.views, strict=True):
            plain = ("recording", "subject", "action", "camera", "camera_index", "fps")
            assert [getattr(one, field) for field in plain] == [getattr(other, field) for field in plain]
            np.testing.assert_array_equal(one.x2d_TJ2, other.x2d_TJ2)
            np.testing.assert_array_equal(one.root_T3, other.root_T3)
    in_memory = digest(
        joined([view for clip in clips for view in film(clip, given)]) for clips in source.splits.values()
    )
    assert splits.digest == in_memory


def test_valid_frames_are_kept_too(tmp_path: Path) -> None:
    given = DataConfig(name="3dhp", path=str(dhp3(tmp_path, 12)), input="gt", annotations="univ_annot3")
    splits = load(given, 9, tmp_path)
    fresh = joined([view for clip in read(given, tmp_path).splits["test"] for view in film(clip, given)])
    np.testing.assert_array_equal(splits.test.footage.valid_N, fresh.valid_N)
    assert not fresh.valid_N.all()
    assert json.dumps(splits.info, allow_nan=False)


def test_it_is_made_once_and_a_person_sees_how_far_it_is(folder: Path, tmp_path: Path) -> None:
    told = Told()
    first = load(config(folder), 9, tmp_path, bar=told)
    assert [what for what, *_ in told.bars] == [
        f"{POSES}: looking at its content",
        f"{SEEN['detector']}: looking at its content",
        "h36m: reading, once",
        "h36m: preparing its clips, once",
        "h36m: looking at what came out, once",
    ]
    assert told.bars[3][1:] == (14, 14)
    (place,) = caches(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    told.bars.clear()
    again = load(config(folder), 27, tmp_path, bar=told)
    assert told.bars == []
    assert again.digest == first.digest
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == times


def test_later_starts_read_no_file_of_the_dataset(folder: Path, tmp_path: Path) -> None:
    """Whose content is remembered by its size and its time of change."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    digested = load(config(copy), 9, tmp_path).digest
    stat = (copy / POSES).stat()
    (copy / POSES).write_bytes(bytes(stat.st_size))
    os.utime(copy / POSES, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert load(config(copy), 9, tmp_path).digest == digested
    os.utime(copy / POSES)
    with pytest.raises(DataError, match="not a zip file"):
        load(config(copy), 9, tmp_path)


def test_it_goes_by_content_and_settings_and_not_by_place(folder: Path, tmp_path: Path) -> None:
    load(config(folder), 9, tmp_path)
    copy = shutil.copytree(folder, tmp_path / "copy")
    load(config(copy), 9, tmp_path)
    load(config(copy, seed=3, cameras=2, clip_seconds=9), 9, tmp_path)  # which don't matter where cameras are given
    assert len(caches(tmp_path)) == 1
    load(config(copy, input="gt"), 9, tmp_path)
    assert len(caches(tmp_path)) == 2
    load(config(copy, hold_out=False), 9, tmp_path)
    assert len(caches(tmp_path)) == 3
    h36m(copy, frames=21)
    load(config(copy), 9, tmp_path)
    assert len(caches(tmp_path)) == 4


def test_arrays_are_mapped_and_can_not_be_written_to(folder: Path, tmp_path: Path) -> None:
    splits = load(config(folder), 9, tmp_path)
    footage = splits.train.footage
    for name in LONG:
        array = getattr(footage, name)
        assert not array.flags.writeable
        assert not array.flags.owndata
    assert np.shares_memory(footage.views[3].x2d_TJ2, footage.x2d_NJ2)
    batch = splits.train.batch([0, 1])
    assert batch.x2d_BFJ2.flags.writeable
    assert type(batch.x2d_BFJ2) is np.ndarray


def test_other_processes_get_the_place_and_not_the_arrays(folder: Path, tmp_path: Path) -> None:
    windows = load(config(folder), 9, tmp_path).train
    sent = pickle.dumps(windows.footage)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).x3d_NJ3, windows.footage.x3d_NJ3)


SEVERAL = """
import sys
from pathlib import Path
from ablate.data import load
from ablate.data.config import DataConfig
print(load(DataConfig(name="h36m", path=sys.argv[1]), 9, Path(sys.argv[2])).digest)
"""


def test_several_processes_at_once(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SEVERAL, str(folder), str(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(said) == 1
    assert len(caches(tmp_path)) == 1


KILLED = """
import os, sys
from pathlib import Path
from ablate.data import cache, load
from ablate.data.config import DataConfig
def end(*_):
    os._exit(9)
cache.digest = end
load(DataConfig(name="h36m", path=sys.argv[1]), 9, Path(sys.argv[2]))
"""


def test_what_a_killed_process_left_is_cleared_away(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(folder), str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    (half,) = caches(tmp_path)
    assert half.name.endswith(HALF)
    (tmp_path / "cache" / f"0123456789abcdef{HALF}").mkdir()
    assert len(load(config(folder), 9, tmp_path).train)
    (place,) = caches(tmp_path)
    assert not place.name.endswith(HALF)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    clip = recording("Walking 1", "Walking", 2000)
    source = Source(
        splits=dict.fromkeys(("train", "validation", "test"), (clip,)),
        info={},
        kept=Kept(files=(tmp_path / "file",), settings=(), version=1),
    )
    place = tmp_path / "disk"
    with mounted(place, "size=1m"):
        with pytest.raises(StorageError) as caught:
            kept(DataConfig(), source, place / "cache")
        assert os.strerror(errno.ENOSPC) in str(caught.value)
        assert "another --home" in str(caught.value)
        assert caches(place) == []


def test_a_home_that_can_not_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.raises(StorageError, match="can't be written"):
        load(config(folder), 9, tmp_path)


def test_data_that_fail_half_way_leave_nothing(tmp_path: Path) -> None:
    def clips() -> Iterator[Any]:
        yield recording("Walking 1", "Walking", 12)
        raise DataError("file: the second clip is damaged")

    class Broken:
        def __iter__(self) -> Iterator[Any]:
            return clips()

        def __len__(self) -> int:
            return 2

    (tmp_path / "file").write_bytes(b"x")
    source = Source(splits={"train": Broken()}, info={}, kept=Kept(files=(tmp_path / "file",), settings=(), version=1))
    with pytest.raises(DataError, match="second clip"):
        kept(DataConfig(), source, tmp_path / "cache")
    assert caches(tmp_path) == []


@pytest.mark.parametrize("name", [LIST, "train.x3d.npy", "test.valid.npy"])
@pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda content: b"", lambda content: b"{}", None])
def test_a_damaged_cache_says_so(
    name: str, damage: Callable[[bytes], bytes] | None, folder: Path, tmp_path: Path
) -> None:
    load(config(folder), 9, tmp_path)
    (place,) = caches(tmp_path)
    if damage is None:
        (place / name).unlink()
    else:
        (place / name).write_bytes(damage((place / name).read_bytes()))
    with pytest.raises(DataError, match="this cache is damaged") as caught:
        load(config(folder), 9, tmp_path)
    assert f"{place}: " in str(caught.value)
    assert "delete the folder, and it is made again" in str(caught.value)
    shutil.rmtree(place)
    assert len(load(config(folder), 9, tmp_path).train)


def test_arrays_of_another_length_are_damage(folder: Path, tmp_path: Path) -> None:
    load(config(folder), 9, tmp_path)
    (place,) = caches(tmp_path)
    np.save(place / "train.x2d.npy", np.zeros((5, 17, 2), np.float32))
    with pytest.raises(DataError, match="its arrays and its views disagree"):
        opened(place, "train")


def test_a_cache_is_stale_when_its_files_are_gone_or_others(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    load(config(copy), 9, tmp_path)
    load(config(copy, input="gt"), 9, tmp_path)
    assert list(stale(tmp_path / "cache")) == []
    (copy / SEEN["gt"]).unlink()
    ((_, why),) = stale(tmp_path / "cache")
    assert f"{copy / SEEN['gt']}, which it was made from, is gone" == why
    h36m(copy, frames=21)
    assert len(list(stale(tmp_path / "cache"))) == 2
    assert all("has changed" in why for _, why in stale(tmp_path / "cache"))
    assert list(stale(tmp_path / "elsewhere")) == []
    for place in caches(tmp_path):
        (place / LIST).write_text("{")
    assert {why for _, why in stale(tmp_path / "cache")} == {"it is damaged"}


def test_windows_are_cut_alike_from_memory_and_from_the_cache(folder: Path, tmp_path: Path) -> None:
    given = config(folder)
    windows = load(given, 9, tmp_path).test
    fresh = cut(joined([v for clip in read(given, tmp_path).splits["test"] for v in film(clip, given)]), 9)
    for one, other in ((windows, fresh), (windows.training(1, 2), fresh.training(1, 2))):
        chosen = np.arange(len(one))
        for a, b in zip(one.batch(chosen), other.batch(chosen), strict=True):
            np.testing.assert_array_equal(a, b)
