"""What choosing frames by its own tokens costs a pass: MACs by kind, from frames and channels. No torch here."""

from collections.abc import Mapping

from models.config import JOINTS


def dpc_knn(frames: int, width: int) -> Mapping[str, float]:
    """All frames compared with each other, their joints pooled."""
    return {"other": frames**2 * width}


def merge(frames: int, width: int) -> Mapping[str, float]:
    """Each frame compared with the next, their joints pooled."""
    return {"other": (frames - 1) * width}


def attention(frames: int, width: int) -> Mapping[str, float]:
    """Queries and keys of all tokens once more, and their products."""
    return {"linear": 2 * width**2 * frames * JOINTS, "attention": width * frames**2 * JOINTS}
