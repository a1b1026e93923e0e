"""Finished records as one long frame, a row a measured number: ``results.csv``, and what every table is made of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import pandas as pd

from ablate.design import short_names
from ablate.errors import AblateError
from ablate.records import Record
from ablate.report.about import About
from ablate.report.names import compute_unit, shown

METRIC = ("metric", "unit", "split", "input", "aggregation", "protocol", "hypotheses", "step", "steps", "action")
_measured = attrgetter(*METRIC, "oracle", "value")


def ordered(records: Sequence[Record], about: About) -> tuple[Record, ...]:
    """The records in the report's order, whatever order they come in: the baseline, then group by group from the
    costliest configuration to the cheapest, each by seed.

    Raises AblateError when there is none, when one comes twice, or when two configurations share a label.
    """
    if not records:
        raise AblateError(f"{about.name}: no record is finished yet, so there is nothing to report")
    twice = sorted(name for name, times in Counter(record.name for record in records).items() if times > 1)
    if twice:
        raise AblateError(f"{about.name}: record {twice[0]} was handed in twice")
    trials = {record.label: record.trial for record in records}
    for record in records:
        if trials[record.label] != record.trial:
            raise AblateError(
                f"{about.name}: configurations {record.trial} and {trials[record.label]} share the label {record.label}"
            )

    def place(record: Record) -> tuple[Any, ...]:
        cost = record.compute["inference_gmacs"] or 0.0
        return record.label != about.baseline, record.group, -cost, record.label, record.seed

    return tuple(sorted(records, key=place))


def results(records: Sequence[Record], about: About) -> pd.DataFrame:
    """The long frame of ordered records. Compute values are rows too, with the fields of an error left empty.

    Columns: study, trial, label, group, seed, each swept path, then ``METRIC``, oracle, value, headline (whether the
    protocol is the one that the configuration is judged by).
    """
    return pd.DataFrame([row for record in records for row in _rows(record, about)]).astype(
        {"hypotheses": "Int64", "step": "Int64", "steps": "Int64", "value": "float64"}
    )


def _rows(record: Record, about: About) -> list[dict[str, Any]]:
    who: dict[str, Any] = {"study": record.study, "trial": record.trial, "label": record.label, "group": record.group}
    who |= {"seed": record.seed, **{path: record.params.get(path) for path in about.sweep}}
    own = record.protocol
    errors = [
        who | dict(zip((*METRIC, "oracle", "value"), _measured(m), strict=True)) | {"headline": m.protocol == own}
        for m in record.metrics
    ]
    empty: dict[str, Any] = dict.fromkeys(METRIC, "") | {
        "hypotheses": None,
        "step": None,
        "steps": None,
        "oracle": False,
        "headline": True,
    }
    compute = [
        who | empty | {"metric": name, "unit": compute_unit(name), "value": value}
        for name, value in sorted(record.compute.items())
        if value is not None
    ]
    return errors + compute


def errors(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of a split's errors under each configuration's own protocol, over every step and action; oracles of a
    single hypothesis choose nothing and are left out.
    """
    chosen = ~frame["oracle"] | (frame["hypotheses"] > 1)
    return frame[(frame["split"] == split) & frame["headline"] & chosen]


def beside(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """As ``overall``, under the protocol that the configurations are not judged by."""
    return overall(frame.assign(headline=~frame["headline"]), split)


def overall(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of a split's errors over all actions, after the last step."""
    rows = errors(frame, split)
    return rows[(rows["action"] == "") & (rows["step"] == rows["steps"])]


def spread(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Mean, standard deviation (n - 1; NaN for one seed), number of seeds and first seed's value of ``rows``, a row a
    label.
    """
    summary = rows.groupby("label", sort=False)["value"].agg(["mean", "std", "count", "first"])
    return summary.reindex(list(labels))


def headline(frame: pd.DataFrame, about: About) -> pd.DataFrame:
    """The rows of what a report shows first: its metric on the test split, deployable, a row a record."""
    rows = overall(frame, "test")
    return rows[(rows["metric"] == about.report.metric) & (rows["aggregation"] == "mean")]


def error_unit(frame: pd.DataFrame, about: About) -> str:
    """The unit of the report's metric."""
    return ", ".join(sorted(frame.loc[frame["metric"] == about.report.metric, "unit"].unique()))


def labels(frame: pd.DataFrame) -> list[str]:
    """Every configuration's label, in the report's order."""
    return list(frame["label"].unique())


def heads(records: Sequence[Record], about: About) -> pd.DataFrame:
    """What tells the configurations apart, as text: index label; columns configuration (the group) and each swept path
    in short, empty where a group does not sweep it.
    """
    names = short_names(about.sweep)
    rows = {
        record.label: {"configuration": record.group}
        | {names[path]: shown(record.params[path]) if path in record.params else "" for path in about.sweep}
        for record in records
    }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=str)


def swept(records: Sequence[Record], about: About) -> dict[str, str]:
    """The swept values of each label that has any, in short and in the order of the swept paths: '0.5 / 9'."""
    return {
        record.label: " / ".join(shown(record.params[path]) for path in about.sweep if path in record.params)
        for record in records
        if record.params
    }


def distinct(records: Sequence[Record], path: str) -> list[Any]:
    """The values that the records hold at a dotted path such as ``config.evaluate.flip``, each once, sorted as text;
    empty where no record holds it.
    """
    head, *rest = path.split(".")
    found: dict[str, Any] = {}
    for record in records:
        value: Any = getattr(record, head)
        for key in rest:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            found.setdefault(str(value), value)
    return [found[text] for text in sorted(found)]
