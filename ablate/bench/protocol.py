"""Ways to sample, side by side: what each costs in time on this machine, beside the error that its records hold.

The errors are those of the study ``protocol_cmu``: of trained weights, at the size that was trained. The times are
measured here, of the same rows of the study at any size, with fresh weights: no time depends on what weights know.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import models
from ablate import seeds
from ablate.bench import Measured, Row
from ablate.bench.protocol_figure import picture
from ablate.bench.ratios import Contender, Timing, race, ratio_row, timing_row
from ablate.bench.textbook import Textbook
from ablate.costing import cost_of
from ablate.data.skeleton import NAMES
from ablate.errors import InputError
from ablate.ledger import open_ledger
from ablate.loading import check
from ablate.plan import Cell, expand
from ablate.source import find_study, read
from ablate.statistics.differences import Difference, differences
from ablate.statistics.samples import samples
from ablate.workspace import Workspace
from models.execution import Execution
from models.sampling import passes

if TYPE_CHECKING:
    from ablate.records import Record
    from models.contract import Lifter

STUDY = "protocol_cmu"
YARDSTICK = "textbook"
MARGIN_MM = 0.5  # of error, that nobody would miss
TIMES = 50.0  # as fast as the yardstick is the recommended way to be, at size base
REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class Way:
    """A row of the study: how it samples, its mean errors over seeds, and what they are less the baseline's."""

    cell: Cell
    validation: Difference
    test: Difference
    validation_mm: float
    test_mm: float
    timing: Timing

    @property
    def label(self) -> str:
        return self.cell.label

    @property
    def text(self) -> str:
        """How it samples, in short."""
        how = self.cell.configuration.evaluate
        flip = {True: ", flip", "last": ", flip last", False: ""}[how.flip]
        draws = "" if how.draws == "all" else f", draws {how.draws}"
        smooth = "" if how.low_pass is None else f", low pass {how.low_pass}"
        return f"H {how.hypotheses}, K {how.steps}{draws}{flip}{smooth}"

    @property
    def passes(self) -> int:
        """Through the network, for one window."""
        how = self.cell.configuration.evaluate
        return sum(passes(how.hypotheses, how.steps, how.flip, how.branch))


def protocol(*, size: str | None = None, device: str = "cpu", quick: bool = False, home: Path) -> Measured:
    """The rows of ``ablate bench protocol``, a table (protocols.csv) and a figure (protocols.png).

    ``size`` is what is timed, the recorded one by default; at base it takes about a quarter of an hour. Recommended is
    the fastest row whose mean error on validation is within 0.5 mm of the best row's; what it then errs on test, which
    chose nothing, is held against the baseline with 95 % confidence. A low pass comes after lifting and is not timed.
    Raises InputError where ``home`` has no records of the study, or some of other settings among them.
    """
    records = _records(home)
    size = "tiny" if quick else size
    study = check(read(find_study(STUDY)), {"model.size": size} if size else None)
    baseline = study.file.baseline
    cells = {cell.label: cell for cell in expand(study)}
    labels = [label for label in cells if any(record.label == label for record in records)]
    if baseline not in labels:
        raise InputError(f"{STUDY}: its baseline '{baseline}' is not recorded yet; `ablate run` it first")
    timings = _timed([cells[label] for label in labels], cells[baseline], torch.device(device), quick=quick)
    ways = _ways([cells[label] for label in labels], records, baseline, timings)
    best = recommended(ways)
    yardstick = timings[YARDSTICK]
    files = {
        "protocols.csv": _table(ways, yardstick),
        "protocols.png": picture(ways, _reference(ways), yardstick, best, MARGIN_MM),
    }
    return Measured(rows=_rows(ways, yardstick, best, base=size == "base"), files=files)


def recommended(ways: Sequence[Way]) -> Way:
    """The knee: the fastest whose mean error on validation is at most the margin above the lowest of all. Rows that are
    low-passed are controls: theirs is another's sampling."""
    sampled = [way for way in ways if way.cell.configuration.evaluate.low_pass is None]
    lowest = min(way.validation_mm for way in sampled)
    return min((way for way in sampled if way.validation_mm <= lowest + MARGIN_MM), key=lambda way: way.timing.median)


def _records(home: Path) -> list["Record"]:
    ledger = open_ledger(Workspace(home), STUDY)
    records = list(ledger.load(sorted(ledger.names())))
    if not records:
        raise InputError(f"{STUDY}: nothing is recorded under {home}; run it first: ablate run studies/{STUDY}.yaml")
    trials: dict[str, str] = {}
    for record in records:
        if trials.setdefault(record.label, record.trial) != record.trial:
            text = "is recorded with two different settings; keep one of them, or name another --home"
            raise InputError(f"{STUDY}: '{record.label}' {text}")
    return records


def _timed(cells: Sequence[Cell], baseline: Cell, device: torch.device, *, quick: bool) -> Mapping[str, Timing]:
    """What lifting one window takes, by label, the textbook's way of sampling the baseline among them. Rows that differ
    in what comes after lifting are timed once; rows of one model share its weights, since where in memory these lie
    makes a difference of its own."""
    kinds = {cell.configuration.model for cell in cells}
    lifters = {model: models.build(model, seed=0).to(device).eval() for model in kinds}
    alike: dict[Any, list[str]] = {}
    for cell in cells:
        how = replace(cell.configuration.evaluate, low_pass=None)
        alike.setdefault((cell.configuration.model, how), []).append(cell.label)
    named = {cell.label: cell for cell in cells}
    contenders = []
    for (model, _), (label, *_) in alike.items():
        cell, lifter = named[label], lifters[model]
        contenders.append(Contender(label, partial(_lift, cell, lifter, *_drawn(cell, lifter))))
    x2d_BFJ2, noise = _drawn(baseline, lifters[baseline.configuration.model])
    # it knows no other input, and what the 2D is relative to takes no time
    like, how = replace(baseline.configuration.model, input="absolute"), baseline.configuration.evaluate
    textbook = Textbook(models.build(like, seed=0)).to(device).eval()
    plain = partial(textbook.lift, x2d_BFJ2, noise=noise, flip=how.flip is True, eta=how.eta)
    contenders.append(Contender(YARDSTICK, lambda: _done(plain(), device)))
    found = {timing.name: timing for timing in race(contenders, repeats=1 if quick else REPEATS)}
    timed = {label: found[labels[0]] for labels in alike.values() for label in labels}
    return {**timed, YARDSTICK: found[YARDSTICK]}


def _drawn(cell: Cell, lifter: "Lifter") -> tuple[Tensor, Tensor]:
    """A window and its draws, where the lifter is."""
    how, frames, generator = cell.configuration.evaluate, lifter.config.frames, seeds.torch_stream(0, "measure")
    x2d_BFJ2 = torch.randn(1, frames, len(NAMES), 2, generator=generator)
    noise = torch.randn(how.steps, 1, how.hypotheses, frames, len(NAMES), lifter.channels, generator=generator)
    device = lifter.denoiser.head.weight.device
    return x2d_BFJ2.to(device), noise.to(device)


def _lift(cell: Cell, lifter: "Lifter", x2d_BFJ2: Tensor, noise_KBHFJA: Tensor) -> None:
    how = cell.configuration.evaluate
    with torch.inference_mode():
        pose = lifter.lift(
            x2d_BFJ2,
            hypotheses=how.hypotheses,
            steps=how.steps,
            flip=how.flip,
            draws=how.draws,
            eta=how.eta,
            noise=noise_KBHFJA,
            branch=how.branch,
            execution=Execution(precision=how.precision),
        )
    _done(pose, x2d_BFJ2.device)


def _done(pose: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _ways(
    cells: Sequence[Cell], records: Sequence["Record"], baseline: str, timings: Mapping[str, Timing]
) -> list[Way]:
    own = [record for record in records if record.label in timings]
    pairs = [(cell.label, baseline) for cell in cells]
    both = {split: samples(own, split) for split in ("validation", "test")}
    found = {split: differences(those, pairs, MARGIN_MM) for split, those in both.items()}
    errors = {
        split: {label: float(np.nanmean(those.mean_LS[those.place(label)])) for label in those.labels}
        for split, those in both.items()
    }
    return [
        Way(
            cell=cell,
            validation=found["validation"][i],
            test=found["test"][i],
            validation_mm=errors["validation"][cell.label],
            test_mm=errors["test"][cell.label],
            timing=timings[cell.label],
        )
        for i, cell in enumerate(cells)
    ]


def _rows(ways: Sequence[Way], yardstick: Timing, best: Way, *, base: bool) -> list[Row]:
    rows = [timing_row(f"{YARDSTICK}, {_reference(ways).text}", yardstick)]
    for way in sorted(ways, key=lambda way: -way.timing.median):
        gmacs = cost_of(way.cell.configuration).inference_gmacs
        what = f"{way.label} ({way.text}): test {way.test_mm:.2f} mm, {way.passes} passes, {gmacs:.3g} GMACs"
        rows.append(ratio_row(what, way.timing, yardstick))
    promise = TIMES if base else None
    rows.append(ratio_row(f"recommended: {best.label}, chosen on validation", best.timing, yardstick, promise))
    error = best.test
    interval = f"{error.mean:+.2f} mm, {error.low:+.2f} to {error.high:+.2f} with 95 % confidence"
    what = f"its test error less that of {error.reference} ({interval}), at most"
    rows.append(Row(what=what, value=error.high, unit="mm", promise=MARGIN_MM))
    return rows


def _reference(ways: Sequence[Way]) -> Way:
    return next(way for way in ways if way.label == way.test.reference)


def _table(ways: Sequence[Way], yardstick: Timing) -> bytes:
    """A line a way, with units in the names; the differences are to the baseline's error."""
    text = io.StringIO()
    fields = ("hypotheses", "steps", "flip", "draws", "eta", "precision", "low_pass")
    names = ["label", *fields, "passes", "gmacs", "seconds", "times_as_fast", "validation_mm", "test_mm"]
    names += [f"{split}_difference_{part}mm" for split in ("validation", "test") for part in ("", "low_", "high_")]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for way in ways:
        how, gmacs = way.cell.configuration.evaluate, cost_of(way.cell.configuration).inference_gmacs
        times = way.timing.ratio(yardstick).median
        bounds = [value for d in (way.validation, way.test) for value in (d.mean, d.low, d.high)]
        numbers = [gmacs, way.timing.median, times, way.validation_mm, way.test_mm, *bounds]
        said = [getattr(how, name) for name in fields]
        writer.writerow([way.label, *said, way.passes, *(f"{number:.5g}" for number in numbers)])
    return text.getvalue().encode()
