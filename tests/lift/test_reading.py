"""Every layout of keypoints gives the same detections, and one clear message where a file is not what it should be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data.keypoints import COCO, KEYPOINTS, PICKED, list_of
from ablate.errors import DataError
from ablate.lift.reading import FORMATS, read
from tests.lift import files
from tests.lift.filmed import Film, film, swaying


@pytest.fixture(scope="module")
def shot() -> Film:
    return film(swaying(12), np.random.default_rng(0))


def refused(path: Path, format: str = "auto") -> str:
    with pytest.raises(DataError) as caught:
        read(path, format)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def saved(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("kind", files.WRITERS)
@pytest.mark.parametrize("told", ["auto", "named"])
def test_each_layout_gives_the_same_detections(tmp_path: Path, shot: Film, kind: str, told: str) -> None:
    found = read(files.written(tmp_path, kind, shot), "auto" if told == "auto" else kind)
    assert found.layout == kind
    assert len(found.frame_N) == len(shot.xy_TK2)
    np.testing.assert_array_equal(np.diff(found.frame_N), 1)
    name = list_of(found.xy_NK2, found.score_NK > 0)
    picked = list(PICKED[name or ""])
    unit = np.array(shot.size) if found.shares else 1
    np.testing.assert_allclose(found.xy_NK2[:, picked] * unit, shot.xy_TK2, atol=1e-3)
    np.testing.assert_allclose(found.score_NK[:, picked], shot.score_TK, atol=1e-6)


def test_every_format_is_tested_and_has_its_layout_in_the_docstring() -> None:
    import ablate.lift.reading as module

    assert set(files.WRITERS) == set(FORMATS)
    for name in FORMATS:
        assert f"| {name} " in (module.__doc__ or "")


def test_lists_hold_the_keypoints_at_their_places() -> None:
    assert PICKED["body25"] == tuple(files.BODY_25[name] for name in COCO)
    assert PICKED["mediapipe33"] == tuple(files.MEDIAPIPE[name] for name in COCO)
    assert all(max(picked) < KEYPOINTS[name] for name, picked in PICKED.items())


def test_cocos_and_human36ms_17_are_told_apart(shot: Film) -> None:
    seen = np.ones(shot.xy_TK2.shape[:2], np.bool_)
    assert list_of(shot.xy_TK2, seen) == "coco17"
    joints = shot.truth_TJ3[..., :2] / shot.truth_TJ3[..., 2:] * shot.focal
    assert list_of(joints, seen) == "h36m17"
    assert list_of(shot.xy_TK2[:, :16], seen[:, :16]) is None


def test_null_nan_and_a_score_of_zero_are_not_seen(tmp_path: Path) -> None:
    points: list[list[float | None]] = [[5.0, 6.0]] * 17
    points[3], points[4] = [None, None], [float("nan"), 2.0]
    scores = [0.9] * 17
    scores[5] = 0
    content = [{"frame_id": 0, "instances": [{"keypoints": points, "keypoint_scores": scores}]}]
    found = read(saved(tmp_path / "a.json", content))
    assert np.flatnonzero(found.score_NK[0] == 0).tolist() == [3, 4, 5]
    assert np.isnan(found.xy_NK2[0, [3, 4, 5]]).all()


def test_a_person_whom_an_npz_has_not_in_a_frame_is_no_detection(tmp_path: Path, shot: Film) -> None:
    points = np.stack([shot.xy_TK2, shot.xy_TK2 + 300], axis=1)
    points[4:8, 1] = np.nan
    np.savez(tmp_path / "a.npz", keypoints=points)
    found = read(tmp_path / "a.npz")
    assert [found.track_N.count(track) for track in ("1", "2")] == [12, 8]
    assert (found.fps, found.size, found.keypoints) == (None, None, None)


def test_an_npz_says_what_it_knows(tmp_path: Path, shot: Film) -> None:
    found = read(files.npz(tmp_path / "a.npz", shot, joints="coco17"))
    assert (found.fps, found.size, found.keypoints) == (50.0, (1920, 1080), "coco17")


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    np.savez(tmp_path / "a.npz", keypoints=np.array([Hostile()], dtype=object))
    assert "pickled" in refused(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


PERSON = {"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [1.0] * 17}
BROKEN = {
    "not JSON": "{",
    "nobody": [],
    "a number": 3,
    "no such layout": [{"a": 1}],
    "no frame_id": [{"instances": [PERSON]}],
    "frame_id no number": [{"frame_id": "first", "instances": [PERSON]}],
    "instances no list": [{"frame_id": 0, "instances": 3}],
    "person no table": [{"frame_id": 0, "instances": [3]}],
    "no scores": [{"frame_id": 0, "instances": [{"keypoints": [[1.0, 2.0]] * 17}]}],
    "a score too few": [{"frame_id": 0, "instances": [{**PERSON, "keypoint_scores": [1.0] * 16}]}],
    "text for a number": [{"frame_id": 0, "instances": [{**PERSON, "keypoints": [["here", 2.0]] * 17}]}],
    "ragged": [{"frame_id": 0, "instances": [{**PERSON, "keypoints": [[1.0], [1.0, 2.0]]}]}],
    "four columns": [{"frame_id": 0, "instances": [{**PERSON, "keypoints": [[1.0, 2.0, 3.0, 4.0]] * 17}]}],
    "infinite": '[{"frame_id": 0, "instances": [{"keypoints": [[Infinity, 2.0]], "keypoint_scores": [1]}]}]',
    "absurd": [{"frame_id": 0, "instances": [{**PERSON, "keypoints": [[1e300, 2.0]] * 17}]}],
    "lengths differ": [
        {"image_id": 0, "keypoints": [1.0, 2.0, 0.5] * 17},
        {"image_id": 1, "keypoints": [1.0, 2.0, 0.5] * 16},
    ],
    "not by threes": [{"image_id": 0, "keypoints": [1.0] * 50}],
    "image without number": [{"image_id": "street.jpg", "keypoints": [1.0, 2.0, 0.5] * 17}],
    "track no number": [{"image_id": 0, "keypoints": [1.0, 2.0, 0.5] * 17, "track_id": {"a": 1}}],
    "32 landmarks": [[[[0.1, 0.1, 0, 1]] * 32, [[0.1, 0.1, 0, 1]] * 32]],
    "landmark without y": [[{"x": 1}] * 33],
    "skeleton of a horse": {"keypoints": [{"0": [[1, 2, 3]]}], "skeleton": {"0": "nose", "1": "tail"}},
    "skeleton no table": {"keypoints": [], "skeleton": ["nose"]},
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_with_a_json_is_said_in_a_line(tmp_path: Path, content: Any) -> None:
    refused(saved(tmp_path / "a.json", content))


BROKEN_ARRAYS: dict[str, dict[str, Any]] = {
    "no keypoints": {"points": np.zeros((3, 17, 2))},
    "two axes": {"keypoints": np.zeros((17, 2))},
    "four columns": {"keypoints": np.zeros((3, 17, 4))},
    "empty": {"keypoints": np.zeros((0, 17, 2))},
    "texts": {"keypoints": np.full((3, 17, 2), "here")},
    "infinite": {"keypoints": np.full((3, 17, 2), np.inf)},
    "nobody": {"keypoints": np.full((3, 17, 2), np.nan)},
    "scores of other shape": {"keypoints": np.ones((3, 17, 2)), "scores": np.ones((3, 16))},
    "a size of three": {"keypoints": np.ones((3, 17, 2)), "size": [1, 2, 3]},
    "fps a text": {"keypoints": np.ones((3, 17, 2)), "fps": "fast"},
    "no such list": {"keypoints": np.ones((3, 17, 2)), "joints": "coco18"},
}


@pytest.mark.parametrize("arrays", BROKEN_ARRAYS.values(), ids=BROKEN_ARRAYS.keys())
def test_what_is_wrong_with_an_npz_is_said_in_a_line(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    refused(tmp_path / "a.npz")


def test_files_that_cannot_be_read_are_refused(tmp_path: Path, shot: Film) -> None:
    assert "No such file" in refused(tmp_path / "absent.json")
    (tmp_path / "empty").mkdir()
    assert "_keypoints.json" in refused(tmp_path / "empty")
    assert "folder" in refused(tmp_path / "empty", "mmpose")
    whole = files.npz(tmp_path / "a.npz", shot).read_bytes()
    for kept in (0, 10, 1000, len(whole) - 30):
        (tmp_path / "cut.npz").write_bytes(whole[:kept])
        refused(tmp_path / "cut.npz", "npz")
    assert "is no whole JSON" in refused(saved(tmp_path / "b.json", '[{"frame_id": 0, '))


def test_two_videos_in_one_folder_are_refused(tmp_path: Path, shot: Film) -> None:
    folder = files.openpose(tmp_path / "two", shot)
    (folder / "jump_000000000003_keypoints.json").write_text('{"people": []}')
    assert "two videos" in refused(folder)
    (folder / "jump_000000000003_keypoints.json").unlink()
    (folder / "walk_000000000003_keypoints.json").write_text('{"people": 3}')
    assert "walk_000000000003" in refused(folder)
