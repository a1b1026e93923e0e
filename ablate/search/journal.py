"""Where Optuna keeps a search: a journal file on one machine, a database on several."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from ablate.errors import StorageError
from ablate.storage import Storage


class Journal(JournalFileBackend):
    """Optuna's journal file, written under a lock that dies with its holder.

    Optuna's own lock is a file that a killed process leaves behind, and everyone else waits for it. A line that a full
    disk or a power cut left unfinished is cut off before the next, which it would make unreadable. Lines aren't forced
    to the disk one by one: what is lost with the power is made again from the records.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(_whole(file.fileno()))
            file.seek(0, os.SEEK_END)
            file.write(lines.encode())


def _whole(descriptor: int, block: int = 1 << 16) -> int:
    """How many bytes of a file end in a newline."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - block)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def create_tables(url: str) -> None:
    """Make Optuna's tables in the database at ``url``, and leave no connection open."""
    release(RDBStorage(url))


def release(storage: BaseStorage) -> None:
    """Close its connections, where it has any; it opens others when it is used again."""
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


def optuna_storage(at: Path | str) -> BaseStorage:
    """The storage at a path (a journal) or at a database's URL, whose schema is there. Raises StorageError."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    if isinstance(at, Path):
        try:
            return JournalStorage(Journal(at))
        except OSError as error:
            raise StorageError(f"{at}: can't be opened ({error.strerror})") from error
        except (ValueError, KeyError) as error:
            text = f"{at}: can't be read as a journal ({error}); move it away, it is made again from the records"
            raise StorageError(text) from error
    database = Storage(make_url(at))
    try:
        # A connection that the server has dropped meanwhile is opened again.
        return RDBStorage(at, engine_kwargs={"pool_pre_ping": True})
    except DBAPIError as error:
        raise database.failure(error) from error
    except (SQLAlchemyError, ImportError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(f"{database}: Optuna can't open it ({reason})") from error
