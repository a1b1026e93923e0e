"""Strips of kept frames and of skeletons, and the animation."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

from ablate.report.figures import curves, skeletons, strip
from tests.report import factory, posing
from tests.report.figures import made


def test_strips_show_at_most_eight_configurations_of_one_window() -> None:
    m = made.material(factory.study())
    rows, found = strip._chosen(list(m.first.values()))
    assert (len(rows), found) == (strip.ROWS, 11)
    assert len({record.label for record in rows}) == strip.ROWS
    last = m.records[-1]
    other = dict(last.arrays) | {"strip/motion": np.ones(factory.FRAMES, np.float32)}
    few = made.material([*m.records[:6], dataclasses.replace(last, arrays=other)])
    assert [record.label for record in strip._chosen(list(few.first.values()))[0]] == [m.records[3].label]
    dense = made.material([record for record in m.records if record.label == "d3dp"])
    assert list(strip.strip(dense)) == []


def test_rows_are_the_truth_the_baseline_a_pruned_one_and_its_hypotheses() -> None:
    m = made.material(made.study(hypotheses=3))
    rows, shown = skeletons._rows(m)
    cheapest = min((r for r in m.records if r.label in m.front), key=lambda r: r.compute["inference_gmacs"] or 0)
    assert [record.label for record in shown] == ["d3dp", cheapest.label]
    assert [row.name.split("\n")[0] for row in rows] == ["truth", "d3dp", m.name(cheapest.label), "3 hypotheses of"]
    assert rows[3].cloud_HFJ3 is not None
    assert rows[3].cloud_HFJ3.shape == (3, factory.FRAMES, 17, 3)
    pose, truth = shown[1].arrays["sample/pose"], shown[1].arrays["sample/truth"]
    error_mm = 1000 * np.linalg.norm(pose - truth, axis=-1).mean()
    assert rows[2].name.endswith(f"{error_mm:.1f} mm")
    assert rows[2].kept_K is not None
    assert rows[1].kept_K is None


def test_skeletons_stand_in_rows_in_the_order_of_time() -> None:
    (picture,) = skeletons.skeletons(made.material(made.study(hypotheses=3)))
    axes = picture.figure.axes[0]
    lines = [some for some in axes.collections if isinstance(some, LineCollection)]
    counts = [len(some.get_segments()) for some in lines]
    row = skeletons.TIMES * 16
    assert counts == [row, row, row, row, row, 3 * row, row]  # truth; pose over truth, twice; cloud and its mean
    hips = np.array([lines[0].get_segments()[16 * t][0] for t in range(skeletons.TIMES)])
    assert (np.diff(hips[:, 0]) > 0).all()
    assert np.allclose(hips[:, 1], hips[0, 1])
    said = [text.get_text() for text in axes.texts]
    assert [text for text in said if text.isdigit()] == [
        "0", "7", "15", "22", "29", "36", "44", "51", "58", "65", "73", "80",
    ]  # fmt: skip


def test_the_animation_moves_and_ends() -> None:
    (picture,) = skeletons.skeletons(made.material(made.study(hypotheses=3)))
    assert picture.moving is not None
    image = Image.open(io.BytesIO(picture.moving))
    frames = []
    for place in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(place)
        frames.append(np.asarray(image.convert("RGB")))
    assert len(frames) == skeletons.STEPS
    assert all((a != b).any() for a, b in itertools.pairwise(frames))
    assert len(picture.moving) < 1_000_000
    (again,) = skeletons.skeletons(made.material(made.study(hypotheses=3)))
    assert again.moving == picture.moving


def test_old_records_and_other_windows_have_no_skeletons() -> None:
    assert list(skeletons.skeletons(made.material(factory.study()))) == []
    records = made.study()
    other = {"sample/truth": posing.truth() + np.float32(0.01)}
    moved = [dataclasses.replace(r, arrays={**r.arrays, **other}) if r.label != "d3dp" else r for r in records]
    rows, _ = skeletons._rows(made.material(moved))
    assert [row.name.split("\n")[0] for row in rows] == ["truth", "d3dp"]


def test_a_training_is_one_line_and_its_kept_epoch_one_dot() -> None:
    m = made.material(factory.study())
    (picture,) = curves.curves(m)
    for axes, curve in zip(picture.figure.axes, ("train_loss_mm", "validation_mpjpe_mm"), strict=True):
        lines = [line for some in axes.collections for line in some.get_segments()]  # type: ignore[attr-defined]
        assert len(lines) == 6
        expected = sorted(record.curves[curve][0] for record in {r.training_key: r for r in m.records}.values())
        assert sorted(float(line[0, 1]) for line in lines) == pytest.approx(expected)
        dots = [line for line in axes.lines if line.get_marker() == "o" and len(np.asarray(line.get_xdata()))]
        assert sum(len(np.asarray(line.get_xdata())) for line in dots) == 6
    assert [text.get_text() for text in picture.figure.legends[0].get_texts()] == [
        "d3dp", "htp, uniform", "kept epoch",
    ]  # fmt: skip
