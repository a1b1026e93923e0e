"""What was measured, how and where: the facts that stand beside every number, read from the records."""

from collections.abc import Sequence

from ablate.records import Record
from ablate.report.names import listed
from ablate.report.results import distinct
from ablate.sections import told

UNKNOWN = "not recorded"

PROTOCOLS = (
    "exact counts every frame once, and every frame weighs the same. reference counts as the field's programs do: the"
    " last window of a recording is moved back to end with it and counted whole, so some frames count twice, and the"
    " overall value is the plain mean of the actions' means. Numbers of papers are of this kind."
)


def fact(records: Sequence[Record], path: str) -> str:
    """The distinct values at a dotted path, as text."""
    return listed(distinct(records, path)) or UNKNOWN


def measured(records: Sequence[Record], field: str) -> str:
    """The distinct values of a field of the test errors, as text."""
    values = {getattr(m, field) for record in records for m in record.metrics if m.split == "test"}
    return listed(sorted(values)) or UNKNOWN


def data(records: Sequence[Record]) -> str:
    """What was evaluated on; of 3dhp with the ground truth that its files hold, of which there are two; and whether
    nobody was held out of training."""
    truths = distinct(records, "config.data.annotations")
    mixed = ": two ground truths, whose errors can't be compared" if len(truths) > 1 else ""
    seen = sum(record.config["data"].get("hold_out") is False for record in records)
    some = "" if seen == len(records) else f"in {seen} of {len(records)} records "
    notes = [f" ({listed(truths)}{mixed})"] if truths else []
    notes += [f", {some}trained on the validation subjects as well"] if seen else []
    return fact(records, "config.data.name") + "".join(notes)


def flip(records: Sequence[Record]) -> str:
    states = distinct(records, "config.evaluate.flip")
    said = ("in the last step" if state == "last" else "on" if state else "off" for state in states)
    return " and ".join(said) or UNKNOWN


def departures(records: Sequence[Record]) -> str:
    """What noise is drawn and in what precision poses are lifted, in how many records; "" where all is usual."""
    said = []
    for name, meaning in (("draws", "noise drawn:"), ("precision", "lifted in")):
        found = distinct(records, f"config.evaluate.{name}")
        having = sum(record.config["evaluate"].get(name) is not None for record in records)
        where = "" if having == len(records) else f" (in {having} of {len(records)} records)"
        said += [f"{meaning} {listed(found)}{where}; "] if found else []
    return "".join(said)


def branches(records: Sequence[Record]) -> str:
    """How hypotheses branch and in how many records; "" where they don't."""
    found = distinct(records, "config.evaluate.branch")
    having = sum(record.config["evaluate"].get("branch") is not None for record in records)
    where = "" if having == len(records) else f" (in {having} of {len(records)} records)"
    return f"hypotheses branch: {' or '.join(map(told, found))}{where}; " if found else ""


def seeds(records: Sequence[Record]) -> str:
    return listed(sorted({record.seed for record in records}))


def commit(records: Sequence[Record]) -> str:
    """The commits that the records were made at, each said to be dirty where uncommitted changes ran."""
    states = {
        (str(record.provenance.get("commit") or UNKNOWN)[:12], bool(record.provenance.get("dirty")))
        for record in records
    }
    return ", ".join(f"{name} with uncommitted changes" if dirty else name for name, dirty in sorted(states))


def weights(records: Sequence[Record]) -> str:
    """Which configurations were trained by themselves, and which share elastic weights; and how many trainings."""
    said = []
    meanings = {
        "each": "trained by itself",
        "elastic": "one training serves all ratios",
        "dense": "trained without pruning, pruned at test",
    }
    for mode, meaning in meanings.items():
        of_mode = [record for record in records if record.config["train"]["mode"] == mode]
        if of_mode:
            groups = listed(sorted({record.group for record in of_mode}))
            keys = len({record.training_key for record in of_mode})
            said.append(f"{groups}: {mode} ({meaning}; trainings: {keys}, records: {len(of_mode)})")
    return "; ".join(said)


def beside(records: Sequence[Record]) -> str:
    """What is to be known of latencies that were measured while other workers used the machine; "" where none was."""
    workers = max((int(record.provenance.get("workers", 1)) for record in records), default=1)
    if workers == 1:
        return ""
    return f"Latencies were measured beside up to {workers - 1} other workers of a machine: compare ratios, not times."


def summary(records: Sequence[Record], split: str = "test") -> str:
    """One line of facts for under a table."""
    return (
        f"Protocol {listed(sorted({record.protocol for record in records}))}; {split} split of {data(records)}; "
        f"input {measured(records, 'input')}; F = {fact(records, 'config.model.frames')} frames; "
        f"H = {measured(records, 'hypotheses')}; K = {measured(records, 'steps')}; {branches(records)}"
        f"flip averaging {flip(records)}; {departures(records)}seeds {seeds(records)}; "
        f"{fact(records, 'provenance.device')}, {fact(records, 'provenance.dtype')}; commit {commit(records)}."
    )
