"""`ablate lift` as tests call it, and what it leaves behind."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.checkpoints import ablate_

SIZE, VIDEO = ("--size", "1920x1080"), ("--size", "1920x1080", "--fps", "50")


def told(lifter: Path, *arguments: str, file: str = "k.json") -> dict[str, Any]:
    done = ablate_("lift", file, "--checkpoint", lifter, *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def poses(path: str) -> dict[str, Any]:
    """The arrays of an npz of ours."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def left() -> set[str]:
    """The files that there are beside the keypoints, hidden ones among them."""
    return {path.name for path in Path().iterdir()} - {"k.json"}
