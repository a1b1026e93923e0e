"""Where a number came from: the code's commit, its plugins, the libraries, the machine."""

import os
import platform
import re
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate import __version__

if TYPE_CHECKING:
    import torch

PLUGINS: list[str] = []  # file name and hash of each that this process has loaded; see ablate.plugin
LIBRARIES = ("torch", "numpy", "optuna", "mlflow", "lightning-fabric")


def _git(*arguments: str) -> str | None:
    """git's answer about this program's own checkout; None where it isn't one."""
    folder = Path(__file__).parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        answer = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def environment() -> dict[str, Any]:
    """Commit (None outside a checkout), whether the tree had changes, versions, platform; and plugins, if any."""
    return {**_program(), **({"plugins": ", ".join(PLUGINS)} if PLUGINS else {})}


@cache
def _program() -> dict[str, Any]:
    status = _git("status", "--porcelain")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "ablate": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in LIBRARIES},
    }


def command() -> str:
    """The command line as typed, without the folder of the program and without a URL's password."""
    program = Path(sys.argv[0]).name.replace("__main__.py", "ablate")  # python -m ablate
    return re.sub(r"(://[^:/@\s]*:)[^@\s]+@", r"\1***@", " ".join([program, *sys.argv[1:]]))


def worker_name() -> str:
    """Which process of which machine."""
    return f"{platform.node()}:{os.getpid()}"


def device_name(device: "torch.device") -> str:
    """What computes: the GPU's name, or the processor's with its threads."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"


class Spent:
    """What work takes of this process from now on."""

    def __init__(self) -> None:
        self._clock, self._processor = time.perf_counter(), time.process_time()

    def told(self, work: str) -> dict[str, float]:
        """Under names that end in ``work``: seconds; processor time by them in percent, over 100 where several cores
        were busy; and the most memory that the process has held so far, in MB of 1e6 bytes (on Linux alone)."""
        seconds = time.perf_counter() - self._clock
        busy = 100 * (time.process_time() - self._processor) / seconds
        found = {f"seconds_{work}": seconds, f"cpu_percent_{work}": busy}
        status = Path("/proc/self/status")
        if status.exists():
            peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
            found |= {f"memory_mb_{work}": int(peak[1]) * 1.024e-3} if peak else {}
        return found
