"""How every try at a unit of work went, folded from the events that its ledger keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

Outcome = Literal["done", "failed", "out_of_memory", "interrupted", "pruned"]
Event = Mapping[str, Any]

TRIES = 3  # how often a unit is begun that killed its worker, or its memory, each time


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a unit. ``outcome`` is None while it runs and for one whose worker died; ``done`` of ``total`` steps
    (epochs of a training) and ``note`` are what it last told; times are ISO 8601 in UTC. A forgiven attempt no longer
    counts."""

    worker: str
    started: str
    ended: str = ""
    outcome: Outcome | None = None
    reason: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    forgiven: bool = False


def now() -> str:
    """The time of an event. Nothing is decided by it: clocks jump."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def attempts(events: Iterable[Event]) -> list[Attempt]:
    """A unit's events as its attempts."""
    found: list[Attempt] = []
    for event in events:
        kind = event["event"]
        if kind == "start":
            found.append(Attempt(worker=event["worker"], started=event["at"]))
        elif kind == "progress":
            found[-1] = replace(found[-1], done=event["done"], total=event["total"], note=event["note"])
        elif kind == "end":
            found[-1] = replace(found[-1], ended=event["at"], outcome=event["outcome"], reason=event["reason"])
        else:
            found = [replace(attempt, forgiven=True) for attempt in found]
    return found


def refusal(history: Sequence[Attempt], tries: int = TRIES) -> str | None:
    """Why a unit that nobody holds is not tried again; None when it may be.

    A failure (a bug, a divergence) would only repeat itself, and a pruned training is not wanted. What died or ran out
    of memory gets ``tries`` attempts. Interrupts don't count.
    """
    counted = [a for a in history if not a.forgiven and a.outcome not in ("interrupted", "done")]
    for attempt in counted:
        if attempt.outcome in ("failed", "pruned"):
            return attempt.reason
    if len(counted) < tries:
        return None
    last = counted[-1]
    return last.reason or f"its worker died {len(counted)} times, the last was {last.worker}"
