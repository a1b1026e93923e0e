"""How long a person waits for commands that compute nothing: whole processes, from their start to their end."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.bench import Row
from ablate.bench.ratios import Timing, timing_row

REPEATS = 7
PLANS = 3  # each probes, which takes longer than all else
WAITS = (("--help", 0.3), ("zoo", 1.0), ("validate pruning_ratio", 1.0))
PLAN, PLAN_S = "plan _tiny", 3.0


@dataclass(frozen=True)
class Process:
    """What one process took, in seconds by the clock and of the processor, and what it printed."""

    wall_s: float
    processor_s: float
    printed: str


def startup(quick: bool = False) -> list[Row]:
    """The rows of ``ablate bench startup``; about a minute. A process of each command goes first, and is not counted:
    it leaves compiled modules and the disk's cache behind, as on any machine where the program was used before."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for command, promise in WAITS:
            rows += _rows(command, _processes(command, Path(folder), 1 if quick else REPEATS), promise)
        if not quick:
            rows += _planning(_processes(f"{PLAN} --json", Path(folder), PLANS))
    return rows


def _processes(command: str, folder: Path, repeats: int) -> list[Process]:
    return [_process(command, folder) for _ in range(1 + repeats)][1:]


def _process(command: str, folder: Path) -> Process:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    arguments = [sys.executable, "-m", "ablate", *command.split()]
    done = subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Process(wall_s, busy_s, done.stdout.decode())


def _rows(command: str, processes: Sequence[Process], promise: float) -> list[Row]:
    return [
        timing_row(f"ablate {command}", Timing(command, tuple(p.wall_s for p in processes)), promise),
        timing_row("the same, processor time", Timing(command, tuple(p.processor_s for p in processes))),
    ]


def _planning(processes: Sequence[Process]) -> list[Row]:
    """A plan says itself what its probe took."""
    probes = [json.loads(process.printed)["probe_s"] for process in processes]
    beside = tuple(process.wall_s - probe for process, probe in zip(processes, probes, strict=True))
    return [
        timing_row(f"ablate {PLAN}, beside its probe", Timing("beside", beside), PLAN_S),
        timing_row("its probe", Timing("probe", tuple(probes))),
    ]
