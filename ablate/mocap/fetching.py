"""CMU's files of the dataset ``cmu``, from its own site, politely: one after another, with a pause, and each once."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablate import __version__
from ablate.data import Bar
from ablate.data.cmu import fetched
from ablate.data.layout import outline
from ablate.errors import DataError, InputError, StorageError
from ablate.mocap.clips import Clip, clips
from ablate.mocap.importing import import_motion
from ablate.mocap.reading import CMU_TEXTS
from ablate.mocap.request import Request
from ablate.nearest import nearest
from ablate.writing import write_atomically

URL = "http://mocap.cs.cmu.edu/subjects"
PAUSE = 0.5  # seconds between two files
TIMEOUT = 60  # seconds without an answer
CHECKSUMS = "checksums.json"
AGAIN = "what was fetched stays; the same command goes on from there"


def fetch(home: Path, subjects: Sequence[str], url: str, pause: float, bar: Bar) -> dict[str, Any]:
    """Fetch the clips of these subjects (none: of all) that aren't here yet, and make the set of all that are here.

    Files lie under ``home``/data/cmu as at their source, beside the sha256 of each as it was first fetched: a file that
    no longer has it is fetched again, and refused where the source has another one by now. Raises InputError, DataError
    for a source that can't be reached or has changed, StorageError for a full disk; whole files stay, no part of one.
    """
    folder, out = home / "data" / "cmu", fetched(home)
    if out.is_file() and not folder.is_dir():
        raise InputError(f"{out}: is there already and was not fetched; move it away, or use it as it is")
    wanted = list(dict.fromkeys(name for clip in _of(subjects) for name in clip.files))
    sums = _checksums(folder)
    missing = [name for name in wanted if not _sound(folder / name, sums.get(name))]
    with bar(f"fetching from {url}", len(missing)) as done:
        for i, name in enumerate(missing):
            if i:
                time.sleep(pause)
            _download(f"{url.rstrip('/')}/{name}", folder / name, sums.get(name))
            done(1)
            sums = _recorded(folder, sums, [name])
    _recorded(folder, sums, wanted)
    here = [clip for clip in clips().values() if all((folder / name).is_file() for name in clip.files)]
    report: dict[str, Any] = {
        "fetched": len(missing),
        "there": len(wanted) - len(missing),
        "file": str(out),
        **CMU_TEXTS,
    }
    if out.is_file() and not missing and _holds(out, here):
        return report
    request = Request(kind="amc", out=out, force=True)
    return {**report, **import_motion(request, [folder / clip.files[1] for clip in here], bar)}


def _of(subjects: Sequence[str]) -> list[Clip]:
    """The clips of these subjects, who may be called 2, 02 or S02. Raises InputError for one who isn't there."""
    found = list(clips().values())
    numbers = {clip.subject.lstrip("S").lstrip("0"): clip.subject for clip in found}
    chosen = set()
    for subject in subjects:
        number = subject.upper().lstrip("S").lstrip("0")
        if number not in numbers:
            there = f"the dataset has {', '.join(numbers.values())}{nearest(subject, numbers.values())}"
            raise InputError(f"--subjects {subject}: {there}; others are imported with `ablate data import amc`")
        chosen.add(numbers[number])
    return [clip for clip in found if not chosen or clip.subject in chosen]


def _checksums(folder: Path) -> dict[str, str]:
    """sha256 by file. Raises DataError for a list that can't be read."""
    path = folder / CHECKSUMS
    try:
        sums = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: can't be read ({error}); remove it, and the files beside it are taken as right"
        ) from error
    if not isinstance(sums, dict) or not all(isinstance(text, str) for text in sums.values()):
        raise DataError(f"{path}: is no list of checksums; remove it, and the files beside it are taken as right")
    return sums


def _sound(path: Path, known: str | None) -> bool:
    """Whether the file is here as it was fetched, or was put here by somebody."""
    import pooch

    return path.is_file() and known in (None, pooch.file_hash(str(path)))


def _recorded(folder: Path, sums: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    """``sums`` with those of ``names``, on the disk too."""
    import pooch

    more = {name: pooch.file_hash(str(folder / name)) for name in names if name not in sums}
    if more:
        sums = dict(sorted({**sums, **more}.items()))
        write_atomically(folder / CHECKSUMS, json.dumps(sums, indent=1).encode())
    return sums


def _download(url: str, path: Path, known: str | None) -> None:
    """One file, whole or not at all. Raises DataError and StorageError."""
    import pooch
    from requests import HTTPError, RequestException

    pooch.get_logger().setLevel("ERROR")
    agent = f"pose-ablate/{__version__} (ablate data fetch; one file at a time)"
    # Not as a stream: these files are small, and so no connection is left open by one that fails.
    download = pooch.HTTPDownloader(headers={"User-Agent": agent}, timeout=TIMEOUT, stream=False)
    expected = None if known is None else f"sha256:{known}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(url, known_hash=expected, fname=path.name, path=path.parent, downloader=download)
    except HTTPError as error:
        raise DataError(f"{url}: the server refuses it ({_reason(error)}); is --url right? {AGAIN}") from error
    except RequestException as error:
        raise DataError(f"{url}: the connection failed ({_reason(error)}); {AGAIN}") from error
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error.strerror}); free it; {AGAIN}") from error
    except ValueError as error:
        raise DataError(
            f"{url}: is not what it was when it was first fetched (its sha256 differs); if the change is right, remove "
            f"{path.name} from {path.parent.parent / CHECKSUMS} and from its folder"
        ) from error


def _reason(error: BaseException) -> str:
    """What lies at the bottom of an error of the network, in a line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__


def _holds(out: Path, here: Sequence[Clip]) -> bool:
    """Whether the set is of just these clips."""
    try:
        return outline(out).frames.keys() == {f"{clip.subject}/{clip.name}" for clip in here}
    except DataError:
        return False
