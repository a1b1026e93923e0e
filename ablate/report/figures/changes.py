"""By how much each action and each joint is off against the baseline, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.data.skeleton import NAMES
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import METRICS
from ablate.statistics.differences import Difference, differences
from ablate.statistics.samples import Samples

SHOWN = 4  # configurations beside the baseline
ACTIONS = 20  # rows
JOINTS = "test/joint_mm"

READING = (
    "Left of the line errs less than {base}. Bars: 95 % intervals of the paired difference, each by itself: of many"
    " some miss by chance."
)
NO_BARS = "Left of the line errs less than {base}. No bars: one seed in common gives no interval."


class Change(NamedTuple):
    """A row of one configuration."""

    row: str
    label: str
    difference: Difference


def changes(m: Material) -> Iterator[style.Picture]:
    """A figure by action and one by joint; each only where the records hold what it takes, and the baseline among
    them."""
    base = m.about.baseline
    others = [label for label in m.few(SHOWN + 1) if label != base]
    if base not in m.samples.labels or not others:
        return
    if m.samples.recorded and len(set(m.samples.action_R)) > 1:
        actions = sorted(set(m.samples.action_R))[:ACTIONS]
        rows = {action: m.samples.of_action(action) for action in actions}
        title = f"{METRICS['mpjpe']} by action against {base}"
        yield _picture("action_differences", title, rows, others, m)
    joints = _joints([base, *others], m)
    if joints is not None:
        held = [label for label in others if np.isfinite(joints[NAMES[1]].mean_LS[m.samples.place(label)]).any()]
        yield _picture("joint_differences", f"Error by joint against {base}", joints, held, m)


def _joints(chosen: Sequence[str], m: Material) -> dict[str, Samples] | None:
    """Each joint's mean error by configuration and seed; None unless the baseline and another hold it."""
    held = [record for record in m.records if record.label in set(chosen) and JOINTS in record.arrays]
    if len({record.label for record in held}) < 2 or chosen[0] not in {record.label for record in held}:
        return None
    error_NJ = np.stack([record.arrays[JOINTS] for record in held])
    who = [(record.label, record.seed) for record in held]
    return {
        name: m.samples.overall(
            m.samples.table(
                (label, seed, float(error)) for (label, seed), error in zip(who, error_NJ[:, j], strict=True)
            )
        )
        for j, name in enumerate(NAMES)
        if j > 0  # the root is where it is by definition
    }


def _picture(name: str, title: str, rows: Mapping[str, Samples], others: Sequence[str], m: Material) -> style.Picture:
    pairs = [(label, m.about.baseline) for label in others]
    found = [
        Change(row, one.label, one)
        for row, samples in rows.items()
        for one in differences(samples, pairs, m.about.report.margin_mm)
    ]
    height = 0.1 + 0.07 * len(others)
    figure = Figure(figsize=(1.5 * style.COLUMN, 0.9 + height * len(rows)))
    axes = figure.subplots()
    for place, label in enumerate(others):
        _draw(axes, [one for one in found if one.label == label], list(rows), (place, len(others)), m)
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=1)
    cut = style.fit(axes, "x", [0.0, *(one.difference.mean for one in found)])
    axes.set_yticks(range(len(rows)), labels=[row.replace("_", " ") for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"difference from {m.about.baseline} (mm)")
    figure.legend(loc="outside upper center", ncols=2)
    return style.Picture(
        name=name, title=title, caption=_caption(found, others, m) + " Some go on outside." * cut, figure=figure
    )


def _draw(axes: Axes, found: Sequence[Change], rows: Sequence[str], place: tuple[int, int], m: Material) -> None:
    """One configuration's points, side by side with the others' in each row."""
    number, count = place
    label = found[0].label
    at = [rows.index(one.row) + 0.7 * ((number + 0.5) / count - 0.5) for one in found]
    means = np.array([one.difference.mean for one in found])
    half = np.array([one.difference.high - one.difference.mean if one.difference.known else 0.0 for one in found])
    colour = style.COLOURS[number % len(style.COLOURS)]
    axes.errorbar(means, at, xerr=half, fmt="none", ecolor=colour, elinewidth=0.8, zorder=2)
    marker = style.MARKERS[number % len(style.MARKERS)]
    axes.plot(means, at, marker, color=colour, markersize=3.6, label=m.name(label), zorder=3)


def _caption(found: Sequence[Change], others: Sequence[str], m: Material) -> str:
    """What is shown, of how much, and by which interval."""
    known = [one.difference for one in found if one.difference.known]
    kept = len(m.labels) - 1
    caption = f"{len(others)} of {kept} configurations. " if kept > len(others) else ""
    caption += (READING if known else NO_BARS).format(base=m.about.baseline)
    methods = sorted({one.method for one in known})
    if len(methods) == 1:
        caption += f" {methods[0]}."
    elif methods:
        few, many = (min(one.recordings for one in known), max(one.recordings for one in known))
        caption += f" Student's t, paired by seed and by what a row has, {few} to {many} recordings."
    return caption
