"""Footage of datasets that take long to read: made once, kept as plain arrays, and mapped from there by every process.

A cache is a folder under ``<home>/cache/``, named by a hash of what it was made from (the content of the dataset's
files, the settings that matter, the versions of reader and cache). It holds four arrays of each split, as long as all
its views together, and ``views.json``, which tells the views. It appears whole or not at all, under a lock that dies
with its holder, so whatever is half-written under that lock was left by the dead. Pages that are mapped are shared
between processes, and only those that a window touches are ever read.

Legend: T frames of a view, N frames of all views of a split, J joints.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ablate.canonical import canonical_json
from ablate.data import Bar
from ablate.data.config import DataConfig
from ablate.data.film import digest, film
from ablate.data.recording import Camera, Kept, Recording, Source
from ablate.data.skeleton import NAMES
from ablate.data.windows import Footage, View
from ablate.errors import DataError, StorageError
from ablate.writing import alone, write_atomically

VERSION = 1  # of what a cache holds; raised, every cache is made again
LIST = "views.json"
HASHES = "hashes"  # the folder that remembers the content of files, by path, size and time of change
HALF = ".half"  # ends the name of a cache that is being made
MEGABYTE = 1 << 20
LONG: Mapping[str, tuple[type, tuple[int, ...]]] = {
    "x2d_NJ2": (np.float32, (len(NAMES), 2)),
    "x3d_NJ3": (np.float32, (len(NAMES), 3)),
    "root_N3": (np.float32, (3,)),
    "valid_N": (np.bool_, ()),
}


class Origin(NamedTuple):
    """A file that a cache is made from: its path, size, time of change, and the sha256 of its content."""

    path: str
    size: int
    changed: int
    sha256: str


def kept(config: DataConfig, source: Source, folder: Path, bar: Bar | None = None) -> tuple[dict[str, Footage], str]:
    """The footage of each split, mapped, and its digest; made first where ``folder`` hasn't it, which ``bar`` shows.

    Raises DataError for what is wrong with the data, or where a cache was damaged, and StorageError where it can't be
    written: then nothing of it stays.
    """
    assert source.kept is not None
    show = bar or _unseen
    folder = folder.absolute()  # other processes may stand elsewhere
    try:
        folder.mkdir(parents=True, exist_ok=True)
        origins = [_origin(path, folder / HASHES, show) for path in source.kept.files]
        place = folder / _key(config, source.kept, origins)
        if not place.is_dir():
            with alone(folder):
                if not place.is_dir():  # another process may have been first
                    _make(config, source, place, origins, show)
    except OSError as error:
        text = f"{folder}: the cache of {config.name} can't be written ({error.strerror or error})"
        raise StorageError(f"{text}; free or mend it, or name another --home") from error
    told = _told(place)
    return {split: opened(place, split) for split in told["views"]}, told["digest"]


def opened(place: Path, split: str) -> Footage:
    """The footage of a split, its arrays mapped from the cache at ``place``. Raises DataError where it is damaged."""
    try:
        return _mapped(place, split, _told(place)["views"][split])
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged(place, error) from error


def _mapped(place: Path, split: str, views: Sequence[Mapping[str, Any]]) -> Footage:
    files = {name: place / _array(split, name) for name in LONG}
    long = {name: np.asarray(np.load(file, mmap_mode="r", allow_pickle=False)) for name, file in files.items()}
    end_V = np.cumsum([view["frames"] for view in views])
    if any(array.shape != (end_V[-1], *LONG[name][1]) for name, array in long.items()):
        raise ValueError("its arrays and its views disagree")
    laid = tuple(_view(view, end, long) for view, end in zip(views, end_V, strict=True))
    return Footage(views=laid, made_by=(opened, (place, split)), **long)


def stale(folder: Path) -> Iterator[tuple[Path, str]]:
    """The caches in ``folder`` that will hardly be used again, and why: their files are gone, or are others now."""
    for listed in sorted(folder.glob(f"*/{LIST}")):
        try:
            origins = _told(listed.parent)["files"]
        except DataError:
            yield listed.parent, "it is damaged"
            continue
        for path, size, changed in origins:
            now = _stat(Path(path))
            if now != (size, changed):
                yield listed.parent, f"{path}, which it was made from, {'is gone' if now is None else 'has changed'}"
                break


def halves(folder: Path) -> list[Path]:
    """Caches in ``folder`` that are being made, or whose making was killed."""
    return sorted(folder.glob(f"*{HALF}"))


def _unseen(what: str, total: int | None) -> AbstractContextManager[Callable[[int], object]]:
    return nullcontext(lambda steps: None)


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _origin(path: Path, hashes: Path, bar: Bar) -> Origin:
    """The content's hash is remembered by the path, the size and the time of change."""
    stat, name = _stat(path), str(path.resolve())
    if stat is None:
        raise DataError(f"{path}: is gone; put it back")
    known_as = hashes / hashlib.sha256(canonical_json([name, *stat]).encode()).hexdigest()[:16]
    if known_as.is_file():
        return Origin(name, *stat, known_as.read_text())
    content = hashlib.sha256()
    try:
        with bar(f"{path.name}: looking at its content", stat[0] // MEGABYTE) as advance, path.open("rb") as file:
            while chunk := file.read(MEGABYTE):
                content.update(chunk)
                advance(1)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error}); get the file again") from error
    write_atomically(known_as, content.hexdigest().encode())
    return Origin(name, *stat, content.hexdigest())


def _key(config: DataConfig, kept: Kept, origins: Iterable[Origin]) -> str:
    settings = {name: getattr(config, name) for name in kept.settings}
    content = [VERSION, config.name, kept.version, settings, [origin.sha256 for origin in origins]]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def _make(config: DataConfig, source: Source, place: Path, origins: Iterable[Origin], bar: Bar) -> None:
    """Raises OSError."""
    for left in halves(place.parent):
        shutil.rmtree(left)
    half = place.with_name(place.name + HALF)
    half.mkdir()
    try:
        with bar(f"{config.name}: reading, once", None):
            total = sum(len(clips) for clips in source.splits.values())
        with bar(f"{config.name}: preparing its clips, once", total) as advance:
            views = {split: _write(half, split, clips, config, advance) for split, clips in source.splits.items()}
        with bar(f"{config.name}: looking at what came out, once", None):
            digested = digest(_mapped(half, split, listed) for split, listed in views.items())
        with (half / LIST).open("w") as file:
            json.dump({"files": [origin[:3] for origin in origins], "views": views, "digest": digested}, file)
            file.flush()
            os.fsync(file.fileno())
        half.rename(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _write(
    place: Path, split: str, clips: Iterable[Recording | View], config: DataConfig, advance: Callable[[int], object]
) -> list[dict[str, Any]]:
    """The arrays of a split, one view after the other, so that no more than one clip is held; what tells the views."""
    views: list[dict[str, Any]] = []
    with ExitStack() as stack:
        files = {name: stack.enter_context((place / _array(split, name)).open("wb")) for name in LONG}
        for name, file in files.items():
            file.write(_header(name, 0))
        for clip in clips:
            for view in film(clip, config):
                valid_T = np.ones(len(view), np.bool_) if view.valid_T is None else view.valid_T
                for name, array in zip(LONG, (view.x2d_TJ2, view.x3d_TJ3, view.root_T3, valid_T), strict=True):
                    files[name].write(np.asarray(array, LONG[name][0]).tobytes())
                views.append(_describe(view))
            advance(1)
        for name, file in files.items():
            file.seek(0)
            file.write(_header(name, sum(view["frames"] for view in views)))
            file.flush()
            os.fsync(file.fileno())
    return views


def _header(name: str, frames: int) -> bytes:
    """Of an npy file. numpy leaves room in it for the first axis to grow, so that all lengths have one size."""
    header, (dtype, shape) = io.BytesIO(), LONG[name]
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    content = {"descr": descr, "fortran_order": False, "shape": (frames, *shape)}
    np.lib.format.write_array_header_1_0(header, content)
    return header.getvalue()


def _array(split: str, name: str) -> str:
    return f"{split}.{name.partition('_')[0]}.npy"


def _describe(view: View) -> dict[str, Any]:
    return {
        "recording": view.recording,
        "subject": view.subject,
        "action": view.action,
        "fps": view.fps,
        "camera_index": view.camera_index,
        "camera": asdict(view.camera),
        "frames": len(view),
    }


def _view(told: Mapping[str, Any], end: int, long: Mapping[str, npt.NDArray[Any]]) -> View:
    span = slice(end - told["frames"], end)
    given = {name: value for name, value in told.items() if name not in ("frames", "camera")}
    camera: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in told["camera"].items()}
    return View(
        **given,
        camera=Camera(**camera),
        x2d_TJ2=long["x2d_NJ2"][span],
        x3d_TJ3=long["x3d_NJ3"][span],
        root_T3=long["root_N3"][span],
        valid_T=long["valid_N"][span],
    )


def _told(place: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((place / LIST).read_text())
        if not told.keys() >= {"files", "views", "digest"}:
            raise ValueError(f"{LIST} lacks a part")
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(place, error) from error
    return told


def _damaged(place: Path, error: Exception) -> DataError:
    return DataError(f"{place}: this cache is damaged ({error}); delete the folder, and it is made again")
