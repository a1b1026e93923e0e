"""Human3.6M in VideoPose3D's layout: what is read is what was written, and each fault of a file has its message."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data import load, read
from ablate.data.camera import camera_to_world, denormalise_screen, normalise_screen, project
from ablate.data.config import VARIABLE, DataConfig
from ablate.data.h36m import JOINTS, POSES, SEEN
from ablate.data.h36m_cameras import EXTRINSICS, INTRINSICS, cameras
from ablate.data.windows import View, Windows
from ablate.errors import DataError
from tests.benchmarks import BEYOND, Layout, h36m, h36m_content, h36m_motion, write_h36m
from tests.conftest import SHARED

FIXTURE = Path(__file__).parents[1] / "fixtures" / "camera.npz"
NUMBERS = SHARED / "fixtures" / "h36m_cameras.json"
IDS = ["54138969", "55011271", "58860488", "60457274"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return h36m(tmp_path_factory.mktemp("h36m"))


@pytest.fixture(scope="module")
def files() -> dict[str, Layout]:
    """What the three files of ``folder`` hold."""
    return h36m_content(h36m_motion())


def config(folder: Path, **changes: Any) -> DataConfig:
    return replace(DataConfig(name="h36m", path=str(folder)), **changes)


def view_of(windows: Windows, label: str) -> View:
    return next(view for view in windows.views if view.label == label)


def test_subjects_actions_and_the_dropped_sequence(folder: Path, tmp_path: Path) -> None:
    splits = load(config(folder), 9, tmp_path)
    assert splits.info["subjects"] == {"train": ["S1", "S5", "S6", "S7"], "validation": ["S8"], "test": ["S9", "S11"]}
    assert splits.info["clips"] == {"train": 8, "validation": 2, "test": 4}
    assert splits.info["fps"] == [50.0]
    assert {view.recording for view in splits.test.views} == {
        f"{subject}/{name}" for subject in ("S9", "S11") for name in ("Walking 1", "Sitting")
    }
    assert {view.action for view in splits.test.views} == {"Walking", "Sitting"}
    assert [view.camera.name for view in splits.test.views[:4]] == IDS
    assert [view.camera_index for view in splits.test.views[:4]] == [0, 1, 2, 3]
    assert "CC BY-NC 4.0" in splits.info["licence"]


def test_all_five_can_be_trained_on_as_papers_do(folder: Path, tmp_path: Path) -> None:
    splits = load(config(folder, hold_out=False), 9, tmp_path)
    assert splits.info["subjects"]["train"] == ["S1", "S5", "S6", "S7", "S8"]
    assert splits.info["subjects"]["validation"] == ["S8"]
    assert splits.digest != load(config(folder), 9, tmp_path).digest


@pytest.mark.parametrize("kind", ["gt", "detector"])
def test_2d_is_the_files_own_cropped_to_the_3d(
    kind: str, folder: Path, files: dict[str, Layout], tmp_path: Path
) -> None:
    splits = load(config(folder, input=kind), 9, tmp_path)
    for index, name in enumerate(IDS):
        view = view_of(splits.train, f"S5/Sitting {name}")
        pixels_TJ2 = files[SEEN[kind]]["S5"]["Sitting"][index]
        assert len(view) == len(files[POSES]["S5"]["Sitting"]) == len(pixels_TJ2) - BEYOND
        expected_TJ2 = normalise_screen(pixels_TJ2[: len(view)], view.camera.resolution)
        np.testing.assert_array_equal(view.x2d_TJ2, expected_TJ2.astype(np.float32))


def test_3d_is_root_relative_before_each_camera_and_the_root_goes_apart(
    folder: Path, files: dict[str, Layout], tmp_path: Path
) -> None:
    splits = load(config(folder), 9, tmp_path)
    raw_TR3 = files[POSES]["S9"]["Walking 1"]
    for name in IDS:
        view = view_of(splits.test, f"S9/Walking 1 {name}")
        assert (view.x3d_TJ3[:, 0] == 0).all()
        world_TJ3 = camera_to_world(view.x3d_TJ3 + view.root_T3[:, None], view.camera)
        np.testing.assert_allclose(world_TJ3, raw_TR3[:, JOINTS], atol=2e-6)
        assert view.root_T3[:, 2].min() > 2, "nobody stands in the camera"


def test_true_2d_is_the_projection_with_both_distortions(folder: Path, tmp_path: Path) -> None:
    """The built-in cameras are those that the 2D was seen through: the file's pixels come out to a hundredth."""
    splits = load(config(folder, input="gt"), 9, tmp_path)
    for view in splits.test.views:
        assert all(view.camera.intrinsic)  # radial and tangential terms, all of them
        points_TJ3 = view.x3d_TJ3 + view.root_T3[:, None]
        bent = denormalise_screen(project(points_TJ3, view.camera), view.camera.resolution)
        seen = denormalise_screen(view.x2d_TJ2, view.camera.resolution)
        assert np.abs(bent - seen).max() < 0.01
        straight = replace(view.camera, intrinsic=(*view.camera.intrinsic[:4], 0, 0, 0, 0, 0))
        assert np.abs(denormalise_screen(project(points_TJ3, straight), view.camera.resolution) - seen).max() > 1


def test_cameras_are_those_of_the_reference() -> None:
    """As VideoPose3D processes them: the fixture holds its float32 cameras of S1 (first) and S9 (third)."""
    with np.load(FIXTURE, allow_pickle=False) as reference:
        for row, camera in enumerate((cameras("S1")[0], cameras("S9")[2])):
            np.testing.assert_allclose(camera.orientation, reference["orientation"][row], atol=2e-7)
            np.testing.assert_allclose(camera.translation, reference["translation"][row], atol=1e-6)
            np.testing.assert_allclose(camera.intrinsic, reference["intrinsic"][row], atol=2e-7)
            assert list(camera.resolution) == reference["resolution"][row].tolist()


@pytest.mark.skipif(not NUMBERS.is_file(), reason="the numbers are not beside the repository")
def test_every_number_of_the_cameras() -> None:
    wanted = json.loads(NUMBERS.read_text())
    assert wanted["intrinsics"] == INTRINSICS
    assert wanted["extrinsics"] == EXTRINSICS


def test_seven_subjects_each_have_four_cameras() -> None:
    assert sorted(EXTRINSICS) == ["S1", "S11", "S5", "S6", "S7", "S8", "S9"]
    for subject in EXTRINSICS:
        assert [camera.name for camera in cameras(subject)] == IDS
        assert [camera.resolution[1] for camera in cameras(subject)] == [1002, 1000, 1000, 1002]


def refused(files: dict[str, Layout], folder: Path) -> str:
    """The message where all that the files hold is gone through."""
    write_h36m(folder, files)
    with pytest.raises(DataError) as caught:
        [list(clips) for clips in read(config(folder), folder).splits.values()]
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def without(*place: Any) -> Callable[[dict[str, Layout]], None]:
    def change(files: dict[str, Layout]) -> None:
        held: Any = files
        for key in place[:-1]:
            held = held[key]
        del held[place[-1]]

    return change


def put(*place: Any, by: Callable[[Any], Any]) -> Callable[[dict[str, Layout]], None]:
    def change(files: dict[str, Layout]) -> None:
        held: Any = files
        for key in place[:-1]:
            held = held[key]
        held[place[-1]] = by(held[place[-1]])

    return change


def with_nan(array: Any) -> Any:
    array = array.copy()
    array[7, 3, 1] = np.nan
    return array


CPN = SEEN["detector"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without(POSES, "S6"), "has no S6; there is S1, S5, S7"),
        (without(CPN, "S9"), "has no S9; there is S1, S5, S6"),
        (without(CPN, "S1", "Sitting"), "S1: has no Sitting; there is Walking 1"),
        (without(CPN, "S1", "Sitting", 2), "S1/Sitting: has 3 for 4 cameras"),
        (put(CPN, "S1", "Sitting", by=lambda views: views * 2), "has 8 for 4 cameras"),
        (put(CPN, "S1", "Sitting", by=lambda views: views[0]), "has a ndarray for 4 cameras"),
        (put(CPN, "S1", by=list), "S1: holds list, expected a dict with Walking 1"),
        (put(POSES, "S7", by=lambda actions: {}), "S7: holds no actions"),
        (put(POSES, "S7", by=lambda actions: list(actions.values())), "S7: holds no actions"),
        (put(POSES, "S1", "Sitting", by=lambda a: a[:, JOINTS]), "has shape (40, 17, 3), expected (T, 32, 3)"),
        (put(POSES, "S1", "Sitting", by=lambda a: a[..., :2]), "has shape (40, 32, 2)"),
        (put(POSES, "S1", "Sitting", by=lambda a: a[:0]), "has shape (0, 32, 3)"),
        (put(POSES, "S1", "Sitting", by=lambda a: a.tolist()), "holds list, expected an array (T, 32, 3)"),
        (put(POSES, "S1", "Sitting", by=lambda a: a.astype("U9")), "holds <U9, expected floating-point numbers"),
        (put(POSES, "S1", "Sitting", by=lambda a: a * 1000), "is the unit metres?"),
        (put(POSES, "S1", "Sitting", by=with_nan), "S1/Sitting: 1 frames hold NaN or infinity, first 7"),
        (put(CPN, "S8", "Sitting", 1, by=with_nan), "S8/Sitting, camera 55011271: 1 frames hold NaN"),
        (put(CPN, "S8", "Sitting", 1, by=lambda a: a[:, :16]), "expected (T, 17, 2)"),
        (put(CPN, "S8", "Sitting", 1, by=lambda a: a[:20]), "has 20 frames, and its 3D has 44"),
        (put(CPN, "S8", "Sitting", 1, by=lambda a: a / 1000), "is it in pixels?"),
    ],
)
def test_faults_of_the_files(change: Callable[[dict[str, Layout]], None], said: str, tmp_path: Path) -> None:
    files = h36m_content(h36m_motion())
    change(files)
    assert said in refused(files, tmp_path)


def test_files_that_are_not_there(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(DataError, match=r"not told where its files are; set data\.path"):
        read(DataConfig(name="h36m"), tmp_path)
    with pytest.raises(DataError, match=f"holds no {POSES} and no {CPN}"):
        read(config(tmp_path), tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=VARIABLE):
        read(DataConfig(name="h36m"), tmp_path)
    monkeypatch.setenv(VARIABLE, str(folder))
    assert read(DataConfig(name="h36m"), tmp_path).kept is not None
    with pytest.raises(DataError, match="can't be looked at"):
        read(config(tmp_path / ("long" * 2000)), tmp_path)


@pytest.mark.parametrize("kept", [0, 100, -200])
def test_cut_short(kept: int, tmp_path: Path) -> None:
    h36m(tmp_path)
    path = tmp_path / POSES
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=f"{POSES}: positions_3d can't be read"):
        load(config(tmp_path), 9, tmp_path / "home")
    assert not list((tmp_path / "home" / "cache").glob("*.half"))


def test_another_npz_under_the_name(tmp_path: Path) -> None:
    h36m(tmp_path)
    (tmp_path / CPN).write_bytes((tmp_path / POSES).read_bytes())
    with pytest.raises(DataError, match="has no key positions_2d, only positions_3d"):
        load(config(tmp_path), 9, tmp_path / "home")
