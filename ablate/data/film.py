"""From recordings to views: cameras are placed where there are none, and each sees its 2D and its 3D.

Legend: T frames of a recording, J joints, N frames of all views.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from ablate import seeds
from ablate.data import camera as optics
from ablate.data import coco
from ablate.data.config import DataConfig
from ablate.data.noise import detector_noise
from ablate.data.recording import Camera, Recording
from ablate.data.rigs import RIGS
from ablate.data.windows import Footage, View
from ablate.errors import DataError

DIGESTED = 65_536  # frames that are hashed at once


def film(clip: Recording | View, config: DataConfig) -> list[View]:
    """A view (see there) through each of the recording's cameras, or through ``config.cameras`` virtual ones; a clip
    that is a view already, as it is.

    Cameras and noise are drawn at addresses that name the recording, so they don't depend on what else is in the data.
    """
    if isinstance(clip, View):
        return [clip]
    cameras = clip.cameras or RIGS[config.rig](
        clip.world_TJ3, config.cameras, seeds.stream(config.seed, "cameras", clip.key)
    )
    return [_view(clip, camera, i, config) for i, camera in enumerate(cameras)]


def _view(recording: Recording, camera: Camera, index: int, config: DataConfig) -> View:
    points_TJ3 = optics.world_to_camera(recording.world_TJ3, camera)
    rng = seeds.stream(config.seed, "noise", recording.key, camera.name)
    if recording.seen:
        if config.input == "coco":
            raise DataError(f"{recording.key}: brings 2D of its own, which coco would leave aside; set data.input: gt")
        x2d_TJ2 = recording.seen[index]
    elif config.input == "coco":
        x2d_TJ2 = coco.seen(points_TJ3, camera, recording.fps, rng)
    else:
        x2d_TJ2 = optics.project(points_TJ3, camera)
        if config.input == "detector":
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
        fps=recording.fps,
    )


def digest(splits: Iterable[Footage]) -> str:
    """The sha256 that ``Splits`` describes."""
    content = hashlib.sha256()
    for footage in splits:
        content.update("\n".join(f"{view.label} {len(view)}" for view in footage.views).encode())
        for array in (footage.x2d_NJ2, footage.x3d_NJ3, footage.root_N3):
            for first in range(0, len(array), DIGESTED):
                content.update(np.rint(array[first : first + DIGESTED] * 1e4).astype(np.int32).tobytes())
        if not footage.valid_N.all():
            content.update(footage.valid_N.tobytes())
    return content.hexdigest()
