"""What a store may drop: nothing that a later run could still use."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from ablate.plan import expand, trials
from ablate.store import Item, Store
from ablate.study import Study

ABANDONED = timedelta(days=1)  # a temporary file older than this belongs to no living writer


def droppable(store: Store, keep: Sequence[Study] | None) -> list[tuple[Item, str]]:
    """Files and why each may go. With ``keep``, also weights and checkpoints that no trial of these studies uses."""
    items = store.items()
    stored = {item.key for item in items if item.kind == "weights"}
    used = None if keep is None else {key for study in keep for key in _keys(study)}
    found = []
    for item in items:
        reason = _reason(item, stored, used)
        if reason:
            found.append((item, reason))
    return found


def _keys(study: Study) -> Iterable[str]:
    return (trial.cell.training_key(trial.seed) for trial in trials(study, expand(study)))


def _reason(item: Item, stored: set[str | None], used: set[str] | None) -> str:
    if item.key is None:
        old = item.modified is not None and datetime.now(UTC) - item.modified.astimezone(UTC) > ABANDONED
        return "left by a process that was killed" if old else ""
    if item.kind == "checkpoints" and item.key in stored:
        return "its training is finished"
    if used is not None and item.key not in used:
        return "no trial of the studies to keep uses it"
    return ""
