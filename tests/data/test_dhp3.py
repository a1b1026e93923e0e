"""MPI-INF-3DHP in P-STMO's layout: joints, units, lenses and valid frames, and each fault of a file has its message."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data import load, read
from ablate.data.camera import denormalise_screen, project
from ablate.data.config import DataConfig
from ablate.data.dhp3 import CAMERAS, FILES, ORDER, OUTDOORS, fitted, lens_of
from ablate.data.skeleton import NAMES
from ablate.data.windows import View, Windows
from ablate.errors import DataError
from tests.benchmarks import Layout, dhp3, dhp3_content, write_dhp3

FIXTURE = Path(__file__).parents[1] / "fixtures" / "camera.npz"
# The dataset's own joints, in its order.
THEIRS = (
    *("head_top", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "pelvis", "spine", "head"),
)
RENAMED = {"hip": "pelvis", "thorax": "neck", "neck_nose": "head", "head": "head_top"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dhp3(tmp_path_factory.mktemp("3dhp"))


def config(folder: Path, **changes: Any) -> DataConfig:
    return replace(DataConfig(name="3dhp", path=str(folder), input="gt", annotations="annot3"), **changes)


def view_of(windows: Windows, label: str) -> View:
    return next(view for view in windows.views if view.label == label)


def test_joints_change_places_by_name() -> None:
    assert [THEIRS[place] for place in ORDER] == [RENAMED.get(name, name) for name in NAMES]


def test_subjects_cameras_and_rates(folder: Path, tmp_path: Path) -> None:
    splits = load(config(folder), 9, tmp_path)
    assert splits.info["subjects"]["train"] == [f"S{i}" for i in range(1, 8)]
    assert splits.info["subjects"]["validation"] == ["S8"]
    assert splits.info["subjects"]["test"] == [f"TS{i}" for i in range(1, 7)]
    assert splits.info["annotations"] == "annot3"
    assert [view.camera.name for view in splits.train.views[:8]] == list(CAMERAS)
    assert {view.fps for view in splits.train.views if view.subject == "S1"} == {50.0}
    assert {view.fps for view in splits.train.views if view.subject == "S2"} == {25.0}
    assert {(view.subject, view.action, view.recording) for view in splits.validation.views} == {
        ("S8", "Seq1", "S8/Seq1"),
        ("S8", "Seq2", "S8/Seq2"),
    }
    five = load(config(folder, hold_out=False), 9, tmp_path)
    assert five.info["subjects"]["train"] == [f"S{i}" for i in range(1, 9)]


def test_millimetres_before_the_camera_become_metres_about_the_root(folder: Path, tmp_path: Path) -> None:
    splits, (train, test) = load(config(folder), 9, tmp_path), dhp3_content()
    for view, held in (
        (view_of(splits.train, "S3/Seq1 5"), train["S3 Seq1"][0]["5"]),
        (view_of(splits.test, "TS6 test"), test["TS6"]),
    ):
        metres_TJ3 = held["data_3d"][:, ORDER] / 1000
        assert (view.x3d_TJ3[:, 0] == 0).all()
        np.testing.assert_allclose(view.root_T3, held["data_3d"][:, 14] / 1000, rtol=1e-6)
        np.testing.assert_allclose(view.x3d_TJ3 + view.root_T3[:, None], metres_TJ3, atol=2e-6)
        pixels_TJ2 = denormalise_screen(view.x2d_TJ2, view.camera.resolution)
        np.testing.assert_allclose(pixels_TJ2, held["data_2d"][:, ORDER], atol=1e-3)


def test_the_two_wide_sequences_have_a_resolution_of_their_own(folder: Path, tmp_path: Path) -> None:
    splits = load(config(folder), 9, tmp_path)
    for view in splits.test.views:
        assert view.camera.resolution == ((1920, 1080) if view.subject in ("TS5", "TS6") else (2048, 2048))
    assert {view.camera.resolution for view in splits.train.views} == {(2048, 2048)}


def test_lenses_of_the_test_cameras_are_those_of_the_reference() -> None:
    with np.load(FIXTURE, allow_pickle=False) as reference:
        for row, sequence in enumerate(("TS1", "TS5")):
            lens, _ = lens_of(sequence)
            np.testing.assert_allclose(lens, reference["dhp/camera_px"][row, :4], rtol=1e-6)
            assert not reference["dhp/camera_px"][row, 4:].any()
    assert set(OUTDOORS) == {"TS5", "TS6"}


def test_lenses_of_the_training_cameras_are_found_from_the_pairs(folder: Path, tmp_path: Path) -> None:
    splits = load(config(folder), 9, tmp_path)
    for view in splits.train.views:
        fx, fy, cx, cy, *rest = view.camera.intrinsic
        index = view.camera_index
        found = (fx * 1024, fy * 1024, cx * 1024 + 1024, cy * 1024 + 1024)
        np.testing.assert_allclose(found, (1500 + index, 1498 + index, 1020 - index, 1030 + index), atol=1e-6)
        assert not any(rest)
        points_TJ3 = view.x3d_TJ3 + view.root_T3[:, None]
        np.testing.assert_allclose(project(points_TJ3, view.camera), view.x2d_TJ2, atol=1e-5)


def test_a_lens_is_fitted_by_least_squares() -> None:
    """Noise of a pixel over many points leaves little of it; and the fit is better than its neighbours."""
    rng = np.random.default_rng(0)
    points_TJ3 = rng.uniform((-800, -900, 3000), (800, 900, 5000), (300, 17, 3))
    pixels_TJ2 = np.array([1500, 1480]) * points_TJ3[..., :2] / points_TJ3[..., 2:] + np.array([1000, 1040])
    pixels_TJ2 += rng.normal(0, 1, pixels_TJ2.shape)
    lens = fitted(points_TJ3, pixels_TJ2, "here")
    np.testing.assert_allclose(lens, (1500, 1480, 1000, 1040), atol=0.5)

    def misfit(lens: tuple[float, ...]) -> float:
        shown = np.array(lens[:2]) * points_TJ3[..., :2] / points_TJ3[..., 2:] + np.array(lens[2:])
        return float(((shown - pixels_TJ2) ** 2).sum())

    for i in range(4):
        for step in (-0.05, 0.05):
            other = [*lens]
            other[i] += step
            assert misfit(tuple(other)) > misfit(lens)


def test_frames_that_are_not_valid_are_lifted_and_never_counted(folder: Path, tmp_path: Path) -> None:
    splits, (_, test) = load(config(folder), 9, tmp_path), dhp3_content()
    windows = splits.test
    assert windows.counted_WF.sum() == sum(int(held["valid"].sum()) for held in test.values())
    batch = windows.batch(np.arange(len(windows)))
    view = view_of(windows, "TS2 test")
    valid_T = test["TS2"]["valid"] > 0
    np.testing.assert_array_equal(view.valid_T, valid_T)
    own_W = windows.view_W == windows.views.index(view)
    counted = batch.root_BF3[own_W][batch.counted_BF[own_W]]
    np.testing.assert_array_equal(np.unique(counted[:, 0]), np.unique(view.root_T3[valid_T][:, 0]))
    assert splits.train.counted_WF.all(axis=1).any()
    assert splits.digest != load(config(dhp3_all_valid(tmp_path / "valid")), 9, tmp_path).digest


def dhp3_all_valid(folder: Path) -> Path:
    train, test = dhp3_content()
    for held in test.values():
        held["valid"] = np.ones((len(held["valid"]), 1), bool)
    return write_dhp3(folder, train, test)


def test_what_must_be_named_and_what_there_is_not(folder: Path) -> None:
    def problems(**changes: Any) -> dict[str, str]:
        return {".".join(place): text for place, text in config(folder, **changes).problems()}

    assert problems() == {}
    assert "annot3 (true size) or univ_annot3 (one size)" in problems(annotations=None)["annotations"]
    assert "hold no detections; set data.input: gt" in problems(input="detector")["input"]
    assert "is of 3dhp alone" in problems(name="h36m")["annotations"]


def refused(train: Layout, test: Layout, folder: Path) -> str:
    write_dhp3(folder, train, test)
    with pytest.raises(DataError) as caught:
        [list(clips) for clips in read(config(folder), folder).splits.values()]
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def changed(content: Layout, *place: Any, by: Callable[[Any], Any] | None) -> None:
    """``by``: what becomes of what stands at ``place``; None takes it out."""
    held: Any = content
    for key in place[:-1]:
        held = held[key]
    if by is None:
        del held[place[-1]]
    else:
        held[place[-1]] = by(held[place[-1]])


def with_nan(array: Any) -> Any:
    array = array.copy()
    array[5, 3, 1] = np.inf
    return array


TRAINING: list[tuple[tuple[Any, ...], Callable[[Any], Any] | None, str]] = [
    (("S3 Seq1",), None, "has no sequence of S3"),
    (("S3 Seq1", 0, "4"), None, "S3 Seq1: has no 4; there is 0, 1, 2, 5"),
    (("S3 Seq1",), lambda held: held[0], "S3 Seq1: holds a dict, expected [cameras, frames per second]"),
    (("S3 Seq1", 1), lambda fps: "fast", "S3 Seq1: frames per second must be a number"),
    (("S3 Seq1", 1), lambda fps: 0, "S3 Seq1: frames per second must be a number"),
    (("S3 Seq1", 0), lambda held: [held], "holds list, expected a dict with 0"),
    (("S3 Seq1", 0, "0", "data_2d"), None, "S3 Seq1, camera 0: has no data_2d; there is data_3d"),
    (("S3 Seq1", 0, "0", "data_2d"), lambda a: a[:9], "has 42 frames of 3D and 9 of 2D"),
    (("S3 Seq1", 0, "0", "data_2d"), with_nan, "data_2d: 1 frames hold NaN or infinity, first 5"),
    (("S3 Seq1", 0, "0", "data_3d"), with_nan, "data_3d: 1 frames hold NaN or infinity, first 5"),
    (("S3 Seq1", 0, "0", "data_3d"), lambda a: a[:, :14], "has shape (42, 14, 3), expected (T, 17, 3)"),
    (("S3 Seq1", 0, "0", "data_3d"), lambda a: a / 1000, "is the unit millimetres?"),
    (("S3 Seq1", 0, "0", "data_3d"), lambda a: -a, "somebody stands behind the camera"),
    (("S3 Seq1", 0, "0", "data_3d"), lambda a: a * 0 + [1, 2, 3000], "all joints lie in one line of sight"),
]


@pytest.mark.parametrize(("place", "by", "said"), TRAINING)
def test_faults_of_the_training_file(
    place: tuple[Any, ...], by: Callable[[Any], Any] | None, said: str, tmp_path: Path
) -> None:
    train, test = dhp3_content()
    changed(train, *place, by=by)
    assert said in refused(train, test, tmp_path)


TESTING: list[tuple[tuple[Any, ...], Callable[[Any], Any] | None, str]] = [
    (("TS4",), None, "has no TS4; there is TS1, TS2, TS3"),
    (("TS4", "valid"), None, "TS4: has no valid"),
    (("TS4", "valid"), lambda a: a[:-1], "TS4, valid: expected 43 numbers"),
    (("TS4", "valid"), lambda a: a.tolist(), "TS4, valid: expected 43 numbers"),
    (("TS4", "valid"), lambda a: a * 0, "TS4, valid: no frame is"),
    (("TS4", "data_3d"), with_nan, "TS4, data_3d: 1 frames hold NaN"),
    (("TS4", "data_2d"), lambda a: a[:, :16], "expected (T, 17, 2)"),
]


@pytest.mark.parametrize(("place", "by", "said"), TESTING)
def test_faults_of_the_test_file(
    place: tuple[Any, ...], by: Callable[[Any], Any] | None, said: str, tmp_path: Path
) -> None:
    train, test = dhp3_content()
    changed(test, *place, by=by)
    assert said in refused(train, test, tmp_path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"holds no {FILES[0]} and no {FILES[1]}")):
        read(config(tmp_path), tmp_path)
