"""Who is who over the frames: by the file's tracks, by nearness where it has none, and whoever is left out."""

from pathlib import Path

import numpy as np
import pytest

from ablate.errors import DataError, InputError
from ablate.lift.detections import Detections
from ablate.lift.people import people
from ablate.lift.reading import read
from tests.lift import files
from tests.lift.filmed import Array, film, swaying


def walks(frames: int = 40) -> tuple[Array, Array]:
    """Two people's keypoints (T, 17, 2) who pass each other, one 90 pixels higher."""
    still = film(swaying(frames), np.random.default_rng(0), noise=0).xy_TK2 - 600
    way = np.linspace(-300, 300, frames)[:, None, None] * np.array([1.0, 0.0])
    return 900 + still + way, 900 + still[::-1] - way - np.array([0, 90.0])


def found(
    *people_TK2: Array, frames: list[list[int]] | None = None, tracks: list[list[str]] | None = None
) -> Detections:
    """Detections of several people, in the order that a detector might find them: changing from frame to frame."""
    rng = np.random.default_rng(1)
    rows: list[tuple[int, str | None, Array]] = []
    for frame in range(max(map(len, people_TK2))):
        for who in rng.permutation(len(people_TK2)).tolist():
            if frame < len(people_TK2[who]) and (frames is None or frame in frames[who]):
                rows.append((frame, tracks[who][frame] if tracks else None, people_TK2[who][frame]))
    return Detections(
        layout="test",
        frame_N=np.array([frame for frame, _, _ in rows]),
        track_N=tuple(track for _, track, _ in rows),
        xy_NK2=np.stack([xy for *_, xy in rows]).astype(np.float32),
        score_NK=np.ones((len(rows), 17), np.float32),
    )


def test_people_who_pass_each_other_are_kept_apart_by_nearness() -> None:
    one, other = walks()
    kept, left_out = people(found(one, other))
    assert not left_out
    assert {person.label for person in kept} == {"1", "2"}
    matched = [min((one, other), key=lambda xy: abs(person.xy_TK2 - xy).max()) for person in kept]
    for person, xy in zip(kept, matched, strict=True):
        np.testing.assert_allclose(person.xy_TK2, xy, atol=1e-3)
    assert matched[0] is not matched[1]


def test_the_files_own_tracks_count() -> None:
    one, other = walks()
    kept, _ = people(found(one, other, tracks=[["7"] * 40, ["anna"] * 40]))
    by_label = {person.label: person for person in kept}
    np.testing.assert_allclose(by_label["7"].xy_TK2, one, atol=1e-3)
    np.testing.assert_allclose(by_label["anna"].xy_TK2, other, atol=1e-3)


def test_numbers_that_two_share_in_a_frame_are_no_tracks() -> None:
    one, other = walks()
    kept, _ = people(found(one, other, tracks=[["0"] * 40, ["0"] * 40]))
    assert [len(person.xy_TK2) for person in kept] == [40, 40]


def test_one_detection_a_frame_is_one_person_whatever_the_gaps() -> None:
    one, _ = walks()
    seen = [frame for frame in range(40) if not 10 <= frame < 30]
    ((person,), left_out) = people(found(one, frames=[seen]))
    assert not left_out
    assert np.flatnonzero(~person.found_T).tolist() == list(range(10, 30))
    np.testing.assert_allclose(person.xy_TK2[seen], one[seen], atol=1e-3)


def test_a_person_found_twice_in_a_frame_is_one() -> None:
    one, _ = walks()
    kept, left_out = people(found(one, one + 3.0))
    assert (len(kept), left_out) == (1, {})


def test_a_detection_of_nothing_is_nobody(tmp_path: Path) -> None:
    near = film(swaying(30), np.random.default_rng(0), noise=0)
    far = film(swaying(30, seed=1), np.random.default_rng(3), noise=0)
    far.xy_TK2[:] += 400
    far.score_TK[8:18] = 0
    kept, left_out = people(read(files.mmpose(tmp_path / "a.json", near, far)))
    assert not left_out
    assert sorted(int(person.found_T.sum()) for person in kept) == [20, 30]


def test_people_come_from_the_frame_that_they_are_first_seen_in() -> None:
    one, other = walks()
    kept, _ = people(found(one, other, frames=[list(range(40)), list(range(12, 31))]))
    assert [(person.first, len(person.xy_TK2)) for person in kept] == [(0, 40), (12, 19)]


def test_passers_by_are_left_out_and_said_unless_asked_for() -> None:
    one, other = walks()
    detections = found(one, other, frames=[list(range(40)), [3, 4]])
    kept, left_out = people(detections)
    assert [person.label for person in kept] == ["1"]
    assert left_out == {"2": "found in 2 frames only, --person 2 lifts them too"}
    (passer_by,), _ = people(detections, ["2"])
    assert (passer_by.label, passer_by.first, len(passer_by.xy_TK2)) == ("2", 3, 2)


def test_an_unknown_person_is_refused_with_those_there_are() -> None:
    one, other = walks()
    with pytest.raises(InputError, match=r"--person 3: .* 1 \(40 frames\), 2 \(40 frames\)"):
        people(found(one, other), ["3"])


def test_somebody_hardly_ever_seen_is_refused() -> None:
    one, _ = walks()
    with pytest.raises(DataError, match="almost nothing is seen: person 1 found in 3 of 40 frames"):
        people(found(one, frames=[[0, 20, 39]]))
    with pytest.raises(DataError, match="--person 1"):
        people(found(one, frames=[[0, 20, 39]]), ["1"])


def test_frames_that_are_no_video_take_no_memory() -> None:
    one, _ = walks()
    detections = found(one)
    detections.frame_N[:] *= 10**12
    with pytest.raises(DataError, match="almost nothing"):
        people(detections)


@pytest.mark.parametrize("kind", ["alphapose", "easy_vitpose", "npz", "coco", "openpose", "mediapipe"])
def test_several_people_come_out_of_each_layout(tmp_path: Path, kind: str) -> None:
    near = film(swaying(12), np.random.default_rng(0), noise=0)
    far = film(swaying(12, seed=1), np.random.default_rng(3), noise=0)
    far.xy_TK2[:] += 400
    kept, _ = people(read(files.written(tmp_path, kind, near, far)))
    assert len(kept) == 2
    assert all(person.found_T.all() and len(person.xy_TK2) == 12 for person in kept)
