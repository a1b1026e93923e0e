"""Is this a person? Speeds and bone lengths that no body has, told before they become data.

Legend: T frames of a clip, J joints.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import BONES, LEFT, NAMES, RIGHT, bone_lengths

FASTEST = 12.0  # metres a second: a joint beyond it was tracked wrongly
THIGH = (0.22, 0.65)  # metres, from a small child's to a giant's; beyond, the unit is another one
SHORTEST = 0.005  # metres: of a shorter bone, both joints are one
UNEVEN = 0.15  # the share by which a left and a right bone may differ
ELASTIC = 0.15  # the share of its length by which a bone may vary between its 5 % and 95 % quantiles
FLOOR = 0.5  # metres that the floor may lie above or below z = 0


def glitch(world_TJ3: Array, fps: float) -> str | None:
    """Why a clip was tracked wrongly: its fastest joint, at the rate it was captured at; None where all are slower."""
    speed_TJ = np.linalg.norm(np.diff(world_TJ3, axis=0), axis=-1) * fps
    if not (speed_TJ > FASTEST).any():
        return None
    frame, joint = np.unravel_index(speed_TJ.argmax(), speed_TJ.shape)
    spoken = NAMES[joint].replace("_", " ")
    return f"{spoken} moves at {speed_TJ.max():.1f} m/s after frame {frame}, and nobody is faster than {FASTEST:g}"


def impossible(lengths: Array) -> str | None:
    """What makes these typical bone lengths (16,), metres, none of a person; None where they may be."""
    for (parent, child), length in zip(BONES, lengths, strict=True):
        if length < SHORTEST:
            return f"{NAMES[parent]} and {NAMES[child]} lie at one point; are the joints named right?"
        if NAMES[child].endswith("knee") and not THIGH[0] < length < THIGH[1]:
            return f"a thigh of {length:.3g} m; is the unit right (--unit)?"
    return None


def odd(clips: Sequence[Array]) -> Iterator[str]:
    """What is odd about the clips (T, 17, 3) of one subject, metres, z up: to be told, not refused."""
    lengths_TX = np.concatenate([bone_lengths(clip_TJ3) for clip_TJ3 in clips])
    low, middle, high = np.quantile(lengths_TX, (0.05, 0.5, 0.95), axis=0)
    for left, right in zip(LEFT, RIGHT, strict=True):
        one, other = middle[left - 1], middle[right - 1]
        if abs(one - other) > UNEVEN * max(one, other):
            yield f"{NAMES[left]} ends a bone of {one:.2f} m, {NAMES[right]} one of {other:.2f} m"
    for (_, child), share in zip(BONES, (high - low) / middle, strict=True):
        if share > ELASTIC:
            yield f"the bone to {NAMES[child]} changes its length by {100 * share:.0f} %"
    trunk = middle[6] + middle[7]
    rise = np.median(np.concatenate([clip_TJ3[:, 8, 2] - clip_TJ3[:, 0, 2] for clip_TJ3 in clips]))
    if rise < trunk / 2:
        yield "lies or hangs most of the time; if z points up in the file, add --up z"
    floor = np.median([np.quantile(clip_TJ3[..., 2].min(axis=1), 0.05) for clip_TJ3 in clips])
    if abs(floor) > FLOOR:
        yield f"the lowest joints lie at z = {floor:.1f} m, where the floor should be 0; cameras stand on z = 0"
