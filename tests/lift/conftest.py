"""A film, a tiny lifter, and a folder to lift in."""

from pathlib import Path

import numpy as np
import pytest

from tests.lift import files
from tests.lift.filmed import Film, film, swaying


@pytest.fixture(scope="module")
def shot() -> Film:
    return film(swaying(40), np.random.default_rng(0))


@pytest.fixture(scope="module")
def lifter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.lifter(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shot: Film) -> None:
    """A folder of its own, with a detector's file in it."""
    monkeypatch.chdir(tmp_path)
    files.mmpose(tmp_path / "k.json", shot)
