"""Human3.6M's 17 joints among the nodes of a capture file, by the names that its makers gave them.

A node marks where its own bone begins, so the end of the thorax, say, is the beginning of the neck. The root is always
the middle of the hips, wherever the file's own root lies. Legend: T frames, N nodes of a file, J joints.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.errors import DataError
from ablate.mocap.kinematics import Motion

END = " end"  # what the tip of a node without children is called: its name and this
_HEAD = "headtopend|headend|headtop"
_NECK, _TOP = "neck|neckbase|nose|necknose", "head|neckend|neckbaseend|noseend|necknoseend"


def _naming(spine: str, thorax: str, neck: str, head: str, left: str, right: str, limbs: str) -> dict[str, str]:
    """The names of all joints but the root, alternatives apart by |. ``limbs``: hip, knee, ankle, shoulder, elbow and
    wrist, where {} stands for the side."""
    trunk = {"spine": spine, "thorax": thorax, "neck_nose": neck, "head": head}
    ours = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side, prefix in (("left", left), ("right", right)):
        trunk |= {f"{side}_{o}": limb.format(prefix) for o, limb in zip(ours, limbs.split(), strict=True)}
    return trunk


# The first that a file has all names of is taken, so those with names that others lack stand first.
NAMINGS = {
    "Acclaim (ASF/AMC)": _naming(
        "upperback", "lowerneck", "head", _HEAD, "l", "r", "{}femur {}tibia {}foot {}humerus {}radius {}wrist"
    ),
    "cgspeed's BVH of CMU": _naming(
        "spine+lowerback+neck1", "neck", "head", _HEAD, "left", "right", "{}upleg {}leg {}foot {}arm {}forearm {}hand"
    ),
    "Mixamo and MotionBuilder": _naming(
        "spine1", "neck", "head", _HEAD, "left", "right", "{}upleg {}leg {}foot {}arm {}forearm {}hand"
    ),
    "Xsens": _naming(
        "chest2", "neck", "head", _HEAD, "left", "right", "{}hip {}knee {}ankle {}shoulder {}elbow {}wrist"
    ),
    "Vicon and BioVision": _naming(
        "chest",
        "neck",
        "head",
        _HEAD,
        "left",
        "right",
        "{0}hip|{0}upleg {0}knee|{0}lowleg {0}ankle|{0}foot {0}shoulder|{0}uparm {0}elbow|{0}lowarm {0}wrist|{0}hand",
    ),
    "Human3.6M": _naming(
        "spine",
        "thorax",
        _NECK,
        _TOP,
        "left",
        "right",
        "{0}hip {0}knee {0}ankle|{0}foot|{0}kneeend {0}shoulder {0}elbow {0}wrist|{0}elbowend",
    ),
    "Human3.6M, short": _naming(
        "spine",
        "thorax",
        _NECK,
        _TOP,
        "l",
        "r",
        "{0}hip {0}knee {0}ankle|{0}foot|{0}kneeend {0}shoulder {0}elbow {0}wrist|{0}elbowend",
    ),
}
CGSPEED = "cgspeed's BVH of CMU"
WITHOUT_THORAX = (
    "this is a copy of CMU's motion without its thorax bone: neck and shoulders begin where the thorax should, so head "
    "and arms lie 11 to 12 cm too low; import CMU's own ASF/AMC instead (`ablate data fetch cmu`)"
)


def _plain(names: Sequence[str]) -> list[str]:
    """Names in lower case, letters and digits alone, without what is set before all of them (mixamorig:)."""
    heads = [name.removesuffix(END) for name in names]
    low, high = min(heads), max(heads)  # what these two begin with, all do
    shared = next((i for i, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), 0)
    return [re.sub(r"[^a-z0-9]", "", name[shared:].rpartition(":")[2].lower()) for name in names]


def _places(plain: Sequence[str], naming: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
    """Of each joint its node; and the names that are missing."""
    found, missing = {}, []
    for joint, words in naming.items():
        alternatives, *marks = words.split("+")
        at = next((plain.index(name) for name in alternatives.split("|") if name in plain), None)
        missing += [mark for mark in marks if mark not in plain]
        if at is None:
            missing.append(alternatives.replace("|", " or "))
        else:
            found[joint] = at
    return found, missing


def recognise(path: Path, names: Sequence[str]) -> tuple[str, dict[str, int]]:
    """The naming that a file follows, and of each joint but the root its node. Raises DataError for an unknown one."""
    plain = _plain(names)
    results = {title: _places(plain, naming) for title, naming in NAMINGS.items()}
    for title, (found, missing) in results.items():
        if not missing:
            return title, found
    title, (_, missing) = min(results.items(), key=lambda result: len(result[1][1]))
    raise DataError(
        f"{path}: its joints follow none of the known namings ({', '.join(NAMINGS)}); nearest is {title}, where these "
        f"are missing: {', '.join(missing)}; rename the file's joints so"
    )


def pick(found: Mapping[str, int], where_TN3: Array) -> Array:
    """The 17 joints (T, 17, 3) among the nodes (T, N, 3), in the same unit and axes."""
    pose_TJ3: Array = where_TN3[:, [found.get(name, 0) for name in NAMES]]
    pose_TJ3[:, 0] = (where_TN3[:, found["left_hip"]] + where_TN3[:, found["right_hip"]]) / 2
    return pose_TJ3


def lacks_thorax(motion: Motion, title: str, found: Mapping[str, int]) -> bool:
    """Whether the neck and both shoulder blades begin at one point with the bone that carries them."""
    if title != CGSPEED:
        return False
    collars = (motion.parents[found["left_shoulder"]], motion.parents[found["right_shoulder"]])
    return not motion.offset_N3[[found["thorax"], *collars]].any()


def leg_length(found: Mapping[str, int], motion: Motion) -> float:
    """Thigh and shin of the left leg in the file's unit, from the offsets along the tree."""
    length = 0.0
    for end, begin in (("left_ankle", "left_knee"), ("left_knee", "left_hip")):
        node = found[end]
        while node != found[begin] and node > 0:
            length += float((motion.offset_N3[node] ** 2).sum() ** 0.5)
            node = motion.parents[node]
    return length
