"""A few seconds of made-up motion for tests: quick, deterministic, and with everything that real windows have."""

import numpy as np

from ablate.data.arrays import Array
from ablate.data.config import DataConfig
from ablate.data.film import film
from ablate.data.recording import Recording
from ablate.data.windows import Windows, evaluation

_STANDING = np.array(
    [
        (0.0, 0.0, 0.95),
        (-0.13, 0.0, 0.95), (-0.13, 0.0, 0.5), (-0.13, 0.0, 0.05),
        (0.13, 0.0, 0.95), (0.13, 0.0, 0.5), (0.13, 0.0, 0.05),
        (0.0, 0.0, 1.2), (0.0, 0.0, 1.45), (0.0, 0.1, 1.55), (0.0, 0.0, 1.7),
        (0.15, 0.0, 1.4), (0.25, 0.0, 1.15), (0.25, 0.1, 0.9),
        (-0.15, 0.0, 1.4), (-0.25, 0.0, 1.15), (-0.25, 0.1, 0.9),
    ]
)  # fmt: skip


def recording(name: str, action: str, length: int, seed: int = 0) -> Recording:
    """Someone of subject X who sways and swings every joint, ``length`` frames at 50 Hz."""
    rng = np.random.default_rng(seed)
    time_T11 = np.arange(length)[:, None, None] / 50
    swing_J3, phase_J3 = rng.uniform(0.02, 0.12, (17, 3)), rng.uniform(0, 6, (17, 3))
    world_TJ3 = _STANDING + swing_J3 * np.sin(4 * time_T11 + phase_J3)
    return Recording(subject="X", action=action, name=name, world_TJ3=world_TJ3.astype(np.float32), fps=50.0)


def windows(frames: int, *recordings: Recording, cameras: int = 2) -> Windows:
    """Evaluation windows over ``recordings`` through ``cameras`` virtual cameras, with true 2D."""
    config = DataConfig(cameras=cameras, input="gt")
    return evaluation([view for one in recordings for view in film(one, config)], frames)


def travelling(frames: int = 200) -> Array:
    """A figure of 17 points that walks 5 m along a curve, waving about."""
    rng = np.random.default_rng(3)
    body_J3 = rng.uniform((-0.4, -0.4, 0), (0.4, 0.4, 1.9), (17, 3))
    time_T = np.linspace(0, 1, frames)
    way_T3 = np.stack([5 * time_T, np.sin(4 * time_T), 0.05 * np.cos(9 * time_T)], axis=1)
    world_TJ3: Array = body_J3 + way_T3[:, None]
    return world_TJ3
