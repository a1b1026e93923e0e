"""The command line as a person meets it: real processes, exit codes, one clear message."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import TINY


def ablate(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ablate", *arguments]
    env = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    "command",
    ["run", "validate", "schema", "report", "show", "zoo", "profile", "ui", "audit", "import-checkpoint", "evaluate"],
)
def test_every_command_has_help_with_an_example(command: str, tmp_path: Path) -> None:
    done = ablate(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Example: ablate {command}" in done.stdout


def test_help_shows_the_extra_to_install(tmp_path: Path) -> None:
    assert "pose-ablate[dashboard]" in ablate("ui", "--help", cwd=tmp_path).stdout  # not taken for markup


def test_validate_tells_all_problems_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TINY.replace("epochs: 1", "epohs: 1"))
    (tmp_path / "b.yaml").write_text(TINY.replace("cameras: 1", "cameras: 0"))
    told = refused(ablate("validate", "a.yaml", "b.yaml", "missing.yaml", cwd=tmp_path))
    assert "a.yaml:12:24: unknown key 'epohs'; did you mean 'epochs'?" in told
    assert "b.yaml:11:51: data.cameras: must be at least 1, got 0" in told
    assert "missing.yaml: no such study file" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name: synthetic, clip_seconds: 1", "name: cmu, path: nowhere"), "nowhere"),
        (("tcep.keep_ratio: [1.0, 0.6]", "tcep.keep_ratio: [0, 0.6]"), "must lie in (0, 1]"),
        (("clusters: [5, 3]", "clusters: [5, 30]"), "must lie in 2..9"),
        (("name: htp,", "name: hpt,"), "did you mean 'htp'?"),
    ],
)
def test_run_refuses_bad_input_and_leaves_nothing(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(TINY.replace(*change))
    assert told in refused(ablate("run", "s.yaml", cwd=tmp_path))
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "s.yaml"]


def test_run_in_a_file_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(TINY)
    (tmp_path / "taken").write_text("a file")
    assert "taken: can't be written" in refused(ablate("--home", "taken", "run", "s.yaml", cwd=tmp_path))


def test_run_prints_json_and_reports_again(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(TINY.replace("seeds: [0, 1]", "seeds: [0]"))
    done = ablate("--home", "elsewhere", "run", "s.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["records"]) == 5
    assert (tmp_path / "elsewhere" / "mlflow.db").exists()
    assert not (tmp_path / ".ablate").exists()
    pages = [tmp_path / told["html"], tmp_path / told["report"]]
    assert [page.name for page in pages] == ["report.html", "report.md"]
    first = [page.read_bytes() for page in pages]
    for page in pages:
        page.unlink()
    again = ablate("--home", "elsewhere", "report", "s.yaml", "--publish", cwd=tmp_path)
    folder = "reports/published/quick"
    assert again.stdout == f"report   {folder}/report.html\nas text  {folder}/report.md\n"
    assert [page.read_bytes() for page in pages] == first
    told = json.loads(ablate("--home", "elsewhere", "report", "s.yaml", "--json", cwd=tmp_path).stdout)
    assert [tmp_path / told["html"], tmp_path / told["report"]] == pages
    assert "nothing is recorded" in refused(ablate("report", "s.yaml", cwd=tmp_path))


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """A real process, a real signal, after the first record is on disk."""
    (tmp_path / "s.yaml").write_text(TINY.replace("seeds: [0, 1]", "seeds: [0]"))
    command = [sys.executable, "-m", "ablate", "run", "s.yaml"]
    # A suite started in the background hands down an ignored SIGINT; a person's shell doesn't.
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    folder = tmp_path / ".ablate" / "records" / "quick"
    deadline = time.monotonic() + 120
    while not list(folder.glob("*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "the same command goes on" in told
    assert "Traceback" not in told
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert before
    assert not [name for name in before if name.endswith(".part")]
    done = ablate("run", "s.yaml", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "report   reports/quick/report.html\nas text  reports/quick/report.md\n" in done.stdout
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert len([n for n in after if n.endswith(".json")]) == 5
    assert {name: after[name] for name in before if name.endswith(".json")} == {
        name: text for name, text in before.items() if name.endswith(".json")
    }


def test_the_schema_is_printed(tmp_path: Path) -> None:
    assert "properties" in json.loads(ablate("schema", cwd=tmp_path).stdout)


def test_shipped_studies_are_found_from_anywhere(tmp_path: Path) -> None:
    done = ablate("validate", "pruning_ratio", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
