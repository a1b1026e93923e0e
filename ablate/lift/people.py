"""Who is who: detections sorted by person, by the file's own track numbers or, where it has none, by nearness.

Legend: N detections, P people known so far, T frames of a person, K keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from ablate.data.arrays import Array
from ablate.data.keypoints import extent
from ablate.data.windows import Index, Mask
from ablate.errors import DataError, InputError
from ablate.lift.detections import Detections

NEAR = 0.5  # of a person's extent: how far somebody gets from one detection to the next
SAME = 0.1  # of a person's extent: two detections of one frame that are nearer than this are of one person
FAR = 1e3  # extents: of detections with nothing in common
REMEMBERED = 50  # frames after which somebody who comes back is somebody else
SHORT = 0.1  # of the detections of whom most were found: people with fewer are left out unless they are asked for
SPARSE = 0.2  # of the frames from the first to the last: with fewer detections a person is too rarely seen


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """One person from the first frame that they are found in to the last. ``first``: that frame by the file's count.
    ``xy_TK2`` float32, NaN and a score of 0 where nothing was found; ``found_T``: in which frames anything was."""

    label: str
    first: int
    xy_TK2: Array
    score_TK: Array

    @property
    def found_T(self) -> Mask:
        found_T: Mask = np.any(self.score_TK > 0, axis=1)
        return found_T


def people(found: Detections, wanted: Sequence[str] = ()) -> tuple[list[Person], dict[str, str]]:
    """The people that are ``wanted``, or all who are seen for long enough; and why each of the others is left out.

    Raises InputError for a name that nobody has, DataError where nobody is left or a wanted one is hardly seen.
    """
    members = {label: np.array(places) for label, places in _members(found).items()}
    most = max(map(len, members.values()))
    if missing := [label for label in wanted if label not in members]:
        there = ", ".join(f"{label} ({len(places)} frames)" for label, places in members.items())
        raise InputError(f"--person {missing[0]}: nobody of this name is found; there are {there}")
    left_out: dict[str, str] = {}
    for label, places in members.items():
        frames = np.unique(found.frame_N[places])
        span = int(frames[-1] - frames[0]) + 1
        if len(frames) < SPARSE * span:
            left_out[label] = f"found in {len(frames)} of {span} frames only"
        elif not wanted and len(frames) < SHORT * most:
            left_out[label] = f"found in {len(frames)} frames only, --person {label} lifts them too"
    kept = [label for label in (wanted or members) if label not in left_out]
    if refused := [label for label in wanted if label in left_out]:
        raise DataError(f"--person {refused[0]}: {left_out[refused[0]]}, too few to lift")
    if not kept:
        raise DataError(f"almost nothing is seen: {'; '.join(f'person {who} {why}' for who, why in left_out.items())}")
    return [_person(label, found, members[label]) for label in kept], {} if wanted else left_out


def _members(found: Detections) -> dict[str, list[int]]:
    """The detections of each person, most often found first."""
    labels = _labels(found)
    members: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        if label is not None:
            members.setdefault(label, []).append(place)
    return dict(sorted(members.items(), key=lambda item: -len(item[1])))


def _labels(found: Detections) -> Sequence[str | None]:
    """Whom each detection is of; None where it is of nobody new.

    The file's own word counts, unless it leaves somebody out or names two in one frame alike: several programs number
    people without tracking them. One detection a frame at most is one person, however long the gaps.
    """
    frames = found.frame_N.tolist()
    if None not in found.track_N and len(set(zip(frames, found.track_N, strict=True))) == len(frames):
        return found.track_N
    return ["1"] * len(frames) if len(set(frames)) == len(frames) else _associated(found)


def _person(label: str, found: Detections, places: Index) -> Person:
    frame_T = found.frame_N[places]
    first, span = int(frame_T.min()), int(frame_T.max() - frame_T.min()) + 1
    xy_TK2 = np.full((span, *found.xy_NK2.shape[1:]), np.nan, np.float32)
    score_TK = np.zeros((span, found.score_NK.shape[1]), np.float32)
    xy_TK2[frame_T - first], score_TK[frame_T - first] = found.xy_NK2[places], found.score_NK[places]
    return Person(label=label, first=first, xy_TK2=xy_TK2, score_TK=score_TK)


def _associated(found: Detections) -> Sequence[str | None]:
    """A label for each detection: the people of the frames before are matched to it by the least total distance.

    Distances are means over the keypoints that both have, in extents of the person. Of two detections that are all but
    one, the one with the higher scores stays; the other gets None.
    """
    labels: list[str | None] = [None] * len(found.frame_N)
    known: list[tuple[int, int]] = []  # of each person the last detection, and its frame
    order = np.argsort(found.frame_N, kind="stable").tolist()
    for frame, group in groupby(order, key=lambda place: int(found.frame_N[place])):
        places = _distinct(found, list(group))
        around = [who for who, (_, last) in enumerate(known) if frame - last <= REMEMBERED]
        for place, who in _matched(found, places, [known[who][0] for who in around]).items():
            person = len(known) if who is None else around[who]
            known[person : person + 1] = [(place, frame)]
            labels[place] = f"{person + 1}"
    return labels


def _distinct(found: Detections, places: list[int]) -> list[int]:
    if len(places) == 1:
        return places
    best = sorted(places, key=lambda place: -float(found.score_NK[place].sum()))
    kept: list[int] = []
    for place in best:
        if not kept or _distances(found, [place], kept).min() > SAME:
            kept.append(place)
    return kept


def _matched(found: Detections, places: list[int], before: list[int]) -> dict[int, int | None]:
    """For each of ``places`` which of ``before`` it continues, None where it is somebody new."""
    from scipy.optimize import linear_sum_assignment

    matched: dict[int, int | None] = dict.fromkeys(places)
    if before:
        distance_NP = _distances(found, places, before)
        for n, p in zip(*linear_sum_assignment(distance_NP), strict=True):
            if distance_NP[n, p] <= NEAR:
                matched[places[n]] = int(p)
    return matched


def _distances(found: Detections, places: list[int], others: list[int]) -> npt.NDArray[np.float64]:
    """How far each of ``places`` is from each of ``others``, in extents of the larger; far where they share nothing."""
    xy_NK2, seen_NK = found.xy_NK2[places], found.score_NK[places] > 0
    xy_PK2, seen_PK = found.xy_NK2[others], found.score_NK[others] > 0
    both_NPK = seen_NK[:, None] & seen_PK
    apart_NPK = np.linalg.norm(xy_NK2[:, None] - xy_PK2, axis=-1)
    mean_NP = np.where(both_NPK, apart_NPK, 0).sum(axis=-1) / np.maximum(both_NPK.sum(axis=-1), 1)
    extent_NP = np.maximum(extent(xy_NK2, seen_NK)[:, None], extent(xy_PK2, seen_PK))
    return np.where(both_NPK.any(axis=-1), np.minimum(mean_NP / np.maximum(extent_NP, 1e-9), FAR), FAR)
