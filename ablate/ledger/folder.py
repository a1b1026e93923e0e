"""A ledger in the home folder, for any number of processes on one machine.

A unit's file holds its events, one JSON a line; who has locked the file holds the unit. The kernel frees the lock of a
process that dies, however it dies, and no clock is involved.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ablate.errors import StorageError
from ablate.ledger import Attempt, Event, attempts, now
from ablate.ledger.held import Held
from ablate.records import Record, load, save
from ablate.writing import alone


class FolderLedger:
    """See ablate.ledger.Ledger. Records lie under ``home/records/<study>``, events under ``home/ledger/<study>``."""

    def __init__(self, home: Path, study: str) -> None:
        self.records = home / "records" / study
        self._events = home / "ledger" / study

    def names(self) -> set[str]:
        try:
            with os.scandir(self.records) as files:
                return {file.name.removesuffix(".json") for file in files if file.name.endswith(".json")}
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise _unreadable(self.records, error) from error

    def has(self, name: str) -> bool:
        path = self.records / f"{name}.json"
        try:
            path.stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unreadable(path, error) from error
        return True

    def load(self, names: Iterable[str]) -> Iterator[Record]:
        for name in names:
            yield load(self.records / f"{name}.json")

    def add(self, record: Record) -> bool:
        try:
            self.records.mkdir(parents=True, exist_ok=True)
            self._events.mkdir(parents=True, exist_ok=True)
            with alone(self._events):
                if self.has(record.name):
                    return False
                save(self.records, record)
        except OSError as error:
            raise _unwritable(self.records, error) from error
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
            if _try_lock(path, descriptor, fcntl.LOCK_EX):
                return FolderClaim(path, descriptor, attempts(_read(path)))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

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


class FolderClaim(Held):
    """See ablate.ledger.Claim."""

    def __init__(self, path: Path, descriptor: int, history: Sequence[Attempt]) -> None:
        super().__init__(history)
        self._path = path
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # which frees the lock

    def _tell(self, event: Event, *, brief: bool = False) -> None:
        line = _line({"at": now(), **event})
        assert self._descriptor is not None, "the claim was left before"
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _line(event: Event) -> bytes:
    """One event, on a line of its own even after one that was cut off."""
    return b"\n" + json.dumps(event).encode()


def _read(path: Path) -> Iterator[Event]:
    """The events of a file, but for lines that a full disk or a power failure cut off or took."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(path, error) from error
    begun = False
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        begun = begun or event["event"] == "start"
        if begun:  # what follows a lost beginning tells of no attempt
            yield event


def _locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False  # nobody ever began it
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return not _try_lock(path, descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try_lock(path: Path, descriptor: int, kind: int) -> bool:
    """Lock an open file; False while another has locked it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        text = f"{path}: this file system knows no locks ({error.strerror}); put --home on a local disk"
        raise StorageError(text) from error
    return True


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: can't be read ({error.strerror}); make it readable, or name another --home")


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: can't be written ({error.strerror}); free it, or name another --home")
