"""Workers as jobs of a scheduler: real jobs, through submitit's executor for this machine."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.crew import Order, prepare
from ablate.errors import AblateError, InputError
from ablate.loading import Study, check
from ablate.records import load_all
from ablate.runner import run
from ablate.scheduled import Launcher, Scheduled, serve
from ablate.source import parse
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_cli import ablate, refused

SMALL = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[1.0]").replace("[5, 3]", "[5]")


def study(text: str = SMALL) -> Study:
    return check(parse(text, "quick.yaml"))


def order(folder: Path, text: str = SMALL, workers: int = 1) -> Order:
    workspace = Workspace(folder / "home", folder / "reports")
    prepare(workspace)
    return Order.of(study(text), workspace, workers=workers)


@contextmanager
def crew(order: Order, limit: int) -> Iterator[Scheduled]:
    team = Scheduled(order, limit, Launcher.of("local", [], order.workspace))
    team.start()
    try:
        yield team
    finally:
        team.stop()


def wait(crew: Scheduled) -> None:
    while crew.watch():
        time.sleep(0.05)


def jobs(folder: Path) -> set[str]:
    return {path.name.split("_")[0] for path in (folder / "home" / "submitit").glob("*_submitted.pkl")}


def test_jobs_do_the_study_once_between_them(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    launcher = Launcher.of("local", ["timeout_min=30"], workspace)
    outcome = run(study(), workspace, Plain(quiet=True), workers=2, launcher=launcher)
    assert not outcome.failures
    assert len(outcome.records) == 2
    assert outcome.report.exists()
    assert len(jobs(tmp_path)) == 2
    assert {r.provenance["workers"] for r in outcome.records} == {2}


def test_a_job_takes_a_relative_home_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(Path("home"), Path("reports"), store="shelf")
    assert workspace.absolute() == Workspace(tmp_path / "home", tmp_path / "reports", store=f"{tmp_path}/shelf")
    assert replace(workspace, store="s3://lab/ablate").absolute().store == "s3://lab/ablate"


def test_what_a_job_can_not_go_on_from_is_told_here(tmp_path: Path) -> None:
    given = order(tmp_path)
    broken = replace(given, values={**given.values, "train": {"epohs": 1}})
    with crew(broken, limit=0) as team, pytest.raises(InputError, match="did you mean 'epochs'"):
        wait(team)


@pytest.mark.slow
def test_a_killed_job_is_replaced_and_the_study_ends(tmp_path: Path) -> None:
    with crew(order(tmp_path, SMALL.replace("epochs: 1", "epochs: 60")), limit=1) as team:
        os.kill(worker_of(tmp_path), signal.SIGKILL)
        wait(team)
    assert len(jobs(tmp_path)) == 2
    assert len(list(load_all(tmp_path / "home" / "records" / "quick"))) == 2


@pytest.mark.slow
def test_jobs_that_die_again_and_again_are_given_up(tmp_path: Path) -> None:
    with crew(order(tmp_path, SMALL.replace("epochs: 1", "epochs: 5000")), limit=0) as team:
        os.kill(worker_of(tmp_path), signal.SIGKILL)
        with pytest.raises(AblateError, match="again and again"):
            wait(team)


def test_stopping_cancels_the_jobs_and_frees_their_work(tmp_path: Path) -> None:
    with crew(order(tmp_path, SMALL.replace("epochs: 1", "epochs: 5000")), limit=0):
        working = worker_of(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(working, 0)
    (events,) = (tmp_path / "home" / "ledger" / "quick").glob("train-*.jsonl")
    assert '"interrupted"' in events.read_text()


def worker_of(folder: Path) -> int:
    """The process that trains, once its first epoch is over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in (folder / "home" / "ledger" / "quick").glob("train-*"):
            events = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
            if any(event.get("done") for event in events):
                return int(events[0]["worker"].split(":")[1])
        time.sleep(0.02)
    raise AssertionError("no job began to train")


def test_a_job_is_interrupted_when_its_time_is_up(tmp_path: Path) -> None:
    """What submitit would answer by requeueing from inside the work."""
    old = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    given = order(tmp_path)
    try:
        assert serve(replace(given, values={**given.values, "seeds": []})) is not None
        for number in old:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--launcher", "slurn"), "choose slurm or local; did you mean 'slurm'?"),
        (("--launcher", "slurm"), "add --storage postgresql+psycopg://"),
        (("--launcher", "local", "--launcher-set", "timeout_min"), "write it as key=value"),
        (("--launcher", "local", "--launcher-set", "timeout_min=soon"), "expected type"),
        (("--launcher", "local", "--launcher-set", "slurm_partitoin=gpu"), "slurm_partitoin"),
    ],
)
def test_a_launcher_that_can_not_work_is_refused(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SMALL)
    assert told in refused(ablate("run", "s.yaml", *arguments, cwd=tmp_path))
