"""The command that lifts the 2D keypoints of one's own video."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.cli.app import Json, print_json
from ablate.cli.weights import Accelerator
from ablate.errors import InputError

SHOWN = 5  # of the people who are left out


class Format(StrEnum):
    """What a file of keypoints looks like; ablate.lift.reading has the layouts."""

    auto = "auto"
    mmpose = "mmpose"
    coco = "coco"
    alphapose = "alphapose"
    easy_vitpose = "easy_vitpose"
    openpose = "openpose"
    mediapipe = "mediapipe"
    npz = "npz"


class Joints(StrEnum):
    """Which list a file's keypoints are; ablate.data.keypoints has them."""

    auto = "auto"
    coco17 = "coco17"
    h36m17 = "h36m17"
    body25 = "body25"
    mediapipe33 = "mediapipe33"
    halpe26 = "halpe26"
    wholebody133 = "wholebody133"
    halpe136 = "halpe136"


Keypoints = Annotated[Path, typer.Argument(metavar="KEYPOINTS", help="A detector's JSON or npz, or its folder.")]
Out = Annotated[
    list[Path], typer.Option(metavar="FILE", help="Where the poses go: .npz, .csv or .bvh; may be given often.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Weights of a lifter; else the one that comes along.")
]
FormatOf = Annotated[Format, typer.Option("--format", help="The file's layout; auto tells it by its look.")]
JointsOf = Annotated[Joints, typer.Option(help="The list of keypoints; auto tells it by number and look.")]
Fps = Annotated[float | None, typer.Option(help="Frames a second of the video.")]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="Its picture in pixels: 1920x1080.")]
Focal = Annotated[
    float | None, typer.Option(metavar="PX", help="Focal length in pixels; else 1.145 of the longer side.")
]
Person = Annotated[list[str], typer.Option(metavar="NAME", help="Lift this one alone; may be given often.")]
MinScore = Annotated[float, typer.Option(min=0, help="Fill what has less than this share of a person's median score.")]
Hypotheses = Annotated[int | None, typer.Option(min=1, help="Of a diffusion lifter; 5 by default.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Denoising steps, 1 by default.")]
Rate = Annotated[float, typer.Option(help="Frames a second that the lifter was trained at.")]
Render = Annotated[Path | None, typer.Option(metavar="FILE", help="An animation: .gif, or .mp4 by ffmpeg.")]
RenderSeconds = Annotated[float, typer.Option(min=0.1, help="How much of the clip it shows.")]


def lift(
    keypoints: Keypoints,
    out: Out,
    checkpoint: Checkpoint = None,
    format_: FormatOf = Format.auto,
    joints: JointsOf = Joints.auto,
    fps: Fps = None,
    size: Size = None,
    focal: Focal = None,
    person: Person = [],  # noqa: B006  (typer reads the default, nothing changes it)
    min_score: MinScore = 0.3,
    hypotheses: Hypotheses = None,
    steps: Steps = None,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Flip averaging.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler's noise.")] = 0,
    rate: Rate = 50.0,
    render: Render = None,
    render_seconds: RenderSeconds = 10.0,
    accelerator: Annotated[Accelerator, typer.Option(help="auto takes a GPU where there is one.")] = Accelerator.auto,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    as_json: Json = False,
) -> None:
    """Lift the 2D keypoints that a detector found in a video to 3D poses, in metres before the camera.

    Reads JSON of MMPose, Detectron2, AlphaPose, ViTPose, OpenPose and MediaPipe, and npz. Several people are lifted
    each by themselves; what was not seen is interpolated, and said.

    Example: ablate lift keypoints.json --size 1920x1080 --fps 30 --out poses.npz --out poses.bvh --render poses.gif
    """
    from ablate.lift.clip import Request
    from ablate.lift.lifting import run
    from ablate.terminal import print_wrapped, reporter

    request = Request(
        keypoints=keypoints,
        checkpoint=checkpoint,
        format=format_.value,
        joints=joints.value,
        fps=fps,
        size=None if size is None else _size(size),
        focal=focal,
        people=tuple(person),
        min_score=min_score,
        hypotheses=hypotheses,
        steps=steps,
        flip=flip,
        seed=seed,
        rate=rate,
        accelerator=accelerator.value,
    )
    info, files = run(request, out, render=render, seconds=render_seconds, force=force, reporter=reporter(as_json))
    if as_json:
        print_json({**info, "files": [str(file) for file in files]})
    else:
        for line in _lines(info):
            print_wrapped(line)
        typer.echo("\n".join(map(str, files)))


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"--size {text}: is no width and height in pixels, as 1920x1080 is")
    return int(width), int(height)


def _lines(info: dict[str, Any]) -> Iterator[str]:
    """What was read, what was filled, what was assumed."""
    width, height = info["size_px"]
    yield f"read as {info['format']} with {info['keypoints']}, {width}x{height}, {info['fps']:g} frames a second"
    for name, person in info["people"].items():
        joints = person["filled_percent_by_joint"]
        worst = max(joints, key=joints.__getitem__, default=None)
        filled = f"{person['filled_percent']:.1f} % of the joints filled" if joints else "nothing filled"
        most = (
            "" if worst is None else f" ({worst} {joints[worst]:.0f} %, the longest gap {person['longest_gap_frames']})"
        )
        lost = f", {person['frames_lost']} of them without this person" if person["frames_lost"] else ""
        yield f"person {name}: {person['frames']} frames from {person['first_frame']} on{lost}; {filled}{most}"
    left_out = info["left_out"]
    for name in list(left_out)[:SHOWN]:
        yield f"person {name} left out: {left_out[name]}"
    if len(left_out) > SHOWN:
        yield f"and {len(left_out) - SHOWN} more people left out; --json has them"
    if info["focal_assumed"]:
        yield (
            f"assumed a focal length of {info['focal_px']:.0f} pixels, as of Human3.6M's cameras: distances scale with "
            "it, poses don't; --focal gives the camera's own"
        )
