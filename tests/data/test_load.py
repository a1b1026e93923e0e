"""The way from a configuration to windows: what comes out, and a digest that moves with every number."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablate.data import load
from ablate.data.camera import project, world_to_camera
from ablate.data.config import DATASETS, DataConfig
from ablate.data.film import digest, film
from ablate.data.recording import Camera, Recording, Source
from ablate.data.synthetic import read
from ablate.data.windows import joined
from ablate.errors import DataError
from models.names import Later
from tests.motion import recording

CONFIG = DataConfig(clip_seconds=1, cameras=2)
HOME = Path("nothing-of-this-is-kept")


def people() -> list[Recording]:
    """The recordings of the synthetic test split."""
    return [clip for clip in read(CONFIG).splits["test"] if isinstance(clip, Recording)]


def test_every_dataset_has_a_reader() -> None:
    for reader in DATASETS.values():
        assert isinstance(reader, Later)
        assert callable(reader.itself)


def test_configuring_needs_no_numpy() -> None:
    code = "import sys, ablate.data.config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_views_hold_what_they_say() -> None:
    recording = people()[0]
    views = film(recording, replace(CONFIG, input="gt"))
    assert [view.camera_index for view in views] == [0, 1]
    assert len({view.label for view in views}) == 2
    for view in views:
        assert (view.x3d_TJ3[:, 0] == 0).all(), "the root must be exactly zero"
        points_TJ3 = world_to_camera(recording.world_TJ3, view.camera)
        np.testing.assert_allclose(view.x3d_TJ3 + view.root_T3[:, None], points_TJ3, atol=1e-5)
        np.testing.assert_allclose(view.x2d_TJ2, project(points_TJ3, view.camera), atol=1e-6)
        assert (view.subject, view.action, view.recording) == ("P13", "Walking", "P13/Walking")
        assert all(a.dtype == np.float32 for a in (view.x2d_TJ2, view.x3d_TJ3, view.root_T3))


def test_detector_input_is_the_truth_with_noise_of_some_pixels() -> None:
    recording = people()[0]
    for true, seen in zip(film(recording, replace(CONFIG, input="gt")), film(recording, CONFIG), strict=True):
        np.testing.assert_array_equal(true.x3d_TJ3, seen.x3d_TJ3)
        pixels = np.linalg.norm(true.x2d_TJ2 - seen.x2d_TJ2, axis=-1) * 500
        assert 2 < np.median(pixels) < 12


def test_a_view_depends_on_its_recording_alone() -> None:
    alone = film(people()[3], CONFIG)
    together = load(CONFIG, 9, HOME).test.views[6:8]
    for one, other in zip(alone, together, strict=True):
        assert one.label == other.label
        np.testing.assert_array_equal(one.x2d_TJ2, other.x2d_TJ2)


def test_a_recording_with_cameras_keeps_them() -> None:
    camera = Camera(
        name="54138969",
        orientation=(0.5, -0.5, 0.5, -0.5),
        translation=(-5, 0, 1),
        intrinsic=(2.29, 2.29, 0.02, 0.01, -0.2, 0.24, 0, 0, 0),
        resolution=(1000, 1002),
    )
    recording = replace(people()[0], cameras=(camera,))
    (view,) = film(recording, CONFIG)
    assert view.camera is camera
    assert view.label == "P13/Walking 54138969"


def test_digest_is_stable_and_moves_with_the_numbers() -> None:
    digest = load(CONFIG, 9, HOME).digest
    assert len(digest) == 64
    assert load(CONFIG, 27, HOME).digest == digest, "the same data in other windows"
    changed = (
        replace(CONFIG, seed=1),
        replace(CONFIG, input="gt"),
        replace(CONFIG, cameras=1),
        replace(CONFIG, clip_seconds=1.1),
    )
    assert len({load(config, 9, HOME).digest for config in changed} | {digest}) == len(changed) + 1


def test_info_is_plain_and_tells_what_there_is() -> None:
    info = json.loads(json.dumps(load(CONFIG, 9, HOME).info, allow_nan=False))
    assert info["name"] == "synthetic"
    assert info["input"] == "detector"
    assert info["subjects"]["test"] == ["P13", "P14", "P15", "P16"]
    assert info["clips"] == {"train": 90, "validation": 18, "test": 36}
    assert info["minutes"]["train"] == pytest.approx(1.5)
    assert info["fps"] == [50.0]
    assert info["licence"]


def test_all_frames_of_all_views_count_once() -> None:
    splits = load(CONFIG, 27, HOME)
    for windows in (splits.train, splits.validation, splits.test):
        assert windows.counted_WF.sum() == sum(len(view) for view in windows.views)


def test_a_recording_s_own_2d_stands_for_projection_and_noise() -> None:
    clip = recording("Walking 1", "Walking", 12)
    camera = film(clip, replace(CONFIG, cameras=1))[0].camera
    seen_TJ2 = np.random.default_rng(0).uniform(-1, 1, (12, 17, 2))
    (view,) = film(replace(clip, cameras=(camera,), seen=(seen_TJ2,)), CONFIG)
    np.testing.assert_array_equal(view.x2d_TJ2, seen_TJ2.astype(np.float32))
    np.testing.assert_array_equal(view.x3d_TJ3, film(replace(clip, cameras=(camera,)), CONFIG)[0].x3d_TJ3)


def test_a_view_is_filmed_already() -> None:
    view = film(recording("Walking 1", "Walking", 12), CONFIG)[0]
    assert film(view, CONFIG) == [view]


def test_the_digest_moves_with_every_number_and_with_what_is_valid() -> None:
    views = film(recording("Walking 1", "Walking", 12), CONFIG)
    first = views[0]

    def found(**changes: object) -> str:
        return digest([joined([replace(first, **changes), *views[1:]])])  # type: ignore[arg-type]

    moved_TJ3, valid_T = first.x3d_TJ3.copy(), np.arange(12) > 0
    moved_TJ3[7, 3, 1] += 2e-4
    others = [
        found(x3d_TJ3=moved_TJ3),
        found(x2d_TJ2=first.x2d_TJ2 + np.float32(2e-4)),
        found(root_T3=first.root_T3 + np.float32(2e-4)),
        found(valid_T=valid_T),
        found(valid_T=np.roll(valid_T, 1)),
        found(recording="X/Walking 2"),
    ]
    assert len({found(), *others}) == len(others) + 1
    assert found(valid_T=np.ones(12, bool)) == found()


SPLITS = ("train", "validation", "test")


def clips(empty: str = "") -> dict[str, tuple[Recording, ...]]:
    return {s: () if s == empty else (recording("Walking 1", "Walking", 12),) for s in SPLITS}


def test_readers_take_the_home_or_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []

    def alone(config: DataConfig) -> Source:
        told.append(config)
        return Source(splits=clips(), info={})

    def beside(config: DataConfig, home: Path) -> Source:
        told.append(home)
        return Source(splits=clips(), info={})

    def optional(config: DataConfig, again: int = 3) -> Source:
        told.append(again)
        return Source(splits=clips(), info={})

    for reader in (alone, beside, optional):
        monkeypatch.setitem(DATASETS, "own", reader)
        load(DataConfig(name="own"), 9, HOME)
    assert told == [DataConfig(name="own"), HOME, 3]


@pytest.mark.parametrize("empty", SPLITS)
def test_a_split_that_is_needed_must_hold_something(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "own", lambda config: Source(splits=clips(empty), info={}))
    with pytest.raises(DataError, match=f"own: has no clip for {empty}"):
        load(DataConfig(name="own"), 9, HOME)
    others = [split for split in SPLITS if split != empty]
    splits = load(DataConfig(name="own"), 9, HOME, needed=others)
    assert len(getattr(splits, empty)) == 0
    assert splits.info["clips"][empty] == 0
    assert splits.info["minutes"][empty] == 0


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"set": "mine"}, "set", "is of npz alone"),
        ({"name": "npz"}, "set", "npz needs the name of an imported set"),
        ({"annotations": "annot3"}, "annotations", "is of 3dhp alone"),
        ({"hold_out": False}, "hold_out", "only h36m and 3dhp may train on validation subjects"),
        ({"name": "h3.6m"}, "name", "did you mean 'h36m'?"),
    ],
)
def test_settings_that_do_not_fit(changes: dict[str, object], place: str, said: str) -> None:
    ((found, text),) = replace(DataConfig(), **changes).problems()  # type: ignore[arg-type]
    assert found == (place,)
    assert said in text
