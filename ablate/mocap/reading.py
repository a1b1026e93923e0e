"""One capture file, of any kind, to clips: Human3.6M's joints in metres, z up, at the wanted rate, with what is told of
them on the way.

Legend: T frames of a clip, J joints, N nodes of a capture file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.interpolate import CubicSpline

from ablate.data.arrays import Array
from ablate.data.cmu import ACKNOWLEDGEMENT, LICENCE, SOURCE, VALIDATION
from ablate.data.layout import read_file
from ablate.data.recording import Camera, Recording
from ablate.errors import DataError
from ablate.mocap import naming
from ablate.mocap.amc import INCH, read_amc, read_asf
from ablate.mocap.bvh import read_bvh
from ablate.mocap.checks import glitch
from ablate.mocap.clips import FPS as CMU_FPS
from ablate.mocap.clips import clips
from ablate.mocap.kinematics import Motion, positions, resample, times, upright

UNITS: Mapping[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": INCH, "cmu": INCH / 0.45}  # in metres
#: Thigh and shin of a grown person, metres. No two of the units agree on what is within.
LEG = (0.62, 1.08)
CMU_TEXTS = {"source": SOURCE, "licence": LICENCE, "acknowledge": ACKNOWLEDGEMENT}
CMU_CLIP = re.compile(r"(\d{2,3})_(\d{2,3})")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the user says about the files, None where a rule decides: metres of a unit (as the file says, or by the
    length of the legs), the rate of AMC files (CMU's, 120), and which axis points up (y)."""

    unit: float | None = None
    source_fps: float | None = None
    up: Literal["y", "z"] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Captured:
    """A clip as it was read. ``world_TJ3`` float64 metres, z up, at ``fps``; ``unit`` says how the file's was known;
    ``glitch`` why its tracking is at fault, ``warning`` what the user should know, ``split`` where its makers put its
    subject, ``texts`` what is to be said of their origin: each None where there is nothing. ``articulated``: from joint
    angles.
    """

    file: Path
    subject: str
    name: str
    world_TJ3: Array
    fps: float
    unit: str
    articulated: bool
    glitch: str | None
    warning: str | None = None
    split: str | None = None
    cameras: tuple[Camera, ...] = ()
    seen: tuple[Array, ...] = ()
    texts: Mapping[str, str] | None = None

    @property
    def key(self) -> str:
        return f"{self.subject}/{self.name}"

    def recording(self, world_TJ3: Array) -> Recording:
        """The recording that it becomes, with these positions."""
        return Recording(
            subject=self.subject,
            action=self.name.rpartition(" ")[0] or self.name,
            name=self.name,
            world_TJ3=world_TJ3.astype(np.float32),
            fps=self.fps,
            cameras=self.cameras,
            seen=self.seen,
        )


def from_amc(file: Path, fps: float, reading: Reading) -> list[Captured]:
    """The clip of an AMC, whose ASF lies beside it. Raises DataError."""
    skeleton = read_asf(_asf(file))
    motion = read_amc(file, skeleton, reading.source_fps or CMU_FPS)
    known = CMU_CLIP.fullmatch(file.stem)
    subject, stem = (f"S{known[1]}", file.stem) if known else (skeleton.path.stem, file.stem)
    return [_captured(file, motion, fps, reading, subject, stem.removeprefix(f"{skeleton.path.stem}_"))]


def from_bvh(file: Path, fps: float, reading: Reading) -> list[Captured]:
    """The clip of a BVH, whose subject is the folder that it lies in, unless CMU's name of the clip tells. Raises
    DataError."""
    known = CMU_CLIP.fullmatch(file.stem)
    subject, stem = (f"S{known[1]}", known[2]) if known else (file.resolve().parent.name, file.stem)
    return [_captured(file, read_bvh(file), fps, reading, subject, stem)]


def from_npz(file: Path, fps: float, reading: Reading) -> list[Captured]:
    """The recordings of a file in this program's own layout; positions and 2D are resampled by cubic splines. Raises
    DataError."""
    info, recordings = read_file(file)
    members = {subject: name for name in ("train", "validation", "test") for subject in getattr(info, name)}
    texts = {name: text for name in ("source", "licence", "acknowledge") if (text := getattr(info, name)) is not None}
    return [
        Captured(
            file=file,
            subject=recording.subject,
            name=recording.name,
            world_TJ3=_splined(recording.world_TJ3, info.fps, fps),
            fps=fps,
            unit="m, as the file says",
            articulated=False,
            glitch=glitch(recording.world_TJ3, info.fps),
            split=members.get(recording.subject),
            cameras=recording.cameras,
            seen=tuple(_splined(seen_TJ2, info.fps, fps) for seen_TJ2 in recording.seen),
            texts=texts,
        )
        for recording in recordings
    ]


KINDS: Mapping[str, Callable[[Path, float, Reading], list[Captured]]] = {
    "amc": from_amc,
    "bvh": from_bvh,
    "npz": from_npz,
}


def _captured(file: Path, motion: Motion, fps: float, reading: Reading, subject: str, stem: str) -> Captured:
    """A motion's clip, checked for glitches at the rate at which it was captured."""
    title, found = naming.recognise(file, motion.names)
    listed = clips().get(file.stem)
    unit, how = _unit(file, motion, found, reading)

    def world(at: Motion) -> Array:
        points_TJ3 = naming.pick(found, positions(at)) * unit
        return points_TJ3 if reading.up == "z" else upright(points_TJ3)

    captured_TJ3, resampled = world(motion), resample(motion, fps)
    warning = f"{file.parent}: {naming.WITHOUT_THORAX}" if naming.lacks_thorax(motion, title, found) else None
    if listed and file.suffix.lower() == ".amc" and len(motion) != listed.frames:
        warning = f"{file} has {len(motion)} frames, CMU's has {listed.frames}"
    return Captured(
        file=file,
        subject=subject,
        name=listed.name if listed else _name(stem),
        world_TJ3=captured_TJ3 if resampled is motion else world(resampled),
        fps=fps,
        unit=how,
        articulated=True,
        glitch=glitch(captured_TJ3, motion.fps),
        warning=warning,
        split=None if listed is None else "validation" if listed.subject in VALIDATION else listed.split,
        texts=None if listed is None else CMU_TEXTS,
    )


def _name(stem: str) -> str:
    """Action and trial, as in "walk 01" of walk_01."""
    action, trial = re.fullmatch(r"(.*?)[ _-]*(\d*)", stem.replace("@", "-")).groups()  # type: ignore[union-attr]
    return f"{action or 'Clip'} {trial or 1}"


def _unit(file: Path, motion: Motion, found: Mapping[str, int], reading: Reading) -> tuple[float, str]:
    """Metres of the file's unit, and how that is known. Raises DataError where no unit gives a person's legs."""
    if reading.unit is not None:
        return reading.unit, f"{reading.unit:.4g} m, as --unit says"
    if motion.unit is not None:
        return motion.unit, f"{motion.unit:.4g} m, as the file says"
    leg = naming.leg_length(found, motion)
    for name, metres in UNITS.items():
        if LEG[0] < leg * metres < LEG[1]:
            return metres, f"{name}, since legs are {LEG[0]} to {LEG[1]} m long"
    raise DataError(
        f"{file}: a leg (thigh and shin) measures {leg:.4g}, which is {LEG[0]} to {LEG[1]} m in none of "
        f"{', '.join(UNITS)}; add --unit, one of these or the metres of a unit"
    )


def _asf(file: Path) -> Path:
    """The skeleton beside an AMC: the one whose name its own begins with, else the only one. Raises DataError."""
    found = sorted(path for path in file.parent.iterdir() if path.suffix.lower() == ".asf")
    named = [path for path in found if file.stem == path.stem or file.stem.startswith(f"{path.stem}_")]
    if named:
        return max(named, key=lambda path: len(path.stem))
    if len(found) != 1:
        there = f"has {', '.join(path.name for path in found)}" if found else "has no .asf"
        name = file.stem.rpartition("_")[0] or file.stem
        raise DataError(f"{file}: its folder {there}, and none is named for it; put its skeleton there as {name}.asf")
    return found[0]


def _splined(array_TJX: Array, source: float, target: float) -> Array:
    """Positions at another rate, from the first frame on."""
    taken_T = times(len(array_TJX), source, target)
    if source == target or len(array_TJX) < 2:
        return array_TJX[: len(taken_T)]
    resampled_TJX: Array = CubicSpline(np.arange(len(array_TJX)), array_TJX)(taken_T)
    return resampled_TJX
