"""Figures of points: the front with its band, by stage of pruning, MACs against latency, all swept values at once."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from ablate.records import Record
from ablate.report.figures import latency, parallel, pareto, stages
from ablate.sections import ReportConfig
from tests.report import factory
from tests.report.figures import made


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_band_lies_between_what_one_seed_and_all_seeds_attain() -> None:
    m = made.material(made.study())
    (picture,) = pareto.pareto(m)
    axes = picture.figure.axes[0]
    (band,) = (some for some in axes.collections if isinstance(some, PolyCollection))
    error_LS, cost = m.error_LS, m.compute("inference_gmacs").to_numpy()
    top = axes.get_ylim()[1]
    for at in np.linspace(cost.min() + 0.1, cost.max() - 0.1, 7):
        reached_S = np.array([error_LS[cost <= at, seed].min() for seed in range(3)])
        low, high = float(reached_S.min()), float(min(reached_S.max(), top))
        edges = [(low - 0.01, False), (low + 0.01, True), (high - 0.01, True), (high + 0.01, False)]
        assert [band.get_paths()[0].contains_point((at, y)) for y, _ in edges] == [inside for _, inside in edges]
    assert "fronts of 3 seeds" in legend(picture.figure)
    assert "luckiest of 3 seeds" in picture.caption


def test_one_seed_has_no_band() -> None:
    (picture,) = pareto.pareto(made.material(made.study((0,))))
    assert not any(isinstance(some, PolyCollection) for some in picture.figure.axes[0].collections)
    assert "seeds attain" not in picture.caption


def test_names_and_bars_are_few_where_configurations_are_many() -> None:
    many = [factory.record("htp", keep, keep / 2, 0) for keep in np.linspace(0.05, 0.95, 200)]
    m = made.material([factory.record("d3dp"), *many])
    (picture,) = pareto.pareto(m)
    axes = picture.figure.axes[0]
    bars = [some for some in axes.collections if isinstance(some, LineCollection)]
    assert sum(len(some.get_segments()) for some in bars) <= 2 * pareto.BARS
    assert 0 < sum(isinstance(text, Annotation) for text in axes.texts) <= pareto.NAMED


def test_combinations_of_stages_are_told_apart() -> None:
    m = made.material(made.components(), baseline="htp with none", sweep=made.STAGES)
    (picture,) = stages.stages(m)
    assert legend(picture.figure) == [
        "none", "TCEP", "SFT", "MGPTP", "TCEP + SFT", "TCEP + MGPTP", "SFT + MGPTP", "TCEP + SFT + MGPTP",
    ]  # fmt: skip
    points = [line for line in picture.figure.axes[0].lines if line.get_label() in legend(picture.figure)]
    assert len({line.get_marker() for line in points}) == len(points) == 8
    drawn = sorted(np.concatenate([np.asarray(line.get_xdata()) for line in points]))
    assert drawn == pytest.approx(sorted(m.compute("inference_gmacs")))
    assert "8 configurations" in picture.caption


def test_stages_need_two_combinations_that_prune() -> None:
    assert list(stages.stages(made.material(made.study()))) == []
    assert list(stages.stages(made.material(factory.study()))) == []  # records that say nothing of pruning


def test_latency_is_beside_what_would_be_in_proportion() -> None:
    m = made.material(made.study())
    (picture,) = latency.latency(m)
    axes = picture.figure.axes[0]
    (line,) = (line for line in axes.lines if line.get_label() == "in proportion")
    dense = m.first["d3dp"]
    macs, ms = dense.compute["inference_gmacs"] or 0, m.compute("latency_ms")["d3dp"]
    assert np.asarray(line.get_ydata()) == pytest.approx(ms / macs * np.asarray(line.get_xdata()))
    above = m.compute("latency_ms") > ms / macs * m.compute("inference_gmacs") * (1 + 1e-9)
    assert f"{int(above.sum())} of 11 configurations with fewer MACs lie above it, 0 are no faster" in picture.caption
    assert "bars its quartiles" in picture.caption
    assert legend(picture.figure) == ["d3dp", "htp", "uniform", "in proportion"]


def test_latency_needs_the_baseline_measured() -> None:
    without = [replace(r, compute={**r.compute, "latency_ms": None}) if r.label == "d3dp" else r for r in made.study()]
    assert list(latency.latency(made.material(without))) == []
    old = [replace(r, compute={k: v for k, v in r.compute.items() if "_q" not in k}) for r in made.study()]
    (picture,) = latency.latency(made.material(old))
    assert "quartiles" not in picture.caption


def grid(count: int) -> list[Record]:
    return [factory.record("htp", keep, part * keep) for keep in np.linspace(0.1, 0.9, count) for part in (0.3, 0.6)]


def test_parallel_coordinates_show_each_configuration_once_with_the_front_on_top() -> None:
    m = made.material([factory.record("d3dp"), *grid(10)])
    (picture,) = parallel.parallel(m)
    axes = picture.figure.axes[0]
    others, front = (some for some in axes.collections if isinstance(some, LineCollection))
    assert len(others.get_segments()) + len(front.get_segments()) == 20  # not d3dp, which sweeps nothing
    assert len(front.get_segments()) == len(m.front - {"d3dp"})
    assert np.min(front.get_linewidth()) > np.max(others.get_linewidth())
    ranks = np.concatenate([others.get_array(), front.get_array()])
    assert sorted(ranks) == pytest.approx(np.linspace(0, 1, 20))
    ends = [line[-1, 1] for some in (others, front) for line in some.get_segments()]
    assert (np.argsort(ends) == np.argsort(ranks)).all()
    heights = np.array([line[:, 1] for some in (others, front) for line in some.get_segments()])
    assert (heights.min(axis=0) == 0).all()
    assert heights.max(axis=0) == pytest.approx(1)
    assert [text.get_text().split("\n")[0] for text in axes.get_xticklabels()][:2] == [
        "tcep.keep_ratio", "mgptp.keep_ratio",
    ]  # fmt: skip


def test_parallel_coordinates_need_many_configurations_and_three_axes() -> None:
    assert list(parallel.parallel(made.material(grid(3), planned=6))) == []
    assert list(parallel.parallel(made.material(grid(10), sweep=()))) == []


def test_a_study_by_another_measure_is_drawn_by_it() -> None:
    m = made.material(made.study(), report=ReportConfig(metric="mpjve", compute="latency_ms"))
    (picture,) = pareto.pareto(m)
    assert picture.figure.axes[0].get_ylabel() == "MPJVE, test (mm/frame)"
    assert picture.figure.axes[0].get_xlabel() == "latency (ms), one window"
