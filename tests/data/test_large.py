"""A set of Human3.6M's size, in its layout: converted and loaded in little memory, and never copied."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

GB = 1e9
LOAD = """
import json, re, sys
from pathlib import Path
from ablate.data import load
from ablate.data.config import DataConfig
splits = load(DataConfig(name="h36m", path=sys.argv[1], hold_out=False), 27, Path(sys.argv[2]))
shown = sum(len(splits.train.batch(range(first, first + 64)).x2d_BFJ2) for first in range(0, 6400, 64))
frames = int(splits.train.counted_WF.sum())
# not getrusage's, which a process inherits from the one that started it
(kilobytes,) = re.findall(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([frames, len(splits.train), shown, splits.digest, int(kilobytes)]))
"""


def loaded(folder: Path, home: Path) -> tuple[int, int, int, str, float]:
    """Frames and windows of training, windows drawn, digest, and the most memory in bytes."""
    command = [sys.executable, "-c", LOAD, str(folder), str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    frames, windows, shown, digest, kilobytes = json.loads(done.stdout)
    return frames, windows, shown, digest, 1024 * kilobytes


@pytest.mark.slow
def test_a_set_of_human36m_s_size(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "tests.benchmarks", str(tmp_path / "h36m")], cwd=ROOT, check=True)
    first, again = (loaded(tmp_path / "h36m", tmp_path / "home") for _ in range(2))
    assert first[:4] == again[:4]
    assert first[0] == 1_560_000
    assert first[2] == 6400
    assert first[4] < 2 * GB, "while it is made"
    assert again[4] < 0.5 * GB, "once it is there"
