"""What every test may rely on: one thread a process, a home of its own, and where shared motion lies."""

import os
from pathlib import Path

import pytest

from tests.postgres import connection, database, prepared, server

__all__ = ["connection", "database", "prepared", "server"]

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    # Two test processes on two cores: more threads each would only fight. Set before torch or numpy start.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in ("MLFLOW_TRACKING_URI", "ABLATE_HOME", "ABLATE_DATA"):
        os.environ.pop(name, None)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text of a study that runs in seconds, and a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return TINY


TINY = """\
name: quick
question: Does it run?
baseline: d3dp
model: {name: htp, size: tiny, width: 16, heads: 2, frames: 9, input: root_relative, init: warm}
sweep:
  model.pruning.tcep.keep_ratio: [1.0, 0.6]
  model.pruning.mgptp.clusters: [5, 3]
variants:
  d3dp: {set: {model.name: d3dp, train.mode: each}}
seeds: [0, 1]
data: {name: synthetic, clip_seconds: 1, cameras: 1}
train: {mode: elastic, epochs: 1, batch: 64, windows: 64, accelerator: cpu}
evaluate: {hypotheses: 2, steps: 2, batch: 64}
measure: {repeats: 1, warmup: 0}
"""
