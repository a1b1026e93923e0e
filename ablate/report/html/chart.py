"""What the page's chart is drawn from: every recorded number of each configuration, as plain values for JSON."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pandas as pd

from ablate.design import short_names
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import COMPUTE, FURTHER, LARGER, METRICS, SPREAD, compute_unit, shown, titled
from ablate.report.results import overall
from ablate.report.tables import MINUS
from ablate.statistics.differences import Difference

Better = Literal["lower", "higher"]

# How units are written in the names of compute values.
UNITS = frozenset({"gmacs", "ms", "mb", "m"})

# Of these neither end is a merit by itself.
NEITHER = frozenset({"bone_variation", "asymmetry", *SPREAD})


def chart(m: Material) -> dict[str, Any]:
    """Configurations in the report's order, and the axes they may be drawn on.

    ``label``, ``group`` (index into ``groups``) and ``seeds`` have an entry a configuration, as have the ``values`` and
    ``spread`` (None where no configuration has one) of each of ``axes``, and the ``texts`` of ``facts``. ``start`` says
    which axes come first. Numbers have six significant figures, None where there is none.
    """
    axes = [*_errors(m), *_difference(m), *_compute(m), *_swept(m)]
    names = [axis.pop("name") for axis in axes]
    groups = list(m.look.markers)
    seeds = m.frame.groupby("label", sort=False)["seed"].nunique()
    cost = ("compute", m.about.report.compute)
    return {
        "label": m.labels,
        "group": [groups.index(m.group[label]) for label in m.labels],
        "seeds": [int(seeds[label]) for label in m.labels],
        "groups": [
            {"name": name, "marker": m.look.markers[name], "colour": _colour(m.look.colours[name])} for name in groups
        ],
        "axes": axes,
        "start": {
            "x": names.index(cost) if cost in names else 0,
            "y": names.index(("error", m.about.report.metric, "mean")),
        },
        "facts": [*_settings(m), *_told(m)],
    }


def _colour(colour: str) -> str | None:
    """None for ink, which is light on a dark page."""
    return None if colour == style.INK else colour


def _errors(m: Material) -> Iterator[dict[str, Any]]:
    """An axis for each metric and aggregation of the test split: deployable before oracles."""
    known = METRICS | FURTHER | SPREAD
    place = {metric: i for i, metric in enumerate(known)}
    found = {
        (bool(oracle), aggregation != "mean", place.get(metric, len(place)), metric, aggregation): part
        for (metric, aggregation, oracle), part in _parts(overall(m.frame, "test"), "metric", "aggregation", "oracle")
    }
    for (oracle, _, _, metric, aggregation), part in sorted(found.items(), key=lambda item: item[0]):
        name = known.get(metric, metric)
        if aggregation != "mean":
            name += f" {aggregation}{' †oracle' if oracle else ''}"
        better: Better | None = None if metric in NEITHER else "higher" if metric in LARGER else "lower"
        title = titled(name, ", ".join(sorted(part["unit"].unique())))
        yield _axis(("error", metric, aggregation), title, "error", better, part, m)


def _parts(rows: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The rows of each combination of values in ``columns``."""
    return iter(rows.groupby(list(columns), sort=False))


def _difference(m: Material) -> Iterator[dict[str, Any]]:
    """The difference from the baseline as an axis, with its 95 % interval."""
    if m.differences:
        title = titled(f"{METRICS[m.about.report.metric]} against {m.about.baseline}", m.unit)
        found = [m.differences.get(label) for label in m.labels]
        means = plain(math.nan if one is None else one.mean for one in found)
        halves = plain(math.nan if one is None else one.high - one.mean for one in found)
        axis = {"name": ("difference",), "title": title, "kind": "difference", "better": "lower", "values": means}
        yield axis | ({"spread": halves} if any(halves) else {})


def _compute(m: Material) -> Iterator[dict[str, Any]]:
    """An axis for each recorded compute value, those of the tables first."""
    rows = m.frame[m.frame["split"] == ""]
    place = {name: i for i, name in enumerate(COMPUTE)}
    found = {name: part for (name,), part in _parts(rows, "metric")}
    for name in sorted(found, key=lambda name: (place.get(name, len(place)), name)):
        title = titled(COMPUTE.get(name) or _called(name), compute_unit(name))
        yield _axis(("compute", name), title, "compute", "higher" if name == "fps" else "lower", found[name], m)


def _called(name: str) -> str:
    """'latency q1' for 'latency_q1_ms': the unit stands behind it."""
    return " ".join(word for word in name.split("_") if word not in UNITS)


def _swept(m: Material) -> Iterator[dict[str, Any]]:
    """An axis for each swept path that takes numbers."""
    for path, name in short_names(m.about.sweep).items():
        values = [m.first[label].params.get(path) for label in m.labels]
        numbers = [float(v) if isinstance(v, int | float) and not isinstance(v, bool) else None for v in values]
        if len(set(numbers) - {None}) > 1:
            yield {"name": ("swept", path), "title": name, "kind": "swept", "better": None, "values": numbers}


def _axis(
    name: tuple[str, ...], title: str, kind: str, better: Better | None, rows: pd.DataFrame, m: Material
) -> dict[str, Any]:
    over = rows.groupby("label", sort=False)["value"].agg(["mean", "std"]).reindex(m.labels)
    axis = {"name": name, "title": title, "kind": kind, "better": better, "values": plain(over["mean"])}
    spread = plain(over["std"])
    return axis | {"spread": spread} if any(spread) else axis


def _settings(m: Material) -> Iterator[dict[str, Any]]:
    """What each configuration sweeps, as text; "" where it doesn't."""
    for path, name in short_names(m.about.sweep).items():
        params = [m.first[label].params for label in m.labels]
        yield {"name": name, "texts": [shown(own[path]) if path in own else "" for own in params]}


def _told(m: Material) -> Iterator[dict[str, Any]]:
    """The difference from the baseline in words."""
    texts = [_in_words(m.differences[label], m.unit) if label in m.differences else "" for label in m.labels]
    if any(texts):
        yield {"name": f"{METRICS[m.about.report.metric]} against {m.about.baseline}", "texts": texts}


def _in_words(one: Difference, unit: str) -> str:
    if math.isnan(one.mean):
        return ""
    text = f"{one.mean:+.2f} {unit}"
    if one.known:
        text += f", 95 % interval {one.low:+.2f} to {one.high:+.2f}, p (Holm) {one.p_holm:.3f}"
    return text.replace("-", MINUS)


def plain(values: Iterable[float]) -> list[float | None]:
    """Six significant figures, None for what isn't finite."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]
