"""`ablate bench`: each of its benches is there, takes what it says, and refuses the rest in one message."""

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ablate.cli.bench import Bench
from tests.test_cli import ablate, refused

OPTIONS = {"size", "frames", "device", "quick", "home"}


@pytest.mark.parametrize("name", [*Bench])
def test_each_bench_is_a_function_of_its_name_that_can_be_tried_quickly(name: Bench) -> None:
    taken = inspect.signature(getattr(import_module(f"ablate.bench.{name}"), name)).parameters
    assert taken.keys() <= OPTIONS
    assert "quick" in taken
    assert all(option.default is not inspect.Parameter.empty for key, option in taken.items() if key != "home")


def test_a_bench_refuses_options_that_it_does_not_take(tmp_path: Path) -> None:
    told = refused(ablate("bench", "engine", "--size", "tiny", "--frames", "9", cwd=tmp_path))
    assert told == "error: ablate bench engine takes no --size, --frames; it takes --quick, --json\n"
    assert not [*tmp_path.iterdir()]


def test_a_quick_bench_prints_what_it_keeps(tmp_path: Path) -> None:
    done = ablate("bench", "metrics", "--quick", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["rows"]
    assert printed["options"] == {"quick": True}
    assert printed == json.loads((tmp_path / "reports/bench/metrics-quick/result.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["engine", "report", "startup"])
def test_the_tools_own_benches_work(name: str, tmp_path: Path) -> None:
    assert json.loads(ablate("bench", name, "--quick", "--json", cwd=tmp_path).stdout)["rows"]


def test_the_list_of_benches_loads_none_of_them() -> None:
    script = "import sys, ablate.cli.bench; sys.exit(' '.join(m for m in sys.modules if m.startswith('ablate.bench')))"
    assert not subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr.strip()
