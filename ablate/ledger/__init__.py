"""What the workers of one study share: its records, who holds which unit of work, and how every attempt at it went.

A unit is a training or a job (see plan.py). Holding one is a lock that dies with its holder, so that nothing has to be
repaired after a worker was killed: a history that begins without an end, and that nobody holds, belongs to a dead one.
Records are unique by name, whoever adds them. ``folder`` keeps all this in files, for one machine; ``postgres`` in a
database, for several.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol

from ablate.attempts import TRIES, Attempt, Event, Outcome, attempts, now, refusal
from ablate.records import Record
from ablate.workspace import Workspace

__all__ = [
    "TRIES",
    "Attempt",
    "Claim",
    "Event",
    "Ledger",
    "Outcome",
    "attempts",
    "now",
    "open_ledger",
    "refusal",
]


class Claim(Protocol):
    """A held unit, free again once the ``with`` block is left. ``history`` are the attempts at it so far. An attempt
    that began and did not end by then counts as interrupted."""

    @property
    def history(self) -> Sequence[Attempt]: ...

    def begin(self) -> None:
        """Write down that an attempt begins."""
        ...

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell how far this attempt is, and what is known of it."""
        ...

    def end(self, outcome: Outcome, reason: str = "") -> None:
        """Write down how it went."""
        ...

    def __enter__(self) -> "Claim": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Ledger(Protocol):
    """See the module's text. Every method raises StorageError where the files or the server can't be reached."""

    def names(self) -> set[str]:
        """The names of all records."""
        ...

    def has(self, name: str) -> bool:
        """Whether this record is there."""
        ...

    def load(self, names: Iterable[str]) -> Iterator[Record]:
        """These records, in this order; their arrays are read when they are asked for."""
        ...

    def add(self, record: Record) -> bool:
        """Keep a record; False where one of its name was there already, which then stays as it is."""
        ...

    def send(self) -> int:
        """Where records are shared: add those that wait in the home folder; returns how many were."""
        ...

    def claim(self, unit: str) -> Claim | None:
        """Hold ``unit``; None while another holds it."""
        ...

    def histories(self, units: Iterable[str]) -> dict[str, list[Attempt]]:
        """The attempts at these units, oldest first; units without any are left out."""
        ...

    def held(self, units: Iterable[str]) -> set[str]:
        """Which of these units somebody holds now."""
        ...

    def forgive(self, units: Iterable[str]) -> None:
        """Let these units be tried again; their history stays."""
        ...


def open_ledger(workspace: Workspace, study: str) -> Ledger:
    """The ledger of a study: in the workspace's database where it names one, else in its home folder.

    Raises StorageError.
    """
    from ablate.ledger.folder import FolderLedger

    folder = FolderLedger(workspace.home, study)
    if workspace.storage is None:
        return folder
    from ablate.ledger.postgres import PostgresLedger

    return PostgresLedger(workspace.storage, study, folder)
