"""What is in a dataset: how much of whom, the bones, the speed and the cameras, one view after the other.

Legend: T frames of a view, J joints, X bones.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import BONES, NAMES, bone_lengths
from ablate.data.windows import Splits, View

SPLITS = ("train", "validation", "test")
NAMED = 8  # cameras


def survey(splits: Splits) -> dict[str, Any]:
    """Plain values about all splits. Motion is looked at through each recording's first camera alone, in centimetres
    and in metres a second; only a number a joint and frame is kept in memory."""
    firsts = list(_firsts(splits))
    return {
        "digest": splits.digest,
        **{key: text for key, text in splits.info.items() if key not in ("name", "subjects", "clips", "minutes")},
        "splits": {name: _split(splits, name) for name in SPLITS},
        "actions": _actions(firsts),
        "bones_cm": _bones(firsts),
        "speed": _speed(firsts),
        "cameras": _cameras(splits),
    }


def _firsts(splits: Splits) -> Iterator[View]:
    for name in SPLITS:
        yield from (view for view in getattr(splits, name).views if view.camera_index == 0)


def _split(splits: Splits, name: str) -> dict[str, Any]:
    views = getattr(splits, name).views
    seconds = [len(view) / view.fps for view in views if view.camera_index == 0]
    return {
        "subjects": list(dict.fromkeys(view.subject for view in views)),
        "clips": len(seconds),
        "minutes": round(sum(seconds) / 60, 2),
        "views": len(views),
        "frames": sum(len(view) for view in views),
        "shortest_s": round(min(seconds, default=0.0), 2),
        "longest_s": round(max(seconds, default=0.0), 2),
    }


def _actions(views: list[View]) -> dict[str, float]:
    minutes: dict[str, float] = {}
    for view in views:
        minutes[view.action] = minutes.get(view.action, 0.0) + len(view) / view.fps / 60
    return {action: round(of, 2) for action, of in sorted(minutes.items())}


def _bones(views: list[View]) -> dict[str, dict[str, float]]:
    """By bone: the median over all frames, the least and the greatest median of a subject, and by how many percent of
    it the length varies within the subject in which it varies most (5 % to 95 %)."""
    by_subject: dict[str, list[Array]] = {}
    for view in views:
        by_subject.setdefault(view.subject, []).append(bone_lengths(view.x3d_TJ3) * 100)
    joined = [np.concatenate(lengths) for lengths in by_subject.values()]
    median_X = np.median(np.concatenate(joined), axis=0)
    low, middle, high = np.stack([np.quantile(of, (0.05, 0.5, 0.95), axis=0) for of in joined], axis=1)
    varies_X = 100 * ((high - low) / middle).max(axis=0)
    return {
        f"{NAMES[parent]} to {NAMES[child]}": {
            "median": round(float(median_X[i]), 2),
            "shortest": round(float(middle[:, i].min()), 2),
            "longest": round(float(middle[:, i].max()), 2),
            "varies_percent": round(float(varies_X[i]), 2),
        }
        for i, (parent, child) in enumerate(BONES)
    }


def _speed(views: list[View]) -> dict[str, Any]:
    """Of all joints in all frames, in the world: cameras stand still."""
    speeds, fastest, where = [], -1.0, ""
    for view in views:
        place_TJ3 = view.x3d_TJ3 + view.root_T3[:, None]
        speed_TJ = np.linalg.norm(np.diff(place_TJ3, axis=0), axis=-1) * view.fps
        speeds.append(speed_TJ.ravel())
        if speed_TJ.size and speed_TJ.max() > fastest:
            fastest = float(speed_TJ.max())
            frame, joint = np.unravel_index(speed_TJ.argmax(), speed_TJ.shape)
            where = f"{NAMES[joint]} in {view.recording} after frame {frame}"
    median, p95 = np.quantile(np.concatenate(speeds), (0.5, 0.95))
    return {
        "median": round(float(median), 3),
        "p95": round(float(p95), 3),
        "max": round(fastest, 3),
        "fastest": where,
    }


def _cameras(splits: Splits) -> Mapping[str, Any]:
    views = [view for name in SPLITS for view in getattr(splits, name).views]
    names = list(dict.fromkeys(view.camera.name for view in views))
    counts = Counter((name, view.recording) for name in SPLITS for view in getattr(splits, name).views)
    few, many = min(counts.values()), max(counts.values())
    distance = np.concatenate([np.linalg.norm(view.root_T3, axis=-1) for view in views])
    low, high = np.quantile(distance, (0.05, 0.95))
    sizes = sorted({view.camera.resolution for view in views})
    return {
        "a_clip": few if few == many else f"{few} to {many}",
        "names": names if len(names) <= NAMED else [*names[:NAMED], f"and {len(names) - NAMED} more"],
        "resolutions": [list(size) for size in sizes],
        "placed": f"{low:.1f} to {high:.1f} m from the person (5 % to 95 %)",
    }
