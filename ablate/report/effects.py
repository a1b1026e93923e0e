"""The table of a factorial study: what each component does by itself, and how two depend on each other."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.columns import evidence
from ablate.report.differences import SMALL_P
from ablate.report.names import COMPUTE, METRICS, compute_title, compute_unit
from ablate.report.results import error_unit, headline
from ablate.report.tables import TIMES, Column, Table, digits
from ablate.statistics.contrasts import Effect, effects
from ablate.statistics.differences import pairing
from ablate.statistics.samples import Samples

READING = (
    "A component's effect is the mean of all configurations with it less the mean of all without. An interaction of two"
    " is half of what the one's effect changes by when the other is put in; where it is nil, their effects add up."
)
ONE_SEED = "One seed: nothing here can be told from chance."


def effects_table(frame: pd.DataFrame, records: Sequence[Record], about: About, samples: Samples) -> Table | None:
    """Main effects and two-way interactions on error and compute, with intervals: the contrasts of a 2^n design.

    Only seeds with every combination of the components count; None where no seed has them all.
    """
    inside = _inside(records, about)
    if inside is None:
        return None
    rest = evidence(headline(frame, about), samples)
    found = effects(rest, list(next(iter(inside.values()))), inside, about.report.margin_mm)
    if not found[0].seeds:
        return None
    unit, compute = error_unit(frame, about), about.report.compute
    title = f"{METRICS[about.report.metric]} ({unit})"
    names = [f" {TIMES} ".join(effect.factors) for effect in found]
    columns = [*_columns(found, names, title), *_cost(frame, samples, inside, names, compute)]
    notes = [protocol.summary(records), READING]
    if found[0].seeds == 1:
        notes.append(ONE_SEED)
    else:
        notes.append(f"Intervals of 95 % (Student's t), paired by {pairing(rest)}; p by Holm's method over the rows.")
    return Table(
        name="effects",
        caption=f"Effects of the components on test {title} and {COMPUTE[compute]} {compute_unit(compute)}",
        notes=notes,
        heads=pd.DataFrame({"effect of": names}, index=names),
        columns=columns,
    )


def _inside(records: Sequence[Record], about: About) -> dict[str, dict[str, bool]] | None:
    """Of each configuration of the design which components are in, in the study's order.

    None where the records hold no 2^n configurations that differ in n components alone.
    """
    every = {
        r.label: dict(r.params) for r in records if r.params and all(isinstance(v, bool) for v in r.params.values())
    }
    names = [path for path in about.sweep if any(path in params for params in every.values())]
    if len(names) < 2 or any(len(params) < len(names) for params in every.values()):
        return None
    if len({tuple(params[name] for name in names) for params in every.values()}) < 2 ** len(names):
        return None
    return {label: {name: params[name] for name in names} for label, params in every.items()}


def _columns(found: Sequence[Effect], names: list[str], title: str) -> list[Column]:
    seeds = pd.Series([effect.seeds for effect in found], index=names)

    def column(key: str, heading: str, field: str, *, p: bool = False) -> Column:
        values = pd.Series([getattr(effect, field) for effect in found], index=names, dtype=float)
        if p:
            return Column(key=key, title=heading, mean=values, seeds=seeds, digits=3, least=SMALL_P)
        return Column(key=key, title=heading, mean=values, seeds=seeds, signed=True)

    return [
        column("effect_mm", f"effect on {title}", "mean"),
        column("low_mm", "95 % from", "low"),
        column("high_mm", "to", "high"),
        column("p_holm", "p (Holm)", "p_holm", p=True),
    ]


def _cost(
    frame: pd.DataFrame, samples: Samples, inside: Mapping[str, Mapping[str, bool]], names: list[str], compute: str
) -> list[Column]:
    """The effects on compute; none where it was not measured. Closed-form compute is exact, so is its effect."""
    rows = frame[(frame["metric"] == compute) & (frame["split"] == "")]
    value_LS = samples.table(zip(rows["label"], rows["seed"], rows["value"], strict=True))
    found = effects(samples.overall(value_LS), list(next(iter(inside.values()))), inside)
    means = pd.Series([effect.mean for effect in found], index=names)
    if means.isna().any():
        return []
    seeds = pd.Series([effect.seeds for effect in found], index=names)
    title = f"effect on {compute_title(compute)}"
    return [Column(key=compute, title=title, mean=means, seeds=seeds, digits=max(2, digits(means)), signed=True)]
