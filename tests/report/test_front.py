"""The front against brute force and hand-computed areas."""

from dataclasses import replace

import numpy as np
import pytest

from ablate.report import front
from ablate.report.figures import style
from ablate.report.figures.pareto import _front_line
from ablate.sections import ReportConfig
from ablate.statistics import fronts
from tests.report import factory
from tests.report.conftest import frame_of, tables_of


def dominated(point: np.ndarray, others: np.ndarray) -> bool:
    return any((other <= point).all() and (other < point).any() for other in others)


@pytest.mark.parametrize("seed", range(20))
def test_membership_equals_brute_force(seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 8, size=(25, 2)).astype(float)  # with ties and twins
    expected = [not dominated(point, points) for point in points]
    assert fronts.nondominated(points).tolist() == expected


def test_hypervolume_by_hand() -> None:
    # (4-1) x (4-3) above the first, (4-2) x (3-1) beside the second; (3, 3) adds nothing
    points = np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 3.0]])
    assert fronts.hypervolume(points, (4.0, 4.0)) == pytest.approx(7.0)


def test_the_front_is_of_means_on_the_test_split() -> None:
    records = factory.study()
    found = front.front(frame_of(records, factory.about()), factory.about())
    assert found is not None
    points = found.points.set_index("label")
    for label, point in points.iterrows():
        own = [record for record in records if record.label == label]
        assert point["error"] == pytest.approx(np.mean([r.value("mpjpe", "test") for r in own]))
        assert point["compute"] == pytest.approx(own[0].compute["inference_gmacs"])
    plane = points[["compute", "error"]].to_numpy()
    assert points["front"].tolist() == [not dominated(point, plane) for point in plane]
    assert found.reference == pytest.approx(tuple(1.1 * plane.max(axis=0)))
    assert found.share == pytest.approx(found.hypervolume / (found.reference[0] * found.reference[1]))


def test_a_study_chooses_its_axes() -> None:
    about = factory.about(report=ReportConfig(metric="mpjve", compute="latency_ms"))
    records = factory.study()
    found = front.front(frame_of(records, about), about)
    assert found is not None
    dense = found.points.set_index("label").loc["d3dp"]
    own = [record for record in records if record.label == "d3dp"]
    assert dense["error"] == pytest.approx(np.mean([r.value("mpjve", "test") for r in own]))
    assert dense["compute"] == pytest.approx(np.mean([r.compute["latency_ms"] or 0 for r in own]))


def test_no_front_where_compute_was_not_measured() -> None:
    about = factory.about(report=ReportConfig(compute="latency_ms"))
    records = [replace(r, compute={**r.compute, "latency_ms": None}) for r in factory.study()]
    assert front.front(frame_of(records, about), about) is None


def test_the_step_line_never_passes_below_what_is_reachable() -> None:
    from matplotlib.figure import Figure

    found = front.front(frame_of(factory.study(), factory.about()), factory.about())
    assert found is not None
    best = found.points[found.points["front"]].sort_values("compute")
    with style.house():
        axes = Figure().subplots()
        axes.scatter(found.points["compute"], found.points["error"])
        step_P2 = _front_line(axes, best)
    for compute, error in step_P2[:-1]:
        affordable = best[best["compute"] <= compute + 1e-9]
        assert error >= affordable["error"].min() - 1e-9


def test_the_front_says_how_surely_its_volume_is_known() -> None:
    made = tables_of(factory.study(), factory.about())["front"]
    assert any("95 % interval" in note and "over 3 seeds" in note for note in made.notes)
    alone = tables_of(factory.study(seeds=[0]), factory.about())["front"]
    assert any("one seed gives no interval" in note for note in alone.notes)


def test_groups_are_compared_by_their_fronts() -> None:
    made = tables_of(factory.study(), factory.about())["fronts"]
    assert list(made.heads.itertuples(index=False, name=None)) == [("htp", "uniform")]  # the dense row is no front
    difference, low, high, chance = (column.mean.iloc[0] for column in made.columns)
    assert low < difference < high
    assert 0.5 < chance <= 1  # more points, and nearer
    one = tables_of(factory.study(seeds=[0]), factory.about())["fronts"]
    assert one.columns[-1].mean.isna().all()
    assert any("One seed" in note for note in one.notes)
    few = [record for record in factory.study() if record.group != "uniform"]
    assert "fronts" not in tables_of(few, factory.about())
