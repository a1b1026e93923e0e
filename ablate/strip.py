"""Which frames a lifter kept, on the one test window whose motion is most uneven: the data of the report's strip."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ablate.data.windows import Windows

WINDOWS = 512  # candidates looked at; a long test split need not be searched whole


class Selects(Protocol):
    """What is asked of a lifter: the frames of its stages, chosen from clean 2D."""

    def select(self, x2d_BFJ2: Tensor) -> Any: ...


def motion_mm(x3d_BFJ3: np.ndarray) -> np.ndarray:
    """Mean joint displacement from the frame before, in millimetres a frame (B, F); the first repeats the second."""
    step_BF = np.linalg.norm(np.diff(x3d_BFJ3, axis=1), axis=-1).mean(axis=-1) * 1000
    return np.pad(step_BF, ((0, 0), (1, 0)), mode="edge")


def shown(windows: Windows) -> int | None:
    """The window that records show: of those that are whole the one whose motion is most uneven; None where there is
    none, or no motion in a window.

    It depends on the data alone, so that every configuration of a study shows the same one.
    """
    full = np.flatnonzero(windows.counted_WF.all(axis=1))
    if not len(full) or windows.frames < 2:
        return None
    chosen = full[np.linspace(0, len(full) - 1, min(WINDOWS, len(full))).astype(int)]
    return int(chosen[motion_mm(windows.batch(chosen).x3d_BFJ3).std(axis=1).argmax()])


def strip(lifter: Selects, windows: Windows) -> dict[str, np.ndarray]:
    """``strip/motion`` float32 (F,), and the kept frames, int64, of each stage that prunes; of the window ``shown``."""
    window = shown(windows)
    if window is None:
        return {}
    batch = windows.batch([window])
    arrays = {"strip/motion": motion_mm(batch.x3d_BFJ3)[0].astype(np.float32)}
    selection = lifter.select(torch.from_numpy(batch.x2d_BFJ2))
    for stage, name in (("tcep", "tcep_BN"), ("mgptp", "mgptp_BM")):
        kept = None if selection is None else getattr(selection, name)
        if kept is not None:
            arrays[f"strip/{stage}"] = kept[0].cpu().numpy().astype(np.int64)
    return arrays
