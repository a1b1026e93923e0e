"""What records measured, paired: errors by configuration, seed and recording.

Legend: L labels (configurations), S seeds, R recordings, W windows, V views (a camera's part of a recording).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ablate.records import Record

Floats = npt.NDArray[np.float64]

WHOLE = "whole split"  # the one unit of samples that hold overall values alone


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """``error_LSR`` float64, the frame-weighted mean of a recording's windows in all its cameras, in ``unit``; NaN
    where no record is. ``weight_R`` are frames; where results follow the reference protocol they are scaled so that
    each action weighs the same, as it does there. ``training_LS`` str, the keys of the weights: equal keys in a column
    are the same weights; "" where no record is.

    R is 0 where the records don't hold the errors of windows; ``overall`` then puts what they hold in their place.
    """

    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    error_LSR: Floats
    subject_R: tuple[str, ...]
    action_R: tuple[str, ...]
    weight_R: Floats
    training_LS: npt.NDArray[np.str_]
    split: str = "test"
    unit: str = "mm"

    @cached_property
    def mean_LS(self) -> Floats:
        """The error over all recordings, float64 (L, S); NaN where no record is."""
        known_LSR = np.isfinite(self.error_LSR)
        weight_LS = known_LSR @ self.weight_R
        total_LS = np.where(known_LSR, self.error_LSR, 0.0) @ self.weight_R
        mean_LS: Floats = np.divide(total_LS, weight_LS, out=np.full(weight_LS.shape, np.nan), where=weight_LS > 0)
        return mean_LS

    @property
    def recorded(self) -> bool:
        """Whether there are recordings to tell apart, rather than none or one value for all of them."""
        return self.error_LSR.shape[2] > 0 and self.subject_R != (WHOLE,)

    def place(self, label: str) -> int:
        """Where ``label`` stands among the labels. Raises KeyError."""
        try:
            return self.labels.index(label)
        except ValueError:
            raise KeyError(f"{label} is none of {', '.join(self.labels)}") from None

    def of_action(self, action: str) -> "Samples":
        """These samples on the recordings of one action."""
        chosen = [place for place, name in enumerate(self.action_R) if name == action]
        return replace(
            self,
            error_LSR=self.error_LSR[:, :, chosen],
            subject_R=tuple(self.subject_R[place] for place in chosen),
            action_R=tuple(self.action_R[place] for place in chosen),
            weight_R=self.weight_R[chosen],
        )

    def overall(self, value_LS: Floats, unit: str = "mm") -> "Samples":
        """The same configurations and seeds with one value each, float (L, S), NaN where none is: paired by seed alone.

        Raises ValueError when the shape is another.
        """
        if value_LS.shape != (len(self.labels), len(self.seeds)):
            raise ValueError(f"values of shape {value_LS.shape} for {len(self.labels)} labels, {len(self.seeds)} seeds")
        return replace(
            self,
            error_LSR=np.asarray(value_LS, np.float64)[:, :, None],
            subject_R=(WHOLE,),
            action_R=("",),
            weight_R=np.ones(1),
            unit=unit,
        )

    def table(self, values: Iterable[tuple[str, int, float]]) -> Floats:
        """Values by (label, seed) as float64 (L, S), NaN where none is named; labels and seeds from elsewhere are left
        aside."""
        label_at = {label: place for place, label in enumerate(self.labels)}
        seed_at = {seed: place for place, seed in enumerate(self.seeds)}
        value_LS = np.full((len(self.labels), len(self.seeds)), np.nan)
        for label, seed, value in values:
            if label in label_at and seed in seed_at:
                value_LS[label_at[label], seed_at[seed]] = value
        return value_LS


def samples(records: Sequence[Record], split: str = "test") -> Samples:
    """The windows' errors of ``records`` (MPJPE, protocol exact, aggregation mean, last step), all cameras of a
    recording together.

    A view's name is "subject/action camera" (of 3DHP's test set "sequence camera"); the camera is what stands after the
    last space. Each record's arrays are read once. R is 0 unless every record holds them.
    """
    labels = tuple(dict.fromkeys(record.label for record in records))
    seeds = tuple(sorted({record.seed for record in records}))
    label_at = {label: place for place, label in enumerate(labels)}
    seed_at = {seed: place for place, seed in enumerate(seeds)}
    keys: list[list[str]] = [[""] * len(seeds) for _ in labels]
    for record in records:
        keys[label_at[record.label]][seed_at[record.seed]] = record.training_key
    motions = _motions(records, split)
    place_of = {motion: place for place, motion in enumerate(motions)}
    error_LSR = np.full((len(labels), len(seeds), len(motions)), np.nan)
    frames_R = np.zeros(len(motions))
    places: dict[tuple[str, ...], npt.NDArray[np.int64]] = {}
    for record in records if motions else ():
        views = tuple(record.windows[split]["recordings"])
        if views not in places:
            places[views] = np.array([place_of[_motion(view)] for view in views], np.int64)
        error_R, counted_R = _by_motion(record.arrays, split, places[views], len(motions))
        error_LSR[label_at[record.label], seed_at[record.seed]] = error_R
        frames_R = np.maximum(frames_R, counted_R)
    seen = np.flatnonzero(frames_R)
    actions = tuple(_action(motions[place]) for place in seen)
    return Samples(
        labels=labels,
        seeds=seeds,
        error_LSR=error_LSR[:, :, seen],
        subject_R=tuple(motions[place].partition("/")[0] for place in seen),
        action_R=actions,
        weight_R=_weights(frames_R[seen], actions, records),
        training_LS=np.array(keys, np.str_).reshape(len(labels), len(seeds)),
        split=split,
    )


def _motions(records: Sequence[Record], split: str) -> list[str]:
    """Every recording of the split; none unless all records hold the errors of its windows."""
    if not all(split in record.windows and f"{split}/mpjpe_mm" in record.arrays for record in records):
        return []
    named = {tuple(record.windows[split]["recordings"]) for record in records}
    return sorted({_motion(view) for views in named for view in views})


def _motion(view: str) -> str:
    """The recording that a view is of: its name without the camera."""
    return view.rpartition(" ")[0] or view


def _action(motion: str) -> str:
    """'S9/Sitting Down 2' -> 'Sitting Down', as tables by action call it."""
    return re.sub(r"\s+\d+$", "", motion.partition("/")[2] or motion)


def _by_motion(
    arrays: Mapping[str, np.ndarray], split: str, place_V: npt.NDArray[np.int64], count: int
) -> tuple[Floats, Floats]:
    """A record's mean error of each recording (NaN where no frame counts), and the frames that count."""
    place_W = place_V[arrays[f"{split}/recording"]]
    frames_W = arrays[f"{split}/frames"].astype(np.float64)
    error_W = np.where(frames_W > 0, arrays[f"{split}/mpjpe_mm"], 0.0).astype(np.float64)
    frames_R: Floats = np.asarray(np.bincount(place_W, frames_W, count), np.float64)
    total_R = np.bincount(place_W, frames_W * error_W, count)
    return np.divide(total_R, frames_R, out=np.full(count, np.nan), where=frames_R > 0), frames_R


def _weights(frames_R: Floats, actions: Sequence[str], records: Sequence[Record]) -> Floats:
    """Frames; where every configuration is judged by the reference protocol, each action's add up to the same."""
    if not actions or {record.protocol for record in records} != {"reference"}:
        return frames_R
    names, action_R = np.unique(np.array(actions, np.str_), return_inverse=True)
    frames_A: Floats = np.asarray(np.bincount(action_R, frames_R, len(names)), np.float64)
    weight_R: Floats = frames_R * (frames_R.sum() / len(names)) / frames_A[action_R]
    return weight_R
