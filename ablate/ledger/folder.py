"""A ledger in the home folder, for any number of processes on one machine.

A unit's file holds its events, one JSON a line; who has locked the file holds the unit. The kernel frees the lock of a
process that dies, however it dies, and no clock is involved.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from ablate.errors import StorageError
from ablate.ledger import Attempt, Event, Outcome, attempts, now
from ablate.provenance import worker_name
from ablate.records import Record, load, save


class FolderLedger:
    """See ablate.ledger.Ledger. Records lie under ``home/records/<study>``, events under ``home/ledger/<study>``."""

    def __init__(self, home: Path, study: str) -> None:
        self.records = home / "records" / study
        self._events = home / "ledger" / study

    def names(self) -> set[str]:
        return {path.stem for path in self.records.glob("*.json")}

    def has(self, name: str) -> bool:
        return (self.records / f"{name}.json").exists()

    def load(self, names: Iterable[str]) -> Iterator[Record]:
        for name in names:
            yield load(self.records / f"{name}.json")

    def add(self, record: Record) -> bool:
        if self.has(record.name):
            return False
        save(self.records, record)
        return True

    def send(self) -> int:
        return 0  # they are where they belong

    def claim(self, unit: str) -> "FolderClaim | None":
        path = self._path(unit)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            text = f"{path}: this file system knows no locks ({error.strerror}); put --home on a local disk"
            raise StorageError(text) from error
        return FolderClaim(path, descriptor)

    def histories(self, units: Iterable[str]) -> dict[str, list[Attempt]]:
        found = {unit: attempts(_read(self._path(unit))) for unit in units}
        return {unit: history for unit, history in found.items() if history}

    def held(self, units: Iterable[str]) -> set[str]:
        return {unit for unit in units if _locked(self._path(unit))}

    def forgive(self, units: Iterable[str]) -> None:
        for unit in units:
            try:
                with self._path(unit).open("ab") as file:
                    file.write(_line({"event": "forgive", "at": now()}))
            except OSError as error:
                raise _unwritable(self._path(unit), error) from error

    def _path(self, unit: str) -> Path:
        return self._events / f"{unit}.jsonl"


class FolderClaim:
    """See ablate.ledger.Claim."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._open = False
        self.history: list[Attempt] = attempts(_read(path))

    def begin(self) -> None:
        self._write({"event": "start", "at": now(), "worker": worker_name()})
        self._open = True

    def progress(self, done: int, total: int, note: str = "") -> None:
        self._write({"event": "progress", "at": now(), "done": done, "total": total, "note": note})

    def end(self, outcome: Outcome, reason: str = "") -> None:
        self._open = False
        self._write({"event": "end", "at": now(), "outcome": outcome, "reason": reason})

    def __enter__(self) -> "FolderClaim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._open:
                self.end("interrupted", repr(error) if error else "")
        finally:
            os.close(self._descriptor)  # which frees the lock

    def _write(self, event: Event) -> None:
        line = _line(event)
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _line(event: Event) -> bytes:
    """One event, on a line of its own even after one that was cut off."""
    return b"\n" + json.dumps(event).encode()


def _read(path: Path) -> Iterator[Event]:
    """The events of a file, but for a line that was cut off by a full disk or a power failure."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{path}: can't be read ({error.strerror})") from error
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        yield event


def _locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # nobody ever began it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: can't be written ({error.strerror}); free it, or name another --home")
