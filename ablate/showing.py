"""What `ablate show` tells of a study: its front by name, and each configuration's error against its compute."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import ascii_letters

import pandas as pd

from ablate.archive import Archive
from ablate.characters import Point, scatter
from ablate.design import swept
from ablate.errors import InputError
from ablate.report import About, results
from ablate.report.columns import evidence
from ablate.report.front import front
from ablate.report.names import LARGER, compute_title, error_title
from ablate.statistics.differences import best, pairing
from ablate.statistics.samples import samples

DOMINATED, BASELINE = "·", "◆"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A configuration: mean over its seeds, and standard deviation where there are two (None: there aren't). ``saved``
    is the share of the baseline's compute that it doesn't need, in percent; None without a measured baseline. ``best``:
    its error is the best, or can't be told from it, as reports judge it; never with one seed."""

    mark: str
    label: str
    error: float
    spread: float | None
    compute: float
    saved: float | None
    seeds: int
    front: bool
    best: bool


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A study at a glance. ``lines`` stand by error; those of the front have letters, the cheapest first. ``paired``
    says by what errors were paired to tell the best ones; "" where nothing can be told."""

    study: str
    question: str
    recorded: int
    planned: int
    error: str
    compute: str
    paired: str
    lines: tuple[Line, ...]

    @property
    def front(self) -> list[Line]:
        """Of which nothing is as good on one axis and better on the other, the cheapest first."""
        return sorted((line for line in self.lines if line.front), key=lambda line: (line.compute, line.label))

    def plot(self, width: int, height: int) -> list[str]:
        """Error against compute in characters; the front's letters stand above the baseline, that above the others."""
        order = sorted(self.lines, key=lambda line: (line.front, line.mark == BASELINE))
        points = [Point(line.compute, line.error, line.mark) for line in order]
        return scatter(points, (self.compute, self.error), width, height)


def overview(archive: Archive) -> Overview:
    """Read a study's records. Raises InputError where there are none, or none holds what its report compares."""
    study, records = archive.study, archive.records()
    if not records:
        raise InputError(f"{study.name}: nothing is recorded yet; `ablate run` it first")
    about = About(
        name=study.name,
        question=study.file.question,
        baseline=study.file.baseline,
        sweep=swept(study.file),
        report=study.file.report,
        command="",
        planned=archive.planned,
    )
    kept = results.ordered(records, about)
    frame = results.results(kept, about)
    found = front(frame, about)
    if found is None:
        raise InputError(f"{study.name}: {about.report.compute} was not measured, so there is nothing to compare")
    rest = evidence(results.headline(frame, about), samples(kept))
    lowest = best(rest, larger=about.report.metric in LARGER)
    return Overview(
        study=study.name,
        question=study.file.question,
        recorded=len(records),
        planned=archive.planned,
        error=error_title(about.report.metric, results.error_unit(frame, about)),
        compute=compute_title(about.report.compute),
        paired=pairing(rest) if lowest else "",
        lines=_lines(found.points, Counter(record.label for record in records), about.baseline, lowest),
    )


def _lines(points: pd.DataFrame, counts: Mapping[str, int], baseline: str, lowest: Collection[str]) -> tuple[Line, ...]:
    cheapest = points[points["front"]].sort_values(["compute", "label"])["label"]
    marks = dict(zip(cheapest, ascii_letters, strict=False))
    base = points.loc[points["label"] == baseline, "compute"]
    saved = 100 * (1 - points["compute"] / float(base.iloc[0])) if len(base) else pd.Series(math.nan, points.index)
    rows = points.assign(saved=saved).sort_values(["error", "label"]).to_dict("records")
    return tuple(
        Line(
            mark=marks.get(row["label"], "*" if row["front"] else BASELINE if row["label"] == baseline else DOMINATED),
            label=row["label"],
            error=row["error"],
            spread=None if math.isnan(row["spread"]) else row["spread"],
            compute=row["compute"],
            saved=None if math.isnan(row["saved"]) else row["saved"],
            seeds=counts[row["label"]],
            front=row["front"],
            best=row["label"] in lowest,
        )
        for row in rows
    )
