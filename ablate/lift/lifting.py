"""From a file of keypoints to files of poses.

Legend: T frames of the video, S frames at the lifter's rate, N detections, J joints.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import models
from ablate.data.camera import normalise_screen
from ablate.errors import InputError
from ablate.lift import drawing, outputs, placing, sliding
from ablate.lift.clip import Clip, Request, prepared, told
from ablate.lift.filling import grid, sampled
from ablate.lift.outputs import Lifted
from ablate.lift.sliding import Sampling
from ablate.provenance import command, device_name, environment
from ablate.terminal import Reporter, Silent

if TYPE_CHECKING:
    from models.contract import Lifter

#: The lifter that comes with the package, for whoever names no other.
SHIPPED = Path(__file__).with_name("lifter.safetensors")
HYPOTHESES = 5  # of a diffusion lifter, where nothing else is asked for


def run(
    request: Request,
    outs: Sequence[Path],
    *,
    render: Path | None = None,
    seconds: float = 10.0,
    force: bool = False,
    reporter: Reporter | None = None,
) -> tuple[dict[str, Any], list[Path]]:
    """Lift what ``request`` names, and write ``outs`` and the animation ``render`` of the first ``seconds``, all of
    them or none. Returns what the npz says under ``info``, and the files (a BVH holds one person).

    Raises InputError (DataError for the file of keypoints) where anything is wrong with what was given, NotFinite.
    """
    outputs.checked(outs)
    if render is not None:
        drawing.checked(render)
    lifter, sha256 = _loaded(request.checkpoint or SHIPPED)
    how, device = _sampling(request, lifter), _device(request.accelerator)
    clip = prepared(request)
    files = {out: outputs.names(out, [track.label for track in clip.tracks]) for out in outs}
    every = [file for some in files.values() for file in some]
    with outputs.promised([*every, *([] if render is None else [render])], force=force) as parts:
        started, clock = datetime.now(UTC), time.perf_counter()
        lifted = lift(lifter, clip, how, request.rate, device, reporter or Silent())
        info = told(clip) | {
            "lifter": {
                "file": (request.checkpoint or SHIPPED).name,
                "sha256": sha256,
                "host": models.host_of(lifter.config),
                "frames": lifter.config.frames,
                "rate_hz": request.rate,
            },
            "sampling": asdict(how),
            "provenance": {
                **environment(),
                "device": device_name(device),
                "dtype": "float32",
                "started": started.isoformat(timespec="seconds"),
                "seconds": time.perf_counter() - clock,
                "command": command(),
            },
        }
        for out, some in files.items():
            groups = [lifted] if len(some) == 1 else [[person] for person in lifted]
            for file, group in zip(some, groups, strict=True):
                outputs.write(parts[file], out.suffix.lower(), group, info)
        if render is not None:
            drawing.render(parts[render], lifted, fps=clip.fps, size=clip.size, seconds=seconds)
    return info, list(parts)


def lift(
    lifter: "Lifter", clip: Clip, how: Sampling, rate: float, device: torch.device, reporter: Reporter
) -> list[Lifted]:
    """Everybody's poses, in the frames of the video. Raises NotFinite, and DataError for somebody who is a point."""
    lifted, frames = [], lifter.config.frames
    for track in clip.tracks:
        x2d_TJ2 = normalise_screen(track.x2d_TJ2, clip.size).astype(np.float32)
        at_S = grid(len(x2d_TJ2), clip.fps, rate)
        with reporter.bar(f"lifting person {track.label}", len(sliding.starts(len(at_S), frames))) as advance:
            poses = sliding.lift(lifter, frames, sampled(x2d_TJ2, at_S), how, device, advance)
        back_T = np.minimum(np.arange(len(x2d_TJ2)) * (rate / clip.fps), len(at_S) - 1)
        pose_TJ3 = sampled(poses.pose_TJ3, back_T)
        root_T3 = placing.placed(pose_TJ3, x2d_TJ2, track.filled_TJ, focal=clip.focal, size=clip.size, fps=clip.fps)
        lifted.append(
            Lifted(
                label=track.label,
                frame_T=track.first + np.arange(len(x2d_TJ2)),
                pose_TJ3=pose_TJ3,
                placed_TJ3=pose_TJ3 + root_T3[:, None],
                spread_TJ=sampled(poses.spread_TJ, back_T),
                keypoint_TJ2=track.x2d_TJ2,
                filled_TJ=track.filled_TJ,
            )
        )
    return lifted


def _loaded(path: Path) -> "tuple[Lifter, str]":
    """The lifter in ``path``, and the file's sha256."""
    if path == SHIPPED and not path.is_file():
        raise InputError("no lifter comes with this copy of the program; name a file of weights by --checkpoint")
    try:
        return models.load(path), hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); name a file of weights") from error
    except (ValueError, KeyError, TypeError) as error:
        text = "a file of `ablate import-checkpoint`, or the stored weights of a study, is what lifts"
        raise InputError(f"{path}: is no lifter's file ({error}); {text}") from error


def _sampling(request: Request, lifter: "Lifter") -> Sampling:
    """Raises InputError where a deterministic lifter is to have several hypotheses or steps."""
    asked = (request.hypotheses or 1, request.steps or 1)
    if not lifter.channels and asked != (1, 1):
        raise InputError("--hypotheses, --steps: this lifter is deterministic, it has one of each; leave them out")
    hypotheses = request.hypotheses or (HYPOTHESES if lifter.channels else 1)
    return Sampling(hypotheses=hypotheses, steps=request.steps or 1, flip=request.flip, seed=request.seed)


def _device(accelerator: str) -> torch.device:
    """Raises InputError where a GPU is asked for and there is none."""
    there = torch.cuda.is_available()
    if accelerator == "gpu" and not there:
        raise InputError("--accelerator gpu: there is none that torch can use; take cpu, or auto")
    return torch.device("cuda" if there and accelerator != "cpu" else "cpu")
