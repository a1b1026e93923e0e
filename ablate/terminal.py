"""What a person sees while a study runs: bars in a terminal, one plain line an event anywhere else."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.table import Table

from ablate.records import Record

if TYPE_CHECKING:
    from ablate.train import Epoch


class Reporter(Protocol):
    """What the runner tells while it works."""

    def begin(self, study: str, planned: int, finished: int) -> None: ...
    def training(self, label: str, epochs: int) -> None: ...
    def epoch(self, epoch: "Epoch") -> None: ...
    def finished(self, record: Record, seconds: float) -> None: ...
    def failed(self, name: str, reason: str) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self) -> None: ...


class Plain:
    """One line an event on stderr; ``quiet`` keeps only failures and notes."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._done = self._planned = 0

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def begin(self, study: str, planned: int, finished: int) -> None:
        self._done, self._planned = finished, planned
        if not self._quiet:
            self._say(f"{study}: {planned} trials, {finished} already finished")

    def training(self, label: str, epochs: int) -> None:
        if not self._quiet:
            self._say(f"training {label}: {epochs} epochs")

    def epoch(self, epoch: "Epoch") -> None:
        # A tenth of the epochs is enough for a log file.
        if not self._quiet and (epoch.number % max(1, epoch.epochs // 10) == 0 or epoch.number == epoch.epochs):
            self._say(f"  epoch {epoch.number}/{epoch.epochs}: {_errors(epoch)}")

    def finished(self, record: Record, seconds: float) -> None:
        self._done += 1
        if not self._quiet:
            error = record.value("mpjpe", "validation")
            where = f"[{self._done}/{self._planned}] {record.label}, seed {record.seed}"
            self._say(f"{where}: validation {error:.1f} mm in {seconds:.1f} s")

    def failed(self, name: str, reason: str) -> None:
        self._say(f"FAILED {name}: {reason}")

    def note(self, text: str) -> None:
        self._say(text)

    def end(self) -> None: ...


class Bars:
    """A bar over the trials and one over the epochs, with the time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, TimeLeft(), TextColumn("{task.fields[note]}"), console=self._console)
        self._trials: TaskID | None = None
        self._epochs: TaskID | None = None

    def begin(self, study: str, planned: int, finished: int) -> None:
        self._bars.start()
        self._trials = self._bars.add_task(study, total=planned, completed=finished, note="")

    def training(self, label: str, epochs: int) -> None:
        self._close_epochs()
        self._epochs = self._bars.add_task(f"  training {label}", total=epochs, note="")

    def epoch(self, epoch: "Epoch") -> None:
        assert self._epochs is not None
        self._bars.update(self._epochs, completed=epoch.number, note=_errors(epoch))

    def _close_epochs(self) -> None:
        if self._epochs is not None:
            self._bars.remove_task(self._epochs)
            self._epochs = None

    def finished(self, record: Record, seconds: float) -> None:
        assert self._trials is not None
        self._close_epochs()
        self._bars.update(self._trials, advance=1, note=f"{record.label}: {record.value('mpjpe', 'validation'):.1f} mm")

    def failed(self, name: str, reason: str) -> None:
        self._console.print(f"[red]failed[/red] {name}: {reason}")

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def end(self) -> None:
        self._close_epochs()
        self._bars.stop()


def _errors(epoch: "Epoch") -> str:
    validation = "" if epoch.validation_mpjpe_mm is None else f", validation {epoch.validation_mpjpe_mm:.1f} mm"
    return f"loss {epoch.train_loss_mm:.1f} mm{validation}"


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


def print_profile(found: dict[str, Any]) -> None:
    """The compute of one model, by stage and as totals."""
    stages: dict[str, dict[str, float]] = found["stages"]
    rows = [(name, *(f"{kinds[k]:.3f}" for k in kinds), f"{sum(kinds.values()):.3f}") for name, kinds in stages.items()]
    title = f"{found['model']} {found['size']}, {found['frames']} frames: GMACs of one pass"
    print_table(title, ("stage", *next(iter(stages.values())), "total"), rows)
    how = f"{found['hypotheses']} hypotheses x {found['steps']} steps{' x 2 (flip)' if found['flip'] else ''}"
    totals = [
        ("parameters M", f"{found['params_m']:.3f}"),
        ("one pass GMACs", f"{found['pass_gmacs']:.2f}"),
        ("  by torch's counter", f"{found['pass_gmacs_torch']:.2f}"),
        (f"one window GMACs ({how})", f"{found['inference_gmacs']:.2f}"),
        ("one training sample GMACs (forward)", f"{found['training_gmacs']:.2f}"),
    ]
    for key, percent in found.get("reduction_percent", {}).items():
        totals.append((f"{key} against {found['compared_with']['model']}", f"{-percent:+.1f} %"))
    print_table("Totals", ("what", "value"), totals)
