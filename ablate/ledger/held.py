"""What every claim is, wherever its lock and its events lie."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ablate.attempts import Attempt, Event, Outcome
from ablate.errors import StorageError
from ablate.provenance import worker_name


class Held(ABC):
    """See ablate.ledger.Claim."""

    def __init__(self, history: Sequence[Attempt]) -> None:
        self.history = history
        self._begun = False

    def begin(self) -> None:
        self._tell({"event": "start", "worker": worker_name()})
        self._begun = True

    def progress(self, done: int, total: int, note: str = "") -> None:
        self._tell({"event": "progress", "done": done, "total": total, "note": note})

    def end(self, outcome: Outcome, reason: str = "") -> None:
        self._begun = False
        self._tell({"event": "end", "outcome": outcome, "reason": reason})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._begun:
                self._begun = False
                event = {"event": "end", "outcome": "interrupted", "reason": repr(error) if error else ""}
                self._tell(event, brief=True)
        except StorageError:
            if error is None:  # else it goes on upwards, and the attempt reads as one whose worker died
                raise
        finally:
            self.release()

    @abstractmethod
    def release(self) -> None:
        """Let go of the unit; nothing happens the second time."""

    @abstractmethod
    def _tell(self, event: Event, *, brief: bool = False) -> None:
        """Write an event down, with the time; ``brief`` where nobody is to wait for it long. Raises StorageError."""
