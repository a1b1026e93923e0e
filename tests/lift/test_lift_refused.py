"""`ablate lift` leaves all files or none, and one message says what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from ablate.errors import InputError
from ablate.lift import lifting, outputs
from tests.checkpoints import ablate_, refused
from tests.lift.command import SIZE, VIDEO, left, poses
from tests.lift.filmed import Film

pytestmark = pytest.mark.usefixtures("inside")


def wrong(name: str, lifter: Path) -> tuple[str, ...]:
    """The arguments of a command that must be refused."""
    weights, out = ("--checkpoint", str(lifter)), ("--out", "p.npz")
    return {
        "no such keypoints": ("absent.json", *weights, *VIDEO, *out),
        "no such weights": ("k.json", "--checkpoint", "absent.safetensors", *VIDEO, *out),
        "no lifter's weights": ("k.json", "--checkpoint", "k.json", *VIDEO, *out),
        "nothing known of the video": ("k.json", *weights, *out),
        "another kind": ("k.json", *weights, *VIDEO, "--out", "p.obj"),
        "another animation": ("k.json", *weights, *VIDEO, *out, "--render", "p.png"),
        "no such folder": ("k.json", *weights, *VIDEO, "--out", "absent/p.npz"),
        "twice the same": ("k.json", *weights, *VIDEO, *out, *out),
        "size no size": ("k.json", *weights, "--size", "1920", "--fps", "50", *out),
        "another size": ("k.json", *weights, "--size", "640x480", "--fps", "50", *out),
        "no frames a second": ("k.json", *weights, *SIZE, "--fps", "0", *out),
        "negative focal": ("k.json", *weights, *VIDEO, "--focal", "-3", *out),
        "nobody of this name": ("k.json", *weights, *VIDEO, "--person", "anna", *out),
        "another format": ("k.json", *weights, *VIDEO, "--format", "coco", *out),
        "another list": ("k.json", *weights, *VIDEO, "--joints", "body25", *out),
    }[name]


MESSAGES = {
    "no such keypoints": "absent.json: can't be read",
    "no such weights": "absent.safetensors: can't be read",
    "no lifter's weights": "k.json: is no lifter's file",
    "nothing known of the video": "add --fps (frames a second of the video, such as 30) and --size",
    "another kind": "--out p.obj: ends in none of .npz, .csv, .bvh",
    "another animation": "--render p.png: ends in none of .gif, .mp4",
    "no such folder": "absent/p.npz: can't be written",
    "twice the same": "a file is named twice",
    "size no size": "--size 1920: is no width and height",
    "another size": "outside a picture of 640x480",
    "no frames a second": "--fps: must be above 0",
    "negative focal": "--focal: must be above 0",
    "nobody of this name": "--person anna: nobody of this name",
    "another format": "k.json (as coco): the file: is a dict, not a list",
    "another list": "17 keypoints a person, and --joints body25",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_is_said_and_nothing_is_written(lifter: Path, name: str) -> None:
    message = refused("lift", *wrong(name, lifter))
    assert MESSAGES[name] in " ".join(message.split())
    assert "Traceback" not in message
    assert left() == set()


def test_shares_of_a_picture_are_no_pixels(lifter: Path, shot: Film) -> None:
    np.savez("s.npz", keypoints=shot.xy_TK2 / shot.size)
    assert "no pixels" in refused("lift", "s.npz", "--checkpoint", lifter, *VIDEO, "--out", "p.npz")


def test_what_is_there_is_replaced_only_by_force(lifter: Path) -> None:
    Path("p.npz").write_text("mine")
    arguments = ("lift", "k.json", "--checkpoint", lifter, *VIDEO, "--out", "p.csv", "--out", "p.npz")
    assert "--force" in refused(*arguments)
    assert Path("p.npz").read_text() == "mine"
    assert left() == {"p.npz"}
    assert ablate_(*arguments, "--force").exit_code == 0
    assert left() == {"p.npz", "p.csv"}
    assert poses("p.npz")["1/pose_m"].shape == (40, 17, 3)


def test_weights_that_come_along_are_taken_where_none_are_named(
    lifter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifting, "SHIPPED", tmp_path / "none" / "lifter.safetensors")
    assert "name a file of weights by --checkpoint" in refused("lift", "k.json", *VIDEO, "--out", "p.npz")
    monkeypatch.setattr(lifting, "SHIPPED", lifter)
    assert ablate_("lift", "k.json", *VIDEO, "--out", "p.npz").exit_code == 0
    assert lifter.name == json.loads(str(poses("p.npz")["info"]))["lifter"]["file"]


def test_damaged_weights_leave_nothing_behind(tmp_path: Path) -> None:
    import torch

    import models

    damaged = models.build("mixste", size="tiny", frames=9, width=16)
    with torch.no_grad():
        next(damaged.parameters()).fill_(float("nan"))
    path = tmp_path / "d.safetensors"
    path.write_bytes(models.serialised(damaged))
    done = ablate_("lift", "k.json", "--checkpoint", path, *VIDEO, "--out", "p.npz")
    assert done.exit_code == 1
    assert "not finite" in done.stderr
    assert left() == {"d.safetensors"}


def test_a_full_disk_leaves_nothing_behind() -> None:
    def fill() -> None:
        with outputs.promised([Path("a.npz")], force=False) as parts:
            parts[Path("a.npz")].write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"a\.npz: can't be written \(No space left on device\)"):
        fill()
    assert left() == set()
