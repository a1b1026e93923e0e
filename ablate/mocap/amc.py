"""Acclaim's skeletons (ASF) and motion (AMC), as CMU's database has them.

A bone of an ASF lies along ``direction``, given in the world's axes of the rest pose, and turns about ``axis``: its
rotation is axis x (its degrees of freedom, the first one first) x the inverse axis, all about fixed axes. Lengths are
inches / ``length`` of the section :units. Legend: T frames, N nodes.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ablate.data.arrays import Array
from ablate.errors import DataError
from ablate.mocap.kinematics import Motion
from ablate.mocap.naming import END

INCH = 0.0254  # metres
TURNS = {"rx": "x", "ry": "y", "rz": "z"}
ROOT = "root"
CUT = "is the file cut short or damaged?"


@dataclass(frozen=True, kw_only=True)
class Bone:
    """``vector`` is from its beginning to its end in the rest pose, in the file's unit; ``axis`` is in the file's unit
    of angles, ``order`` that of its rotations; ``dof`` what the motion gives, ``rx`` and so on."""

    vector: tuple[float, float, float]
    axis: tuple[float, float, float]
    order: str
    dof: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """What an ASF says. ``bones`` holds the root too; ``parents`` names each other bone's, parents before children."""

    path: Path
    unit: float
    degrees: bool
    bones: Mapping[str, Bone]
    parents: Mapping[str, str]


def read_asf(path: Path) -> Skeleton:
    """A skeleton. Raises DataError for a file that is none, or says what isn't understood."""
    sections: dict[str, list[list[str]]] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split("#")[0].split()
        if words and words[0].startswith(":"):
            sections[words[0][1:].lower()] = [words[1:]]
        elif words and sections:
            sections[next(reversed(sections))].append([*words, str(number)])
    for name in ("units", "root", "bonedata", "hierarchy"):
        if name not in sections:
            raise DataError(f"{path}: has no section :{name}; is it an ASF?")
    units = {words[0].lower(): words[1] for words in sections["units"][1:] if len(words) > 2}
    length = _numbers(path, units.get("length", "1").split())[0]
    bones = {ROOT: _root(path, sections["root"][1:])} | dict(_bones(path, sections["bonedata"][1:]))
    return Skeleton(
        path=path,
        unit=INCH / length,
        degrees=not units.get("angle", "deg").lower().startswith("rad"),
        bones=bones,
        parents=_parents(path, sections["hierarchy"][1:], bones),
    )


def read_amc(path: Path, skeleton: Skeleton, fps: float) -> Motion:
    """The motion of a skeleton, at the ``fps`` that it was captured at (the file doesn't say it). Raises DataError for
    a file that isn't whole, or is another skeleton's."""
    text = _text(path)
    values = _frames(path, text, skeleton)
    degrees = skeleton.degrees
    if mode := re.search(r"^\s*:(DEGREES|RADIANS)", text, re.MULTILINE | re.IGNORECASE):
        degrees = mode[1].upper() == "DEGREES"
    names, parents, offsets = [ROOT], [-1], [(0.0, 0.0, 0.0)]
    for name, parent in skeleton.parents.items():
        names.append(name)
        parents.append(names.index(parent))
        offsets.append(skeleton.bones[parent].vector)
    carrying = set(skeleton.parents.values())
    for name in (name for name in skeleton.bones if name not in carrying):
        parents.append(names.index(name))
        names.append(name + END)
        offsets.append(skeleton.bones[name].vector)
    turns = {
        names.index(name): turn
        for name, values_TX in values.items()
        if (turn := _turn(skeleton.bones[name], values_TX, skeleton.degrees, degrees)) is not None
    }
    root = skeleton.bones[ROOT]
    path_T3 = np.stack([values[ROOT][:, root.dof.index(f"t{axis}")] for axis in "xyz"], axis=1) + root.vector
    return Motion(
        names=tuple(names),
        parents=tuple(parents),
        offset_N3=np.array([(0.0, 0.0, 0.0) if parent == 0 else o for parent, o in zip(parents, offsets, strict=True)]),
        paths={0: path_T3},
        turns=turns,
        fps=fps,
        unit=skeleton.unit,
    )


def _turn(bone: Bone, values_TX: Array, axis_degrees: bool, degrees: bool) -> Rotation | None:
    """A bone's rotations over time; None where it has no degree of freedom."""
    columns = [i for i, dof in enumerate(bone.dof) if dof in TURNS]
    if not columns:
        return None
    order = "".join(TURNS[bone.dof[i]] for i in columns)
    axis = Rotation.from_euler(bone.order, bone.axis, degrees=axis_degrees)
    return axis * Rotation.from_euler(order, values_TX[:, columns], degrees=degrees) * axis.inv()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="latin-1")
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); name a file that is there") from error


def _numbers(path: Path, words: list[str], line: str = "") -> list[float]:
    """Raises DataError for what is no finite number."""
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{path}{line}: {error}; {CUT}") from error
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{path}{line}: holds NaN or infinity; {CUT}")
    return numbers


def _triple(path: Path, words: list[str], line: str) -> tuple[float, float, float]:
    if len(words) < 3:
        raise DataError(f"{path}{line}: expected three numbers; {CUT}")
    x, y, z = _numbers(path, words[:3], line)
    return x, y, z


def _order(path: Path, word: str, line: str) -> str:
    if sorted(word.upper()) != ["X", "Y", "Z"]:
        raise DataError(f"{path}{line}: the order of an axis is {word!r}, expected one like XYZ; {CUT}")
    return word.lower()


def _root(path: Path, lines: list[list[str]]) -> Bone:
    """The root, whose ``vector`` is where it rests."""
    found = {words[0].lower(): words[1:-1] for words in lines}
    place = ":root"
    order = tuple(word.lower() for word in found.get("order", []))
    if sorted(order) != ["rx", "ry", "rz", "tx", "ty", "tz"]:
        raise DataError(f"{path}{place}: order is {' '.join(order)!r}, expected TX TY TZ RX RY RZ in some order")
    return Bone(
        vector=_triple(path, found.get("position", ["0"] * 3), place),
        axis=_triple(path, found.get("orientation", ["0"] * 3), place),
        order=_order(path, found.get("axis", ["XYZ"])[0], place),
        dof=order,
    )


def _bones(path: Path, lines: list[list[str]]) -> Iterator[tuple[str, Bone]]:
    found: dict[str, list[str]] = {}
    place = ""
    for *words, number in lines:
        place = f":{number}"
        if words[0] == "begin":
            found = {}
        elif words[0] == "end":
            yield _bone(path, found, place)
            found = {}
        else:
            found[words[0].lower()] = words[1:]
    if found:
        raise DataError(f"{path}{place}: the last bone has no end; {CUT}")


def _bone(path: Path, found: Mapping[str, list[str]], place: str) -> tuple[str, Bone]:
    for key in ("name", "direction", "length", "axis"):
        if not found.get(key):
            raise DataError(f"{path}{place}: a bone without {key}; {CUT}")
    name = found["name"][0]
    dof = tuple(word.lower() for word in found.get("dof", []))
    if other := [word for word in dof if word not in TURNS]:
        raise DataError(f"{path}{place}: {name} also moves by {', '.join(other)}; only rotations rx, ry, rz are read")
    x, y, z = _triple(path, found["direction"], place)
    length = _numbers(path, found["length"][:1], place)[0]
    axis = found["axis"]
    return name, Bone(
        vector=(x * length, y * length, z * length),
        axis=_triple(path, axis, place),
        order=_order(path, axis[3] if len(axis) > 3 else "XYZ", place),
        dof=dof,
    )


def _parents(path: Path, lines: list[list[str]], bones: Mapping[str, Bone]) -> dict[str, str]:
    """Each bone's parent, parents first. Raises DataError unless the bones are one tree under the root."""
    children: dict[str, list[str]] = {}
    for *words, number in lines:
        if words[0] in ("begin", "end"):
            continue
        if unknown := [word for word in words if word not in bones]:
            raise DataError(f"{path}:{number}: :hierarchy names {', '.join(unknown)}, which :bonedata does not; {CUT}")
        children.setdefault(words[0], []).extend(words[1:])
    parents: dict[str, str] = {}
    waiting = [(ROOT, child) for child in children.get(ROOT, [])]
    while waiting:
        parent, name = waiting.pop(0)
        if name in parents or name == ROOT:
            raise DataError(f"{path}: :hierarchy hangs {name} in two places; {CUT}")
        parents[name] = parent
        waiting += [(name, child) for child in children.get(name, [])]
    if loose := bones.keys() - parents.keys() - {ROOT}:
        raise DataError(f"{path}: :hierarchy hangs {', '.join(sorted(loose))} nowhere under the root; {CUT}")
    return parents


def _frames(path: Path, text: str, skeleton: Skeleton) -> dict[str, Array]:
    """What moves each bone, (T, values). Raises DataError for a frame that isn't whole, or stands where it can't."""
    wanted = {name: len(bone.dof) for name, bone in skeleton.bones.items() if bone.dof}
    values: dict[str, list[list[float]]] = {name: [] for name in wanted}
    frames, first = 0, 0  # how many were begun, and the number of the first
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if len(words) == 1 and words[0].isdigit():
            _complete(path, values, frames, first)
            first = first if frames else int(words[0])
            if int(words[0]) != first + frames:
                raise DataError(f"{path}:{number}: frame {words[0]} stands where {first + frames} should; {CUT}")
            frames += 1
            continue
        name = words[0]
        if name not in wanted:
            raise DataError(f"{path}:{number}: bone {name} is not one of {skeleton.path} that moves; are they a pair?")
        if len(words) - 1 != wanted[name]:
            raise DataError(f"{path}:{number}: {name} has {len(words) - 1} values, expected {wanted[name]}; {CUT}")
        values[name].append(_numbers(path, words[1:], f":{number}"))
    if frames == 0:
        raise DataError(f"{path}: holds no frame; is it an AMC?")
    _complete(path, values, frames, first)
    return {name: np.array(rows) for name, rows in values.items()}


def _complete(path: Path, values: Mapping[str, list[list[float]]], frames: int, first: int) -> None:
    """Raises DataError unless each bone has its values in each of the ``frames`` read so far, once."""
    for name, rows in values.items():
        if len(rows) != frames:
            what = "lacks" if len(rows) < frames else "holds twice"
            raise DataError(f"{path}: frame {first + frames - 1} {what} {name}; {CUT}")
