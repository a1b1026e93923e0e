"""What a person sees while a study runs: bars in a terminal, one plain line an event anywhere else."""

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.table import Table

from ablate.records import Record

if TYPE_CHECKING:
    from ablate.outlook import Outlook
    from ablate.reproduce import Reproduction


class Reporter:
    """What is told while a study runs. What a reporter doesn't care about, it leaves as it is here: untold."""

    def begin(self, study: str, planned: int, finished: int) -> None: ...
    def training(self, label: str, done: int, total: int, note: str) -> None: ...
    def trained(self, label: str) -> None: ...
    def finished(self, record: Record) -> None: ...
    def failed(self, name: str, reason: str) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self) -> None: ...

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Callable[[int], object]]:
        """Tell how far something has come that isn't a trial; what is given is called with the steps newly done."""
        yield lambda steps: None


class Silent(Reporter):
    """Says nothing: a worker whose parent, or nobody, looks on. What matters is in the ledger."""


class Plain(Reporter):
    """One line an event on stderr; ``quiet`` keeps only failures and notes."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._done = self._planned = 0
        self._told: dict[str, int] = {}

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Callable[[int], object]]:
        if not self._quiet:
            self._say(what)
        yield lambda steps: None

    def begin(self, study: str, planned: int, finished: int) -> None:
        self._done, self._planned = finished, planned
        if not self._quiet:
            self._say(f"{study}: {planned} trials, {finished} already finished")

    def training(self, label: str, done: int, total: int, note: str) -> None:
        # A tenth of the epochs is enough for a log file.
        tenths = done * 10 // max(1, total)
        if self._quiet or self._told.get(label) == tenths:
            return
        self._told[label] = tenths
        self._say(f"  epoch {done}/{total}: {note}" if note else f"training {label}: {total} epochs")

    def finished(self, record: Record) -> None:
        self._done += 1
        if not self._quiet:
            error = record.value("mpjpe", "validation")
            self._say(f"[{self._done}/{self._planned}] {record.label}, seed {record.seed}: validation {error:.1f} mm")

    def failed(self, name: str, reason: str) -> None:
        self._say(f"FAILED {name}: {reason}")

    def note(self, text: str) -> None:
        self._say(text)


class Bars(Reporter):
    """A bar over the trials and one over the epochs of each training, with the time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, TimeLeft(), TextColumn("{task.fields[note]}"), console=self._console)
        self._trials: TaskID | None = None
        self._trainings: dict[str, TaskID] = {}

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Callable[[int], object]]:
        """Before the trials' bars, or among them; it is gone when it has come to its end."""
        among = self._bars.live.is_started
        self._bars.start()
        task = self._bars.add_task(what, total=total, note="")
        try:
            yield partial(self._bars.advance, task)
        finally:
            self._bars.remove_task(task)
            if not among:
                self._bars.stop()

    def begin(self, study: str, planned: int, finished: int) -> None:
        self._bars.start()
        self._trials = self._bars.add_task(study, total=planned, completed=finished, note="")

    def training(self, label: str, done: int, total: int, note: str) -> None:
        if label not in self._trainings:
            self._trainings[label] = self._bars.add_task(f"  training {label}", total=total, note="")
        self._bars.update(self._trainings[label], completed=done, note=note)

    def trained(self, label: str) -> None:
        if label in self._trainings:
            self._bars.remove_task(self._trainings.pop(label))

    def finished(self, record: Record) -> None:
        assert self._trials is not None
        self._bars.update(self._trials, advance=1, note=f"{record.label}: {record.value('mpjpe', 'validation'):.1f} mm")

    def failed(self, name: str, reason: str) -> None:
        self._console.print(f"[red]failed[/red] {name}: {reason}")

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def end(self) -> None:
        for label in list(self._trainings):
            self.trained(label)
        self._bars.stop()


def reporter(quiet: bool = False) -> Reporter:
    """Bars where a person watches, plain lines elsewhere."""
    return Bars() if sys.stderr.isatty() and not quiet else Plain(quiet)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
    """A table on stdout; numbers stand right, the first column left."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i > 0)
    for row in rows:
        table.add_row(*row)
    # Piped output keeps its full width instead of being cut at 80 columns.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def print_wrapped(first: str, *more: str) -> None:
    """Lines on stdout that break between words, whatever the terminal's width; ``more`` are set in."""
    width = shutil.get_terminal_size().columns
    print(textwrap.fill(first, width, subsequent_indent="    "))
    for text in more:
        print(textwrap.fill(text, width, initial_indent="  ", subsequent_indent="    "))


def print_summary(study: str, records: Sequence[Record]) -> None:
    """One row a configuration: the error on the test split over seeds against the compute of a window."""
    from statistics import fmean, stdev

    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(record.label, []).append(record)
    lines = []
    for label, seeds in rows.items():
        errors = [r.value("mpjpe", "test") for r in seeds]
        spread = f" ± {stdev(errors):.2f}" if len(errors) > 1 else ""
        compute = seeds[0].compute
        latency = fmean(r.compute.get("latency_ms") or float("nan") for r in seeds)
        lines.append(
            (
                label,
                f"{fmean(errors):.2f}{spread}",
                f"{compute['inference_gmacs']:.4g}",
                f"{latency:.1f}",
                str(len(seeds)),
            )
        )
    columns = ("configuration", "test MPJPE mm", "GMACs a window", "latency ms", "seeds")
    print_table(study, columns, lines, "mean over hypotheses, ± standard deviation over seeds")


def print_overview(study: str, found: dict[str, Any]) -> None:
    """How a study stands: the counts, then what is at work, what failed and what was stopped."""
    told = ("done", "running", "waiting", "failed", *(("pruned",) if found["pruned"] else ()))
    counts = ", ".join(f"{found[state]} {state}" for state in told)
    left = found["seconds_left"]
    time = "" if left is None or not (found["running"] or found["waiting"]) else f"; about {duration(left)} left"
    print(f"{study}: {counts} of {found['planned']} trials{time}")
    units: dict[str, list[dict[str, Any]]] = {}
    for row in found["open"]:
        if row["state"] in ("running", "failed", "pruned"):
            units.setdefault(row["unit"], []).append(row)
    for unit, rows in units.items():
        last = rows[0]["attempts"][-1] if rows[0]["attempts"] else {"worker": "", "done": 0, "total": 0, "note": ""}
        more = f" and {len(rows) - 1} more trials" if len(rows) > 1 else ""
        what = "training" if unit.startswith("train-") else "evaluation"
        steps = f", epoch {last['done']}/{last['total']} {last['note']}" if last["total"] else ""
        state = f"by {last['worker']}{steps}" if rows[0]["state"] == "running" else rows[0]["reason"]
        tried = f" (attempt {len(rows[0]['attempts'])})" if len(rows[0]["attempts"]) > 1 else ""
        print(f"{rows[0]['state']}: {what} of {rows[0]['label']}, seed {rows[0]['seed']}{more}{tried}: {state}")


def duration(seconds: float) -> str:
    """A length of time for a person."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.{1 if seconds < 600 else 0}f} min"
    return f"{seconds / 3600:.1f} h"


def print_outlook(found: "Outlook") -> None:
    """What a study has yet to do and what that takes."""
    low, likely, high = map(duration, found.seconds)
    searched = f"; of them a search proposes {found.searched}, for which cells of its space stand in"
    apart, shared = found.open - found.trainings - found.stored, found.open - found.runs
    rows = [
        ("configurations", f"{found.configurations}"),
        ("trials", f"{found.trials}: {found.recorded} recorded, {found.open} open{searched if found.searched else ''}"),
        ("trainings", f"{found.trainings} to do, {found.stored} stored; sharing weights saves {apart}"),
        ("sampling runs", f"{found.runs}; sharing hypotheses saves {shared}"),
        ("training", f"{found.training_tmacs:.3g} TMACs, a step counted as three forward passes"),
        ("evaluation", f"{found.evaluation_tmacs:.3g} TMACs"),
        ("time", f"{likely} ({low} to {high}) with {found.workers} worker{'s' if found.workers > 1 else ''}"),
        ("memory", f"{found.memory_mb / 1000:.1f} GB"),
        ("machine", f"{found.machine}; probed for {duration(found.probe_s)}"),
    ]
    for what, value in rows:
        print(f"{what:15} {value}")
    for label, reason in found.left_out.items():
        print(f"never started: {label}: {reason}")


def print_reproduction(found: "Reproduction") -> None:
    """What a second run of a record gave, beside the first."""
    rows = [
        (
            f"{m.split} {m.metric} {m.unit}, {m.aggregation}, {m.protocol}, step {m.step}",
            f"{m.value:.4f}",
            f"{again:.4f}",
        )
        for m, again in found.pairs
        if not m.action
    ]
    print_table(found.name, ("error", "recorded", "again"), rows, f"largest difference {found.worst:.2g}, actions too")
