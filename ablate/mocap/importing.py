"""Files of motion become a set: read, mapped, checked, resampled, split, and written as one file or not at all.

Legend: T frames of a clip, J joints, X bones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data import Bar
from ablate.data.arrays import Array
from ablate.data.layout import bundle
from ablate.data.recording import Recording
from ablate.data.skeleton import LEFT, NAMES, PARENTS, RIGHT, bone_lengths
from ablate.errors import DataError, StorageError
from ablate.mocap import checks
from ablate.mocap.kinematics import SPINE, with_lengths
from ablate.mocap.reading import KINDS, Captured
from ablate.mocap.request import Request
from ablate.mocap.splitting import splits
from ablate.writing import write_atomically


def import_motion(request: Request, files: Sequence[Path], bar: Bar) -> dict[str, Any]:
    """Write the motion of ``files`` to ``request.out``; what is in it, what was left out and what looks odd.

    Raises InputError for subjects that aren't there, DataError for files that can't be read or hold no people, and
    StorageError where ``out`` can't be written; then nothing is.
    """
    captured: list[Captured] = []
    with bar(f"reading {len(files)} files", len(files)) as done:
        for file in files:
            captured += KINDS[request.kind](file, request.fps, request.reading)
            done(1)
    kept = [clip for clip in captured if request.keep_glitches or not clip.glitch]
    left_out = {str(clip.file): clip.glitch for clip in captured if clip.glitch and not request.keep_glitches}
    if not kept:
        place, why = next(iter(left_out.items()))
        raise DataError(f"{place}: {why}, and no other clip is left (--keep-glitches keeps it)")
    _distinct(kept)
    listed, split_by = splits(kept, request.chosen)
    recordings: list[Recording] = []
    warnings = list(dict.fromkeys(clip.warning for clip in kept if clip.warning))
    lengths: dict[str, list[float]] = {}
    for subject in dict.fromkeys(clip.subject for clip in kept):
        clips = [clip for clip in kept if clip.subject == subject]
        worlds, typical = _measured(clips, one_spine=not request.raw_spine)
        warnings += [f"{subject}: {text}" for text in checks.odd(worlds)]
        lengths[subject] = [round(float(length), 5) for length in typical]
        recordings += [clip.recording(world_TJ3) for clip, world_TJ3 in zip(clips, worlds, strict=True)]
    about = {"joints": NAMES, "parents": PARENTS, "left": LEFT, "right": RIGHT, "bone_lengths": lengths}
    _write(request.out, bundle(recordings, {"fps": request.fps, **listed, **about, **_texts(kept)}))
    return {
        "file": str(request.out),
        "clips": len(recordings),
        "minutes": round(sum(len(r.world_TJ3) for r in recordings) / request.fps / 60, 2),
        "fps": request.fps,
        "subjects": listed,
        "split_by": split_by,
        "units": sorted({clip.unit for clip in kept}),
        "left_out": left_out,
        "warnings": warnings,
        **_texts(kept),
    }


def _distinct(clips: Sequence[Captured]) -> None:
    """Raises DataError where two clips would have one name."""
    names: dict[str, Path] = {}
    for clip in clips:
        if clip.key in names:
            raise DataError(f"{clip.file} and {names[clip.key]} would both be {clip.key}; rename one of them")
        names[clip.key] = clip.file


def _measured(clips: Sequence[Captured], one_spine: bool) -> tuple[list[Array], Array]:
    """The clips (T, 17, 3) of one subject, and the median length (16,) of each bone.

    With ``one_spine`` the bones of the spine get that length in every frame, where joint angles moved them. Raises
    DataError for bones that are no person's.
    """
    lengths_TX = np.concatenate([bone_lengths(clip.world_TJ3) for clip in clips])
    typical: Array = np.median(lengths_TX, axis=0)
    if why := checks.impossible(typical):
        raise DataError(f"{clips[0].file}: {clips[0].subject}: {why}")
    spine = {joint: float(typical[joint - 1]) for joint in SPINE} if one_spine else {}
    worlds = [with_lengths(clip.world_TJ3, spine) if clip.articulated and spine else clip.world_TJ3 for clip in clips]
    return worlds, typical


def _texts(clips: Sequence[Captured]) -> dict[str, str]:
    """What is to be said of the origin of all clips, each thing once."""
    said: dict[str, dict[str, None]] = {}
    for clip in clips:
        for name, text in (clip.texts or {}).items():
            said.setdefault(name, {})[text] = None
    return {name: "; ".join(texts) for name, texts in said.items()}


def _write(out: Path, content: bytes) -> None:
    try:
        write_atomically(out, content)
    except StorageError as error:
        raise StorageError(f"--out {out}: can't be written ({error.__cause__}); free it, or name another") from error
