"""What may go of a store, and of MLflow's files, caches and the scheduler's jobs in a home folder: nothing that a later
run could still use."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ablate.data.cache import halves, stale
from ablate.errors import StorageError
from ablate.loading import Study
from ablate.plan import expand, trials
from ablate.store import Item, Store
from ablate.tracking import unknown
from ablate.workspace import Workspace

ABANDONED = timedelta(days=1)  # a temporary file older than this belongs to no living writer
KILLED = "left by a process that was killed"
SILENT = timedelta(days=7)  # a job without a result may still run, or wait for its turn; after this long it was killed


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """What may go, and why; a job's files are one. ``bytes`` of all of it."""

    name: str
    bytes: int
    why: str
    remove: Callable[[], None]


def leftovers(store: Store, home: Path, keep: Sequence[Study] | None) -> list[Leftover]:
    """With ``keep``, also weights and checkpoints that no trial of these studies uses. Raises StorageError, here and
    where one is removed; one that is gone already is no error."""
    found = [*_of_store(store, keep), *_of_records(home / "records"), *_of_caches(home / "cache")]
    return [*found, *_of_artifacts(home), *_of_jobs(home / "submitit")]


def _of_store(store: Store, keep: Sequence[Study] | None) -> Iterator[Leftover]:
    items = store.items()
    stored = {item.key for item in items if item.kind == "weights"}
    used = None if keep is None else {key for study in keep for key in _keys(study)}
    for item in items:
        if why := _reason(item, stored, used):
            name = f"{item.kind}/{item.name}"
            yield Leftover(name=name, bytes=item.bytes, why=why, remove=partial(store.remove, item))


def _keys(study: Study) -> Iterable[str]:
    return (trial.cell.training_key(trial.seed) for trial in trials(study, expand(study)))


def _reason(item: Item, stored: set[str | None], used: set[str] | None) -> str:
    if item.key is None:
        old = item.modified is not None and datetime.now(UTC) - item.modified.astimezone(UTC) > ABANDONED
        return KILLED if old else ""
    if item.kind == "checkpoints" and item.key in stored:
        return "its training is finished"
    if used is not None and item.key not in used:
        return "no trial of the studies to keep uses it"
    return ""


def _of_records(folder: Path) -> Iterator[Leftover]:
    """Records that were never written to their end."""
    for path in sorted(folder.glob("*/.*.part")):
        with _failing(path):
            stat = path.stat()
        if datetime.now(UTC).timestamp() - stat.st_mtime > ABANDONED.total_seconds():
            name = f"records/{path.parent.name}/{path.name}"
            yield Leftover(name=name, bytes=stat.st_size, why=KILLED, remove=partial(_remove, [path]))


def _of_caches(folder: Path) -> Iterator[Leftover]:
    """Footage of benchmarks whose files are gone or are others now, and what was never finished."""
    now = datetime.now(UTC).timestamp()
    left = [(half, KILLED) for half in halves(folder) if now - half.stat().st_mtime > ABANDONED.total_seconds()]
    for place, why in [*stale(folder), *left]:
        with _failing(place):
            size = sum(path.stat().st_size for path in place.iterdir())
        yield Leftover(name=f"cache/{place.name}", bytes=size, why=why, remove=partial(_remove_folder, place))


def _of_artifacts(home: Path) -> Iterator[Leftover]:
    """Reports and models of runs that MLflow knows no longer."""
    for place in unknown(Workspace(home)):
        with _failing(place):
            size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        name, why = str(place.relative_to(home)), "MLflow knows nothing of it any more"
        yield Leftover(name=name, bytes=size, why=why, remove=partial(_remove_folder, place))


def _of_jobs(folder: Path) -> list[Leftover]:
    """Scripts, logs and pickles that submitit keeps of each job, under names that begin with the job's number."""
    jobs: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*")):
        jobs.setdefault(path.name.split("_")[0], []).append(path)
    found = []
    for number, paths in jobs.items():
        with _failing(folder):
            stats = [path.stat() for path in paths]
        silent_s = datetime.now(UTC).timestamp() - max(stat.st_mtime for stat in stats)
        ended = any(path.name.endswith("_result.pkl") for path in paths)
        if ended or silent_s > SILENT.total_seconds():
            why = "its job has ended" if ended else f"its job left no result, and no word for {SILENT.days} days"
            size = sum(stat.st_size for stat in stats)
            name = f"submitit/{number}"
            found.append(Leftover(name=name, bytes=size, why=why, remove=partial(_remove, paths)))
    return found


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with _failing(path):
            path.unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    with _failing(folder):
        if folder.exists():
            shutil.rmtree(folder)


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: can't be cleaned ({error.strerror}); mend its permissions") from error
