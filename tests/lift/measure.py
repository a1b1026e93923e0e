"""How well `ablate lift` lifts: captured motion that no lifter here was trained on, through cameras and a detector that
none was trained with; how much the seams of windows show; how long an hour takes, and how much memory.

    python -m tests.lift.measure errors [CHECKPOINT]    needs ABLATE_DATA, or the shared motion beside the project
    python -m tests.lift.measure hour [CHECKPOINT [OPTION...]]

Legend: T frames, J joints.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ablate import metrics
from ablate.data.cmu import read
from ablate.data.config import DataConfig
from ablate.data.recording import Recording
from ablate.lift.lifting import SHIPPED
from ablate.lift.sliding import starts
from tests.checkpoints import ablate_
from tests.conftest import SHARED
from tests.lift import files
from tests.lift.filmed import Array, Film, film

MM = 1000.0
HOUR = 3600
VIDEO = ("--fps", "50", "--size", "1920x1080")
LEFT_OUT = ("Cartwheel", "Acrobatics")  # reported apart: nothing of the kind is in the training split


def command(path: Path, out: Path, checkpoint: Path, *more: str) -> tuple[str, ...]:
    """The arguments of `ablate` that lift a file of keypoints."""
    return "lift", str(path), "--checkpoint", str(checkpoint), "--out", str(out), "--force", *VIDEO, *more


def lifted(path: Path, checkpoint: Path, focal: float) -> dict[str, Array]:
    """What the command makes of a file of keypoints."""
    done = ablate_(*command(path, path.with_name("poses.npz"), checkpoint, "--focal", f"{focal:g}"))
    assert done.exit_code == 0, done.stderr
    with np.load(path.with_name("poses.npz")) as archive:
        return {name: archive[name] for name in archive.files}


def errors(checkpoint: Path) -> None:
    """MPJPE, P-MPJPE, the placed joints' and the root's error over all frames of the test recordings, and seams.

    Seams are looked for without a detector's noise, whose jitter would hide them.
    """
    os.environ.setdefault("ABLATE_DATA", str(SHARED / "mocap"))
    recordings = read(DataConfig(name="cmu", cameras=1), Path(".ablate")).splits["test"]
    rows: dict[str, list[Array]] = {"ordinary": [], "acrobatic": []}
    seams: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keypoints.json"
        for number, recording in enumerate(recordings):
            assert isinstance(recording, Recording)
            shot = film(recording.world_TJ3, np.random.default_rng(1000 + number))
            found = lifted(files.mmpose(path, shot), checkpoint, shot.focal)
            kind = "acrobatic" if recording.action.startswith(LEFT_OUT) else "ordinary"
            rows[kind].append(compared(found["1/pose_m"], found["1/placed_m"], shot))
            print(f"{recording.key:28} {len(shot.xy_TK2):5} frames, MPJPE {rows[kind][-1][:, 0].mean():6.1f} mm")
            clean = film(recording.world_TJ3, np.random.default_rng(1000 + number), noise=0)
            found = lifted(files.mmpose(path, clean), checkpoint, clean.focal)
            seams += jumps(found["1/pose_m"], json.loads(str(found["info"]))["lifter"]["frames"])
    for kind, some in rows.items():
        every = np.concatenate(some)
        told = zip(("MPJPE", "P-MPJPE", "placed joints", "root", "root's depth"), every.mean(axis=0), strict=True)
        print(f"{kind}: {len(every)} frames; " + ", ".join(f"{name} {value:.1f} mm" for name, value in told))
    at, elsewhere = np.mean(seams, axis=0)
    print(
        f"without noise, change of velocity at windows' ends {at:.2f} mm a frame, elsewhere {elsewhere:.2f}: "
        f"{at / elsewhere:.3f} times"
    )


def compared(pose_TJ3: Array, placed_TJ3: Array, shot: Film) -> Array:
    """MPJPE, P-MPJPE, error of the placed joints, of the root and of its depth, millimetres (T, 5)."""
    pose, placed, truth = (torch.from_numpy(array).double() for array in (pose_TJ3, placed_TJ3, shot.truth_TJ3))
    relative = truth - truth[:, :1]
    root = (placed - truth)[:, 0]
    found = [
        metrics.mpjpe(pose, relative),
        metrics.p_mpjpe(pose, relative),
        metrics.mpjpe(placed, truth),
        root.norm(dim=-1),
        root[:, 2].abs(),
    ]
    stacked: Array = MM * torch.stack(found, dim=-1).numpy()
    return stacked


def jumps(pose_TJ3: Array, frames: int) -> list[tuple[float, float]]:
    """The change of velocity within a frame of where a window begins or ends, and elsewhere, millimetres a frame."""
    start_W = starts(len(pose_TJ3), frames)[1:-1]
    if not len(start_W):
        return []
    change_T = MM * np.linalg.norm(np.diff(pose_TJ3.astype(np.float64), n=2, axis=0), axis=-1).mean(axis=-1)
    near_T = np.zeros(len(change_T), np.bool_)
    for edge in (start_W, start_W + frames):
        for shift in (-2, -1, 0):
            near_T[np.clip(edge + shift, 0, len(change_T) - 1)] = True
    return [(float(change_T[near_T].mean()), float(change_T[~near_T].mean()))]


def hour(checkpoint: Path, *more: str) -> None:
    """Seconds and peak memory of the whole command on an hour at 50 frames a second, from npz and from JSON."""
    time_T11 = np.arange(HOUR * 50)[:, None, None] / 50
    rng = np.random.default_rng(0)
    one = film(np.zeros((1, 17, 3)) + rng.uniform(0, 1.7, (1, 17, 3)), rng, noise=0)
    swing = rng.uniform(20, 60, (17, 2)) * np.sin(4 * time_T11 + rng.uniform(0, 6, (17, 2)))
    points = (one.xy_TK2 + swing).astype(np.float32)
    scores = np.ones(points.shape[:2], np.float32)
    whole = Film(xy_TK2=points, score_TK=scores, truth_TJ3=points, fps=50.0, size=one.size, focal=one.focal)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("npz", "mmpose"):
            path = files.written(Path(folder), kind, whole)
            began = time.perf_counter()
            words = command(path, Path(folder) / "poses.npz", checkpoint, "--joints", "coco17", *more)
            subprocess.run([sys.executable, "-m", "ablate", *words], check=True, stdout=subprocess.DEVNULL)
            spent = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
            print(f"{kind}: {len(points)} frames, {spent:.0f} s, at most {peak:.2f} GB so far", flush=True)


if __name__ == "__main__":
    what, checkpoint, *more = *sys.argv[1:], *([] if sys.argv[2:] else [str(SHIPPED)])
    {"errors": errors, "hour": hour}[what](Path(checkpoint), *more)
