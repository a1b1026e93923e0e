"""Compute by stage, and differences by action and joint."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from ablate.data.skeleton import NAMES
from ablate.report.figures import changes, parts
from ablate.statistics.differences import difference
from models.cost import STAGES
from tests.report import factory
from tests.report.figures import made


def test_every_stage_of_a_cost_has_its_look() -> None:
    assert set(STAGES) < set(parts.STAGES)
    assert len({(colour, hatch) for _, colour, hatch in parts.STAGES.values()}) == len(parts.STAGES)


def test_bars_add_up_to_what_inference_takes() -> None:
    m = made.material(made.study())
    (picture,) = parts.parts(m)
    axes = picture.figure.axes[0]
    assert [bars.get_label() for bars in axes.containers] == [parts.STAGES[stage][0] for stage in made.SHARES]
    ends = np.max([[bar.get_x() + bar.get_width() for bar in bars] for bars in axes.containers], axis=0)
    rows = m.few(parts.ROWS)
    assert ends == pytest.approx(m.compute("inference_gmacs")[rows].to_numpy())
    assert [text.get_text() for text in axes.get_yticklabels()] == [m.name(label) for label in rows]
    total = m.compute("inference_gmacs")
    change = 100 * (total[rows[1]] / total["d3dp"] - 1)
    assert axes.texts[0].get_text() == f"{total['d3dp']:.3g}"
    assert axes.texts[1].get_text() == f"{total[rows[1]]:.3g} ({change:+.0f} %)".replace("-", "−")  # noqa: RUF001


def test_many_configurations_are_thinned_to_a_few_with_the_baseline() -> None:
    many = [made.full(factory.record("htp", keep, keep / 2)) for keep in np.linspace(0.05, 0.95, 100)]
    m = made.material([made.full(factory.record("d3dp")), *many])
    (picture,) = parts.parts(m)
    names = [text.get_text() for text in picture.figure.axes[0].get_yticklabels()]
    assert len(names) == parts.ROWS
    assert names[0] == "d3dp"
    assert "14 of 101 configurations" in picture.caption


def test_old_records_have_no_bars_by_stage_joint_or_action() -> None:
    m = made.material(factory.study())
    assert list(parts.parts(m)) == list(changes.changes(m)) == []


def test_differences_by_action_are_those_of_its_recordings() -> None:
    m = made.material(made.study())
    by_action, by_joint = changes.changes(m)
    assert (by_action.name, by_joint.name) == ("action_differences", "joint_differences")
    axes = by_action.figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == sorted(factory.ACTIONS)
    points = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    labels = [label for label in m.few(changes.SHOWN + 1) if label != "d3dp"]
    assert [line.get_label() for line in points] == [m.name(label) for label in labels]
    for line, label in zip(points, labels, strict=True):
        expected = [difference(m.samples.of_action(action), label, "d3dp") for action in sorted(factory.ACTIONS)]
        assert np.asarray(line.get_xdata()) == pytest.approx([one.mean for one in expected])
    bars = [some for some in axes.collections if isinstance(some, LineCollection)]
    (first, *_), low = bars[0].get_segments(), difference(m.samples.of_action("running"), labels[0], "d3dp").low
    assert first[0, 0] == pytest.approx(low)
    assert "4 of 11 configurations" in by_action.caption


def test_differences_by_joint_are_paired_by_seed() -> None:
    m = made.material(made.study())
    picture = list(changes.changes(m))[1]
    axes = picture.figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == [name.replace("_", " ") for name in NAMES[1:]]
    label = next(label for label in m.few(changes.SHOWN + 1) if label != "d3dp")
    line = next(line for line in axes.lines if line.get_label() == m.name(label))
    own, base = (
        np.mean([r.arrays["test/joint_mm"] for r in m.records if r.label == name], axis=0) for name in (label, "d3dp")
    )
    assert np.asarray(line.get_xdata()) == pytest.approx((own - base)[1:], rel=1e-4, abs=1e-4)
    assert "paired by 3 seeds alone" in picture.caption


def test_one_seed_gives_differences_without_bars() -> None:
    for picture in changes.changes(made.material(made.study((0,)))):
        assert "No bars: one seed" in picture.caption


def test_differences_need_the_baseline() -> None:
    records = [replace(r, arrays={}) if r.label == "d3dp" else r for r in made.study()]
    assert [picture.name for picture in changes.changes(made.material(records))] == []
    others = [r for r in made.study() if r.label != "d3dp"]
    assert list(changes.changes(made.material(others))) == []
