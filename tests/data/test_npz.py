"""A user's own recordings: the layout, its cameras and its 2D, and one clear message for each thing that can be wrong.
What is common with CMU's file is tested there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data import camera as optics
from ablate.data import load
from ablate.data.config import DataConfig
from ablate.data.layout import bundle, outline, read_file
from ablate.data.npz import read
from ablate.errors import DataError
from tests.motion import recording

CAMERA: dict[str, Any] = {
    "name": "door",
    "orientation": [0.5, -0.5, 0.5, -0.5],
    "translation": [-5.0, 0.0, 1.2],
    "intrinsic": [2.3, 2.3, 0.01, 0.0, -0.1, 0.05, 0.0, 0.0, 0.0],
    "resolution": [1920, 1080],
}
INFO: dict[str, Any] = {
    "fps": 50.0,
    "units": "m",
    "train": ["ann"],
    "validation": ["bo"],
    "test": ["cy"],
    "cameras": {"ann": [CAMERA], "cy/wave 1": [CAMERA, CAMERA | {"name": "wall", "translation": [-6, 1, 1.5]}]},
    "licence": "ours",
}


def content() -> dict[str, Any]:
    """Three people's recordings, the last one's with 2D of both of its cameras."""
    clips = {f"{who}/wave 1": recording(who, "wave", 40, i).world_TJ3 for i, who in enumerate(("ann", "bo", "cy"))}
    rng = np.random.default_rng(0)
    seen = {f"cy/wave 1@{name}": rng.uniform(100, 900, (40, 17, 2)).astype(np.float32) for name in ("wall", "door")}
    return {**clips, **seen, "info": INFO}


def written(path: Path, what: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        key: value if key != "info" else np.array(json.dumps(value)) for key, value in what.items()
    }
    np.savez(path, **arrays)
    return path


def refused(config: DataConfig, home: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(config, home)
    return str(caught.value)


def test_an_imported_set_is_found_by_its_name_and_any_file_by_its_path(tmp_path: Path) -> None:
    path = written(tmp_path / "data" / "ours.npz", content())
    by_name = read(DataConfig(name="npz", set="ours"), tmp_path)
    assert {name: len(clips) for name, clips in by_name.splits.items()} == {"train": 1, "validation": 1, "test": 1}
    assert by_name.info == {"licence": "ours"}
    for place in (path, path.parent):
        read(DataConfig(name="npz", set="ours", path=str(place)), tmp_path / "elsewhere")
    assert "did you mean 'ours'" in refused(DataConfig(name="npz", set="our"), tmp_path)
    assert "data.set" in refused(DataConfig(name="npz"), tmp_path)
    assert "no such file" in refused(DataConfig(name="npz", set="a", path=str(tmp_path)), tmp_path)
    assert "can't be looked at" in refused(DataConfig(name="npz", set="a", path="long" * 2000), tmp_path)


def test_own_cameras_film_and_own_2d_is_what_is_lifted(tmp_path: Path) -> None:
    what = content()
    written(tmp_path / "data" / "ours.npz", what)
    splits = load(DataConfig(name="npz", set="ours", cameras=3), 9, tmp_path)
    views = {
        name: [view.camera.name for view in getattr(splits, name).views] for name in ("train", "validation", "test")
    }
    assert views == {"train": ["door"], "validation": ["ring0", "ring1", "ring2"], "test": ["door", "wall"]}
    for view in splits.test.views:
        pixels_TJ2 = what[f"cy/wave 1@{view.camera.name}"]
        np.testing.assert_allclose(optics.denormalise_screen(view.x2d_TJ2, (1920, 1080)), pixels_TJ2, atol=1e-3)
    view = splits.train.views[0]
    np.testing.assert_allclose(
        optics.camera_to_world(view.x3d_TJ3 + view.root_T3[:, None], view.camera), what["ann/wave 1"], atol=1e-5
    )


def test_splits_may_be_empty(tmp_path: Path) -> None:
    what = content()
    what["info"] = {**INFO, "train": [], "validation": [], "test": ["ann", "bo", "cy"]}
    written(tmp_path / "data" / "ours.npz", what)
    config = DataConfig(name="npz", set="ours")
    assert [len(clips) for clips in read(config, tmp_path).splits.values()] == [0, 0, 3]
    assert len(load(config, 9, tmp_path, needed=("test",)).test.views) == 7
    with pytest.raises(DataError, match="train"):
        load(config, 9, tmp_path)


def test_what_is_bundled_is_read_back(tmp_path: Path) -> None:
    before = read_file(written(tmp_path / "a.npz", content()))
    path = tmp_path / "b.npz"
    path.write_bytes(bundle(before.recordings, {"fps": 50.0, "train": ["ann"], "validation": ["bo"], "test": ["cy"]}))
    after = read_file(path)
    for one, other in zip(before.recordings, after.recordings, strict=True):
        np.testing.assert_array_equal(one.world_TJ3, other.world_TJ3)
        assert (one.key, one.action, one.cameras) == (other.key, other.action, other.cameras)
        for seen, again in zip(one.seen, other.seen, strict=True):
            np.testing.assert_allclose(seen, again, atol=1e-6)


def test_the_outline_reads_no_motion(tmp_path: Path) -> None:
    found = outline(written(tmp_path / "a.npz", content()))
    assert found.frames == {"ann/wave 1": 40, "bo/wave 1": 40, "cy/wave 1": 40}
    assert found.info.test == ["cy"]
    path = tmp_path / "cut.npz"
    path.write_bytes((tmp_path / "a.npz").read_bytes()[:900])
    with pytest.raises(DataError, match="cut short"):
        outline(path)


def info(**more: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda what: {**what, "info": {**INFO, **more}}


def camera(**more: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The camera of the first subject, changed."""
    return info(cameras={**INFO["cameras"], "ann": [{**CAMERA, **more}]})


def seen(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda what: {**what, "cy/wave 1@wall": change(what["cy/wave 1@wall"])}


def _nan(pixels_TJ2: Any) -> Any:
    pixels_TJ2[3] = np.nan
    return pixels_TJ2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (camera(orientation=[0, 0, 0, 0]), "camera door: orientation is zero"),
        (camera(orientation=[1, 0, 0]), "orientation"),
        (camera(orientation=[0.5, -0.5, -0.5, 0.5]), "the person is behind it in 40 of 40 frames, first 0"),
        (camera(translation=[-5000, 0, float("inf")]), "translation.2"),
        (camera(intrinsic=[0, 0, 0, 0, 0, 0, 0, 0, 0]), "must be positive"),
        (camera(resolution=[1920]), "resolution"),
        (camera(focal=1), "focal: Extra inputs are not permitted"),
        (camera(name="a@b"), "name"),
        (info(cameras={"dee": [CAMERA]}), "dee is no recording and no subject"),
        (info(cameras={"cy/wave 1": [CAMERA]}), "2D of each of a recording's cameras"),
        (info(cameras={"cy/wave 1": [CAMERA, CAMERA]}), "two cameras are called door"),
        (info(test=["cy", "bo"]), "under validation and under test"),
        (info(validation=[]), "bo under no split"),
        (seen(lambda pixels: pixels[:30]), "has 30 frames, the motion 40"),
        (seen(lambda pixels: pixels[:, :16]), "(40, 16, 2)"),
        (seen(lambda pixels: pixels / 1000), "give pixels"),
        (seen(_nan), "1 frames hold NaN or infinity, first 3"),
        (seen(lambda pixels: pixels.astype(int)), "int64"),
        (lambda what: {**what, "dee/wave 1@door": what["cy/wave 1@door"]}, "is 2D of dee/wave 1"),
        (lambda what: {"info": {**INFO, "cameras": {}}}, "holds no recording"),
    ],
)
def test_wrong_files(tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str) -> None:
    written(tmp_path / "data" / "ours.npz", change(content()))
    message = refused(DataConfig(name="npz", set="ours"), tmp_path)
    assert said in message
    assert "ours.npz" in message
