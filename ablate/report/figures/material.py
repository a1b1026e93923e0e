"""What figures are drawn from: the records of a report, and the numbers that several figures share, made once.

Legend: L labels (configurations), S seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ablate.records import Record
from ablate.report.about import About
from ablate.report.differences import found
from ablate.report.figures import style
from ablate.report.front import Front
from ablate.report.names import error_title
from ablate.report.results import error_unit, headline, labels, spread, swept
from ablate.statistics.differences import Difference
from ablate.statistics.samples import Floats, Samples


@dataclass(frozen=True, eq=False)
class Intervals:
    """What stands around each configuration's mean error: ``around`` has a row a label, columns below and above (0
    where nothing is known); ``said`` tells what it is, in a sentence."""

    around: pd.DataFrame
    said: str


@dataclass(frozen=True, eq=False)
class Material:
    """``frame`` is the long frame of ``records``, which are ordered, ``samples`` their paired errors; ``best`` is their
    front, None where there is none."""

    frame: pd.DataFrame
    records: Sequence[Record]
    about: About
    best: Front | None
    samples: Samples

    @cached_property
    def look(self) -> style.Looks:
        return style.looks(self.frame, self.about)

    @cached_property
    def labels(self) -> list[str]:
        """Every configuration, in the report's order."""
        return labels(self.frame)

    @cached_property
    def first(self) -> Mapping[str, Record]:
        """The record of each configuration's first seed."""
        records: dict[str, Record] = {}
        for record in self.records:
            records.setdefault(record.label, record)
        return records

    @cached_property
    def group(self) -> Mapping[str, str]:
        return {label: record.group for label, record in self.first.items()}

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The swept values of each configuration that has any, in short."""
        return swept(self.records, self.about)

    def name(self, label: str) -> str:
        """How a row of a figure calls a configuration: its group and its swept values."""
        return f"{self.group[label]} {self.values.get(label, '')}".strip()

    @cached_property
    def front(self) -> frozenset[str]:
        """The configurations on the front."""
        return frozenset() if self.best is None else frozenset(self.best.points.loc[self.best.points["front"], "label"])

    @cached_property
    def headline(self) -> pd.DataFrame:
        """The rows of the report's metric, one a record."""
        return headline(self.frame, self.about)

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Mean, standard deviation and number of seeds of the report's metric, a row a configuration."""
        return spread(self.headline, self.labels)

    @cached_property
    def error_LS(self) -> Floats:
        """The report's metric by configuration and seed, NaN where there is none."""
        rows = self.headline
        return self.samples.table(zip(rows["label"], rows["seed"], rows["value"], strict=True))

    @cached_property
    def unit(self) -> str:
        return error_unit(self.frame, self.about)

    @property
    def error_title(self) -> str:
        return error_title(self.about.report.metric, self.unit)

    def compute_LS(self, name: str) -> Floats:
        """A compute value by configuration and seed, NaN where it was not measured."""
        values = ((record.label, record.seed, record.compute.get(name)) for record in self.records)
        return self.samples.table((label, seed, value) for label, seed, value in values if value is not None)

    def compute(self, name: str) -> pd.Series:
        """The mean of a compute value over seeds, by label in the report's order; NaN where it was not measured."""
        value_LS = self.compute_LS(name)
        known_LS = np.isfinite(value_LS)
        count_L = known_LS.sum(axis=1)
        total_L = np.where(known_LS, value_LS, 0.0).sum(axis=1)
        mean_L = np.divide(total_L, count_L, out=np.full(len(count_L), np.nan), where=count_L > 0)
        return pd.Series(mean_L, index=list(self.samples.labels)).reindex(self.labels)

    @cached_property
    def differences(self) -> Mapping[str, Difference]:
        """Every other configuration against the baseline, as the table of differences has it."""
        return found(self.frame, self.about, self.samples)

    @cached_property
    def intervals(self) -> Intervals:
        """How surely each configuration differs from the baseline."""
        base = self.about.baseline
        half = {label: one.high - one.mean for label, one in self.differences.items() if one.known}
        around = pd.Series(half, dtype=float).reindex(self.labels).fillna(0.0)
        said = f"Bars: 95 % intervals of the paired difference from {base}, laid around the means."
        if not half:
            said = f"No bars: with {base} there is no second seed in common that an interval could rest on."
        return Intervals(pd.DataFrame({"below": around, "above": around}), said)

    def few(self, count: int) -> list[str]:
        """At most ``count`` configurations that stand for all, in the report's order: the baseline, those of the front,
        then others; where one kind is too many, evenly over it from the costly to the cheap."""
        base = self.about.baseline
        kinds = [
            [label for label in self.labels if label == base],
            [label for label in self.labels if label in self.front and label != base],
            [label for label in self.labels if label not in self.front and label != base],
        ]
        chosen: set[str] = set()
        for kind in kinds:
            chosen |= set(evenly(kind, count - len(chosen)))
        return [label for label in self.labels if label in chosen]


def evenly(items: Sequence[str], count: int) -> list[str]:
    """``count`` of ``items``, the ends among them; all where there are no more."""
    if len(items) <= count:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)] if count > 0 else []
