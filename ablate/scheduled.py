"""Workers as jobs of a cluster's scheduler, through submitit; ``local`` starts the same jobs on this machine.

A job is one worker with one order. What becomes of the work of a job that ends early is decided by the claims, as for
every worker: nothing is requeued by the scheduler, a fresh job takes the place instead.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, get_args

from ablate.crew import GRACE_S, Order, Refusal, refused, work
from ablate.errors import AblateError, InputError
from ablate.nearest import nearest
from ablate.source import parse_value
from ablate.workspace import Workspace

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

Cluster = Literal["slurm", "local"]
DEFAULTS = {"name": "ablate", "timeout_min": 1440}  # submitit's own limit is five minutes
POLL_S = 0.1  # while jobs are asked to stop


@dataclass(frozen=True)
class Launcher:
    """Where jobs are put, and what for: ``settings`` as submitit's AutoExecutor takes them, ``slurm_partition`` for
    instance."""

    cluster: Cluster
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, cluster: str, settings: Sequence[str], workspace: Workspace) -> "Launcher":
        """From the command line's texts, ``key=value`` each, checked before anything starts. Raises InputError."""
        known: tuple[Cluster, ...] = get_args(Cluster)
        if cluster not in known:
            raise InputError(f"--launcher {cluster}: choose {' or '.join(known)}{nearest(cluster, known)}")
        if cluster == "slurm" and workspace.storage is None:
            raise InputError(
                "--launcher slurm: jobs on several machines can't share claims in files; add --storage "
                "postgresql+psycopg://..., and --store where the home folder is on one machine only"
            )
        pairs = {key: (equals, value) for key, equals, value in (text.partition("=") for text in settings)}
        if bad := [key for key, (equals, _) in pairs.items() if not equals]:
            raise InputError(f"--launcher-set {bad[0]}: write it as key=value, for instance timeout_min=240")
        given = {key: parse_value(value) for key, (_, value) in pairs.items()}
        found = cls(next(c for c in known if c == cluster), {**DEFAULTS, **given})
        found.executor(workspace)
        return found

    def executor(self, workspace: Workspace) -> "AutoExecutor":
        """submitit's, with these settings; scripts, logs and results of its jobs lie in the home folder.

        Raises InputError.
        """
        try:
            from submitit import AutoExecutor
        except ImportError as error:
            raise InputError("--launcher: needs submitit; pip install 'pose-ablate[slurm]'") from error
        try:
            executor = AutoExecutor(workspace.home.absolute() / "submitit", cluster=self.cluster)
            executor.update_parameters(**self.settings)
        except (RuntimeError, NameError, AssertionError, ValueError, OSError) as error:
            raise InputError(f"--launcher {self.cluster}: {error}") from error
        return executor


class Scheduled:
    """A crew (see ablate.crew.Crew) of jobs. A job that dies, or whose time is up, is replaced."""

    def __init__(self, order: Order, limit: int, launcher: Launcher) -> None:
        """``limit`` bounds how many are replaced in all, should they die before they can begin anything."""
        self._orders = [_own(order, index, launcher.cluster) for index in range(order.workers)]
        self._limit = limit
        self._executor = launcher.executor(order.workspace)
        self._jobs: dict[int, Job[Refusal | None]] = {}

    def start(self) -> None:
        for index in range(len(self._orders)):
            self._submit(index)

    def _submit(self, index: int) -> None:
        self._jobs[index] = self._executor.submit(serve, self._orders[index])

    def watch(self) -> bool:
        """Replace who died; False once all have finished. Raises what a worker could not go on from."""
        from submitit.core.utils import UncompletedJobError

        for index, job in list(self._jobs.items()):
            if not job.done():
                continue
            del self._jobs[index]
            try:
                refusal = job.result()
            except UncompletedJobError as error:
                self._limit -= 1
                if self._limit < 0:
                    raise AblateError(f"jobs die again and again; the last one's log: {job.paths.stderr}") from error
                self._submit(index)
            else:
                if refusal is not None:
                    kind, text = refusal
                    raise kind(text)
        return bool(self._jobs)

    def stop(self) -> None:
        """Cancel all that are there, and wait a while until they have gone."""
        for job in self._jobs.values():
            if not job.done():
                _cancel(job)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and not all(job.done() for job in self._jobs.values()):
            time.sleep(POLL_S)


def _own(order: Order, index: int, cluster: Cluster) -> Order:
    """One job's order. A scheduler gives each job cores and devices of its own; on this machine jobs share them."""
    order = replace(order, workspace=order.workspace.absolute(), index=index)
    return replace(order, workers=1, index=0) if cluster == "slurm" else order


def _cancel(job: "Job[Refusal | None]") -> None:
    from submitit import LocalJob

    if isinstance(job, LocalJob):
        # Its own way is SIGINT, which jobs of a run that was started in the background ignore.
        os.kill(int(job.job_id), signal.SIGTERM)
    else:
        job.cancel(check=False)


def serve(order: Order) -> Refusal | None:
    """The function of one job. Returns what it could not go on from: an exception would come back as mere text.

    A scheduler says by SIGTERM or SIGUSR2 that the time is up. submitit would requeue the job from inside the work;
    here the work is interrupted, and its claim is free.
    """
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, _interrupt)
    try:
        work(order)
    except AblateError as error:
        return refused(error)
    return None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
