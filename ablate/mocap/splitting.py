"""Which subjects are trained on, which are validated and which tested: as told, as known, or by a rule that is said."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.errors import InputError
from ablate.mocap.reading import Captured
from ablate.nearest import nearest

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The subjects that the user puts into a split; all others are trained on."""

    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


def splits(clips: Sequence[Captured], chosen: Chosen) -> tuple[dict[str, list[str]], str]:
    """The subjects of each split, and who says so. Raises InputError where a chosen subject isn't there, or twice."""
    subjects = sorted({clip.subject for clip in clips})
    told = {subject: name for name in ("validation", "test") for subject in getattr(chosen, name)}
    for name in ("validation", "test"):
        for subject in getattr(chosen, name):
            if subject not in subjects:
                there = f"there are {', '.join(subjects)}{nearest(subject, subjects)}"
                raise InputError(f"--{name} {subject}: is none of the subjects; {there}")
            if told[subject] != name:
                raise InputError(f"--{name} {subject}: is under --{told[subject]} as well; leave one")
    known = {clip.subject: clip.split for clip in clips}
    if told:
        of, why = {subject: told.get(subject, "train") for subject in subjects}, "as told"
    elif all(known.values()):
        of, why = {subject: name or "" for subject, name in known.items()}, "as the files or CMU's list have it"
    else:
        last = dict(zip(reversed(subjects), ("test", "validation") if len(subjects) > 2 else ("test",), strict=False))
        of = {subject: last.get(subject, "train") for subject in subjects}
        why = "the last subjects by name are tested and validated; --test and --validation choose others"
    return {name: [subject for subject in subjects if of[subject] == name] for name in SPLITS}, why
