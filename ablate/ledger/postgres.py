"""A ledger in PostgreSQL, for workers on any number of machines.

Who holds the advisory lock of a unit holds the unit. The server frees the locks of a session that ends, however it
ends, and after two minutes those of a machine that vanished. Times are the server's. A worker needs up to four
connections (of which one is Optuna's), directly to the server: a pool in between would hand its session to others.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ARRAY, Connection, Executable, Row, Text, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, OperationalError

from ablate.errors import StorageError
from ablate.ledger import Attempt, Event, attempts
from ablate.ledger.folder import FolderLedger
from ablate.ledger.held import Held
from ablate.ledger.tables import EVENT, RECORD, key
from ablate.records import Record, decode, encode
from ablate.storage import Storage

T = TypeVar("T")

_PAGE = 500  # records a query: tens of megabytes
_BRIEF_S = 2.0  # for what may go untold
_LOCK = "((classid::bigint << 32) | objid::bigint)"
_LOCKS = """pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_HELD = text(f"SELECT {_LOCK} FROM {_LOCKS}")
_PID = func.pg_backend_pid()
_END = text(f"SELECT pg_terminate_backend(pid, 5000) FROM {_LOCKS} AND {_LOCK} = :key AND pid = :pid")


class Session(NamedTuple):
    """A connection that holds a lock, and its number on the server."""

    connection: Connection
    pid: int


class PostgresLedger:
    """See ablate.ledger.Ledger. While the server can't be reached, every call tries again for ``patience_s`` seconds
    before it raises StorageError. The tables are made by ablate.ledger.tables.prepare."""

    def __init__(self, storage: str, study: str, folder: FolderLedger, patience_s: float = 60.0) -> None:
        self._storage = Storage.parse(storage)
        self._engine = self._storage.engine()
        self._study = study
        self._folder = folder
        self._patience_s = patience_s

    def names(self) -> set[str]:
        return {row.name for row in self._rows(select(RECORD.c.name).where(RECORD.c.study == self._study))}

    def has(self, name: str) -> bool:
        return bool(self._rows(select(RECORD.c.name).where(RECORD.c.study == self._study, RECORD.c.name == name)))

    def load(self, names: Iterable[str]) -> Iterator[Record]:
        wanted = list(names)
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            among = RECORD.c.name == any_(literal(page, ARRAY(Text)))
            statement = select(RECORD.c.name, RECORD.c.content).where(RECORD.c.study == self._study, among)
            found = {row.name: row.content for row in self._rows(statement)}
            for name in page:
                where = f"{self._storage}, study {self._study}, record {name}"
                if name not in found:
                    raise StorageError(f"{where}: is not there")
                yield decode(found[name], partial(self._arrays, name), where)

    def add(self, record: Record) -> bool:
        """See ablate.ledger.Ledger. The record is kept in the home folder first, and waits there when StorageError is
        raised since the database can't be reached; ``send`` brings it over. Where the folder has one already, that is
        brought over instead: True then says that this call did it, not that the record was its own."""
        if not self._folder.add(record):
            (record,) = self._folder.load([record.name])
        try:
            return self._insert(record)
        except StorageError as error:
            text = f"{error}\nthe record {record.name} waits in {self._folder.records}; ablate sync sends it"
            raise StorageError(text) from error

    def send(self, folder: FolderLedger | None = None) -> int:
        """Add what ``folder`` (by default this study's in the home folder) has and the database has not.

        How many records that were. Raises StorageError where a record is damaged or the server can't be reached; what
        was sent by then stays.
        """
        folder = folder or self._folder
        return sum(map(self._insert, folder.load(sorted(folder.names() - self.names()))))

    def claim(self, unit: str) -> "PostgresClaim | None":
        session = self.patiently(partial(self.lock, unit))
        if session is None:
            return None
        claim = PostgresClaim(self, unit, session)
        try:
            claim.history = self.histories([unit]).get(unit, [])
        except BaseException:
            claim.release()
            raise
        return claim

    def histories(self, units: Iterable[str]) -> dict[str, list[Attempt]]:
        among = EVENT.c.unit == any_(literal(list(units), ARRAY(Text)))
        columns = select(EVENT.c.unit, EVENT.c.at, EVENT.c.content)
        events: dict[str, list[Event]] = defaultdict(list)
        for row in self._rows(columns.where(EVENT.c.study == self._study, among).order_by(EVENT.c.id)):
            events[row.unit].append({"at": row.at.astimezone(UTC).isoformat(timespec="seconds"), **row.content})
        return {unit: history for unit, told in events.items() if (history := attempts(told))}

    def held(self, units: Iterable[str]) -> set[str]:
        found = {lock for (lock,) in self._rows(_HELD)}
        return {unit for unit in units if self.key(unit) in found}

    def forgive(self, units: Iterable[str]) -> None:
        events = [self.event(unit, {"event": "forgive"}) for unit in units]
        if events:
            self._rows(insert(EVENT).values(events).returning(EVENT.c.id))

    def key(self, unit: str) -> int:
        """What the lock of ``unit`` is taken on."""
        return key(f"{self._study}/{unit}")

    def event(self, unit: str, content: Event) -> dict[str, Any]:
        """A row for EVENT; the server adds the time."""
        return {"study": self._study, "unit": unit, "content": content}

    def lock(self, unit: str, lost: int | None = None) -> "Session | None":
        """Hold ``unit`` from now on; None while another session does. Raises SQLAlchemy's errors.

        ``lost`` is our own session that did: where only we have noticed so far that it is gone, the server ends it.
        """
        connection = self._engine.connect()
        try:
            if lost is not None:
                connection.execute(_END, {"key": self.key(unit), "pid": lost})
            granted, pid = connection.execute(select(func.pg_try_advisory_lock(self.key(unit)), _PID)).one()
        except BaseException:
            connection.invalidate()  # whatever it holds, it ends here
            connection.close()
            raise
        if granted:
            return Session(connection, pid)
        connection.close()
        return None

    def patiently(self, action: Callable[[], T], patience_s: float | None = None) -> T:
        """Do ``action``, again with growing pauses while the server can't be reached. Raises StorageError."""
        end = time.monotonic() + (self._patience_s if patience_s is None else patience_s)
        pause = 0.1
        while True:
            try:
                return action()
            except DBAPIError as error:
                left = end - time.monotonic()
                if left <= 0 or not isinstance(error, OperationalError):
                    raise self._storage.failure(error) from error
            time.sleep(min(pause, left))
            pause = min(2 * pause, 10.0)

    def _insert(self, record: Record) -> bool:
        content, arrays = encode(record)
        row = {"study": self._study, "name": record.name, "content": content.decode(), "arrays": arrays}
        return bool(self._rows(insert(RECORD).values(row).on_conflict_do_nothing().returning(RECORD.c.name)))

    def _arrays(self, name: str) -> bytes:
        columns = select(RECORD.c.arrays).where(RECORD.c.study == self._study, RECORD.c.name == name)
        ((arrays,),) = self._rows(columns)
        return bytes(arrays)

    def _rows(self, statement: Executable) -> Sequence[Row[Any]]:
        def read() -> Sequence[Row[Any]]:
            with self._engine.connect() as connection:
                return connection.execute(statement).all()

        return self.patiently(read)


class PostgresClaim(Held):
    """See ablate.ledger.Claim.

    Where its session was lost (the server began anew, the network broke), the unit is locked again before the next
    event. Had another worker taken it meanwhile, its history is the other's from then on and this claim writes no more;
    its worker goes on, and of the two results the ledger keeps the first. Progress that can't be told is left out:
    training goes on without the server.
    """

    def __init__(self, ledger: PostgresLedger, unit: str, session: Session) -> None:
        super().__init__([])
        self._ledger = ledger
        self._unit = unit
        self._session: Session | None = session

    def progress(self, done: int, total: int, note: str = "") -> None:
        with suppress(StorageError):
            self._tell({"event": "progress", "done": done, "total": total, "note": note}, brief=True)

    def release(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        connection = session.connection
        try:
            if not connection.invalidated:
                connection.execute(select(func.pg_advisory_unlock(self._ledger.key(self._unit))))
        except BaseException as error:
            connection.invalidate()  # the server frees what an ended session held
            if not isinstance(error, DBAPIError):
                raise
        finally:
            connection.close()

    def _tell(self, event: Event, *, brief: bool = False) -> None:
        self._ledger.patiently(partial(self._write, event), _BRIEF_S if brief else None)

    def _write(self, event: Event) -> None:
        if self._session is not None and self._session.connection.invalidated:
            again = self._ledger.lock(self._unit, self._session.pid)
            self._session.connection.close()
            self._session = again
        if self._session is not None:
            self._session.connection.execute(insert(EVENT), self._ledger.event(self._unit, event))
