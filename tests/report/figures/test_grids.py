"""Slices and heat maps: what stands where, and by which interval."""

import dataclasses

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from ablate.report.figures import heat, slices
from tests.report import factory
from tests.report.figures import made


def test_a_slice_holds_the_other_values_fixed() -> None:
    m = made.material(factory.study())
    points, others, _ = slices._points(factory.CLUSTERS, m)
    assert others == ["0.2", "0.333", "0.5"]
    (point,) = points[(points["group"] == "htp") & (points["others"] == "0.2") & (points["x"] == 0.25)].to_dict(
        "records"
    )
    expected = [r.value("mpjpe", "test") for r in m.records if r.params == {factory.KEEP: 0.2, factory.CLUSTERS: 0.25}]
    assert len(expected) == 3
    assert point["error"] == pytest.approx(np.mean(expected))


def test_bars_of_a_slice_are_the_intervals_of_the_table_of_differences() -> None:
    m = made.material(made.study())
    picture = next(iter(slices.slices(m)))
    bars = [c for c in picture.figure.axes[0].containers if isinstance(c, ErrorbarContainer)]
    drawn = [segment for bar in bars for segment in bar.lines[2][0].get_segments()]
    lengths = sorted(float(segment[1, 1] - segment[0, 1]) for segment in drawn)
    expected = sorted(one.high - one.low for one in m.differences.values())
    assert lengths == pytest.approx(expected)
    assert min(lengths) > 0
    assert "95 % intervals of the paired difference from d3dp" in picture.caption


def test_one_seed_draws_no_bars_and_says_so() -> None:
    m = made.material(made.study((0,)))
    picture = next(iter(slices.slices(m)))
    assert (m.intervals.around == 0).all(axis=None)
    assert "No bars" in picture.caption


def test_slices_need_two_values_and_take_words() -> None:
    kind = "model.pruning.recovery.kind"
    cells = zip((None, "cross_attention"), (0.5, 0.25), strict=True)
    records = [
        dataclasses.replace(factory.record("htp", keep, keep / 2), params={kind: value, factory.KEEP: 0.5})
        for value, keep in cells
    ]
    m = made.material([*records, factory.record("d3dp")], sweep=(kind, factory.KEEP))
    assert [picture.name for picture in slices.slices(m)] == ["slice_kind"]
    points, _, words = slices._points(kind, m)
    assert set(words) == {"off", "cross_attention"}
    assert sorted(points["x"]) == [0, 1]


def test_a_slice_of_many_values_shows_points_alone() -> None:
    rng = np.random.default_rng(0)
    sampled = [factory.record("htp", float(k), float(c)) for k, c in rng.uniform(0.1, 0.9, (40, 2))]
    picture = next(iter(slices.slices(made.material([factory.record("d3dp"), *sampled]))))
    assert not picture.figure.axes[0].containers
    assert "A point a configuration" in picture.caption


def test_a_heat_map_has_each_cell_where_it_belongs() -> None:
    m = made.material(made.study())
    (picture,) = heat.heat(m)
    assert picture.name == "heat_tcep_keep_ratio_mgptp_keep_ratio"
    error, cost = (axes.collections[0].get_array() for axes in picture.figure.axes)
    axes = picture.figure.axes[0]
    across = [text.get_text() for text in axes.get_xticklabels()]
    down = [text.get_text() for text in axes.get_yticklabels()]
    assert (across, down) == (["0.2", "0.333", "0.5"], ["0.0667", "0.111", "0.25"])
    label = next(r.label for r in m.records if r.params == {factory.KEEP: 0.5, factory.CLUSTERS: 1 / 9})
    assert error is not None
    assert cost is not None
    assert error[1, 2] == pytest.approx(m.errors.loc[label, "mean"])
    assert cost[1, 2] == pytest.approx(m.compute("inference_gmacs")[label])
    assert [text.get_text() for text in axes.texts] == [f"{value:.1f}" for value in np.asarray(error).ravel()]


def test_a_grid_with_a_hole_is_no_heat_map() -> None:
    records = [r for r in made.study() if r.params != {factory.KEEP: 0.5, factory.CLUSTERS: 1 / 9}]
    assert list(heat.heat(made.material(records))) == []
