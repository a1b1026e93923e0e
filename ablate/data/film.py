"""From recordings to views: cameras are placed where there are none, and each sees its 2D and its 3D.

Legend: T frames of a recording, J joints.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from ablate import seeds
from ablate.data import camera as optics
from ablate.data.config import DataConfig
from ablate.data.noise import detector_noise
from ablate.data.recording import Camera, Recording
from ablate.data.windows import View, Windows


def film(recording: Recording, config: DataConfig) -> list[View]:
    """A view (see there) through each of the recording's cameras, or through ``config.cameras`` virtual ones.

    Cameras and noise are drawn at addresses that name the recording, so they don't depend on what else is in the data.
    """
    cameras = recording.cameras or optics.ring(
        recording.world_TJ3, config.cameras, seeds.stream(config.seed, "cameras", recording.key)
    )
    return [_view(recording, camera, i, config) for i, camera in enumerate(cameras)]


def _view(recording: Recording, camera: Camera, index: int, config: DataConfig) -> View:
    points_TJ3 = optics.world_to_camera(recording.world_TJ3, camera)
    x2d_TJ2 = optics.project(points_TJ3, camera)
    if config.input == "detector":
        rng = seeds.stream(config.seed, "noise", recording.key, camera.name)
        x2d_TJ2 = x2d_TJ2 + detector_noise(camera.intrinsic[0] / points_TJ3[:, 0, 2], recording.fps, rng)
    return View(
        recording=recording.key,
        subject=recording.subject,
        action=recording.action,
        camera=camera,
        camera_index=index,
        x2d_TJ2=x2d_TJ2.astype(np.float32),
        x3d_TJ3=(points_TJ3 - points_TJ3[:, :1]).astype(np.float32),
        root_T3=points_TJ3[:, 0].astype(np.float32),
    )


def digest(splits: Iterable[Windows]) -> str:
    """The sha256 that ``Splits`` describes."""
    content = hashlib.sha256()
    for windows in splits:
        content.update("\n".join(f"{view.label} {len(view)}" for view in windows.views).encode())
        for array in (windows.footage.x2d_NJ2, windows.footage.x3d_NJ3, windows.footage.root_N3):
            content.update(np.rint(array * 1e4).astype(np.int32).tobytes())
    return content.hexdigest()
