"""Capture files made up for tests: a skeleton in CMU's names, its motion as AMC, and where its joints are by matrices
multiplied one after the other."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.mocap.kinematics import Motion

UNIT = 0.0254 / 0.45
# Bone, parent, direction, length, axis, degrees of freedom.
_SPINE = [
    ("lowerback", "root", (0.01, 0.997, -0.07), 2.06, (0, 0, 0), "rx ry rz"),
    ("upperback", "lowerback", (0, 1, -0.03), 2.07, (0, 0, 0), "rx ry rz"),
    ("thorax", "upperback", (0, 1, 0), 2.07, (0, 0, 0), "rx ry rz"),
    ("lowerneck", "thorax", (0, 0.995, 0.1), 1.57, (0, 0, 0), "rx ry rz"),
    ("upperneck", "lowerneck", (0.02, 0.997, -0.06), 1.56, (0, 0, 0), "rx ry rz"),
    ("head", "upperneck", (0.01, 0.999, -0.03), 1.63, (0, 0, 0), "rx ry rz"),
]
_LIMBS = [
    ("hipjoint", "root", (0.65, -0.71, 0.25), 2.5, (0, 0, 0), ""),
    ("femur", "hipjoint", (0.34, -0.94, 0), 7.6, (0, 0, 20), "rx ry rz"),
    ("tibia", "femur", (0.34, -0.94, 0), 7.3, (0, 0, 20), "rx"),
    ("foot", "tibia", (0.09, -0.24, 0.97), 2.2, (-90, 0, 20), "rx rz"),
    ("clavicle", "thorax", (0.97, 0.25, -0.05), 3.66, (0, 0, 0), "ry rz"),
    ("humerus", "clavicle", (1, 0, 0), 4.9, (180, -30, -90), "rx ry rz"),
    ("radius", "humerus", (1, 0, 0), 3.4, (180, -30, -90), "rx"),
    ("wrist", "radius", (1, 0, 0), 1.7, (0, 90, 90), "ry"),
]
Bone = tuple[str, str, tuple[float, float, float], float, tuple[float, float, float], str]


def _sided(side: str) -> list[Bone]:
    sign = 1 if side == "l" else -1
    return [
        (
            side + name,
            parent if parent in ("root", "thorax") else side + parent,
            (sign * direction[0], direction[1], direction[2]),
            length,
            (axis[0], sign * axis[1], sign * axis[2]),
            dof,
        )
        for name, parent, direction, length, axis, dof in _LIMBS
    ]


BONES: list[Bone] = [*_SPINE, *_sided("l"), *_sided("r")]
# Where each joint of Human3.6M but the hip is: at the end of this bone.
ENDS = {
    **{"spine": "lowerback", "thorax": "thorax", "neck_nose": "upperneck", "head": "head"},
    **{
        f"{side}_{joint}": side[0] + bone
        for side in ("left", "right")
        for joint, bone in (("hip", "hipjoint"), ("knee", "femur"), ("ankle", "tibia"))
    },
    **{
        f"{side}_{joint}": side[0] + bone
        for side in ("left", "right")
        for joint, bone in (("shoulder", "clavicle"), ("elbow", "humerus"), ("wrist", "radius"))
    },
}


def asf(degrees: bool = True) -> str:
    """The skeleton's file."""
    turn = 1.0 if degrees else math.pi / 180
    lines = ["# made up", ":version 1.10", ":name VICON", ":units", "  mass 1.0", "  length 0.45"]
    lines += [f"  angle {'deg' if degrees else 'rad'}", ":documentation", "   made up", ":root"]
    lines += ["   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata"]
    for number, (name, _, direction, length, axis, dof) in enumerate(BONES, 1):
        spoken = " ".join(map(str, direction))
        lines += ["  begin", f"     id {number}", f"     name {name}", f"     direction {spoken}"]
        lines += [f"     length {length}", f"     axis {' '.join(str(a * turn) for a in axis)}  XYZ"]
        if dof:
            limits = ["(-180.0 180.0)"] * len(dof.split())
            lines += [f"    dof {dof}", f"    limits {limits[0]}", *("           " + limit for limit in limits[1:])]
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    for parent in dict.fromkeys(bone[1] for bone in BONES):
        lines += [f"    {parent} {' '.join(bone[0] for bone in BONES if bone[1] == parent)}"]
    return "\n".join([*lines, "  end", ""])


def acted(frames: int, seed: int = 0, pace: float = 1.0) -> dict[str, Array]:
    """Angles in degrees (T, dof) of each bone that moves, and the root's way: somebody who sways on the spot."""
    rng = np.random.default_rng(seed)
    time_T1 = pace * np.arange(frames)[:, None] / 120
    values: dict[str, Array] = {}
    for name, dof in [("root", "tx ty tz rx ry rz"), *((bone[0], bone[5]) for bone in BONES if bone[5])]:
        count = len(dof.split())
        size, phase = rng.uniform(3, 15, count), rng.uniform(0, 6, count)
        values[name] = size * np.sin(2 * time_T1 + phase)
    values["root"][:, :3] = values["root"][:, :3] / 20 + [3.0, 17.5, -9.0]
    return values


def amc(values: Mapping[str, Array], degrees: bool = True) -> str:
    """The motion's file."""
    turn = 1.0 if degrees else math.pi / 180
    lines = ["#!OML:ASF made up", ":FULLY-SPECIFIED", ":DEGREES" if degrees else ":RADIANS"]
    for frame in range(len(values["root"])):
        lines.append(str(frame + 1))
        for name, of_TX in values.items():
            row = of_TX[frame].copy()
            row[3 if name == "root" else 0 :] *= turn
            lines.append(f"{name} {' '.join(f'{value:.10g}' for value in row)}")
    return "\n".join([*lines, ""])


def _about(axis: str, degrees: float) -> Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrices = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(matrices[axis], np.float64)


def _after(axes: Sequence[str], degrees: Sequence[float]) -> Array:
    """One turn about a fixed axis after the other."""
    whole = np.eye(3)
    for axis, angle in zip(axes, degrees, strict=True):
        whole = _about(axis[-1], angle) @ whole
    return whole


def joints(values: Mapping[str, Array]) -> Array:
    """The 17 joints (T, 17, 3), metres, z up: frame by frame, bone by bone."""
    poses = []
    for frame in range(len(values["root"])):
        root = values["root"][frame]
        ends = {"root": root[:3]}
        turns = {"root": _after("xyz", root[3:])}
        waiting = list(BONES)
        while waiting:
            name, parent, direction, length, axis, dof = bone = waiting.pop(0)
            if parent not in ends:
                waiting.append(bone)
                continue
            frame_of = _after("xyz", axis)
            own = _after(dof.split(), values[name][frame]) if dof else np.eye(3)
            turns[name] = turns[parent] @ frame_of @ own @ frame_of.T
            ends[name] = ends[parent] + turns[name] @ (np.array(direction) * length)
        pose = np.array([(ends["lhipjoint"] + ends["rhipjoint"]) / 2, *(ends[ENDS[name]] for name in NAMES[1:])])
        poses.append(np.stack([pose[:, 0], -pose[:, 2], pose[:, 1]], axis=1) * UNIT)
    return np.array(poses)


def captured(folder: Path, clip: str, values: Mapping[str, Array]) -> Path:
    """The files of a clip, as CMU lays them out below ``folder``; gives the AMC's."""
    subject = clip.partition("_")[0]
    (folder / subject).mkdir(parents=True, exist_ok=True)
    (folder / subject / f"{subject}.asf").write_text(asf())
    path = folder / subject / f"{clip}.amc"
    path.write_text(amc(values))
    return path


# The names of the BVH copies of CMU's motion.
CGSPEED = {
    **{"root": "Hips", "lowerback": "LowerBack", "upperback": "Spine", "thorax": "Spine1", "lowerneck": "Neck"},
    **{"upperneck": "Neck1", "head": "Head", "head end": "Head end"},
    **{
        short + bone: name.format(long, short.upper())
        for short, long in (("l", "Left"), ("r", "Right"))
        for bone, name in (
            ("hipjoint", "{1}HipJoint"),
            ("femur", "{0}UpLeg"),
            ("tibia", "{0}Leg"),
            ("foot", "{0}Foot"),
            ("clavicle", "{0}Shoulder"),
            ("humerus", "{0}Arm"),
            ("radius", "{0}ForeArm"),
            ("wrist", "{0}Hand"),
        )
    },
}


def bvh(motion: Motion, names: Mapping[str, str], scale: float = 1.0, order: str = "ZYX") -> str:
    """A motion as BVH, its nodes renamed, its lengths times ``scale``, rotations about ``order``."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(motion.parents):
        children.setdefault(parent, []).append(node)
    lines, listed = ["HIERARCHY"], []

    def put(node: int, depth: int) -> None:
        pad = "\t" * depth
        tip = node not in children
        name = names.get(motion.names[node], motion.names[node])
        lines.append(f"{pad}End Site" if tip else f"{pad}{'JOINT' if depth else 'ROOT'} {name}")
        lines.append(f"{pad}{{")
        offset = " ".join(f"{value * scale:.9f}" for value in motion.offset_N3[node])
        lines.append(f"{pad}\tOFFSET {offset}")
        if not tip:
            listed.append(node)
            rotations = " ".join(f"{axis}rotation" for axis in order)
            ways = "" if depth else "Xposition Yposition Zposition "
            lines.append(f"{pad}\tCHANNELS {3 if depth else 6} {ways}{rotations}")
        for child in children.get(node, []):
            put(child, depth + 1)
        lines.append(f"{pad}}}")

    put(0, 0)
    columns = [motion.paths[0] * scale]
    for node in listed:
        turn = motion.turns.get(node)
        columns.append(np.zeros((len(motion), 3)) if turn is None else turn.as_euler(order, degrees=True))
    lines += ["MOTION", f"Frames: {len(motion)}", f"Frame Time: {1 / motion.fps:.7f}"]
    lines += [" ".join(f"{value:.9f}" for value in row) for row in np.concatenate(columns, axis=1)]
    return "\n".join([*lines, ""])
