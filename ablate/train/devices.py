"""Where a training runs: one device, or several that share every batch.

With several, each rank is a process with a device and a Fabric of its own. It lifts its rows of each batch, with the
draws of the whole batch; then one sum over all ranks makes the gradients, and so the weights, those of one device up to
rounding. Rank 0 is the calling process: what it was given (callbacks, open files) needs to go nowhere. The others are
spawned and get what they need by value. They end with rank 0, however it ends.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn

from ablate.errors import AblateError, InputError
from ablate.sections import TrainConfig

PATIENCE = timedelta(hours=2)  # how long the others wait while rank 0 validates and writes


@dataclass(frozen=True, kw_only=True)
class Team:
    """This process's place among those that share a training."""

    fabric: Fabric
    rank: int = 0
    size: int = 1

    def rows(self, windows: int) -> slice:
        """This rank's windows of a batch. A batch smaller than the team lends its first window to who has none."""
        first, end = (windows * rank // self.size for rank in (self.rank, self.rank + 1))
        return slice(first, end) if first < end else slice(0, 1)

    def share(self, windows: int) -> float:
        """This rank's part of a batch's windows; 0 where it was lent one that counts elsewhere."""
        return (windows * (self.rank + 1) // self.size - windows * self.rank // self.size) / windows

    def together(self, loss: Tensor, module: nn.Module) -> Tensor:
        """The gradients of the whole batch, of every rank's own; returns the sum of their losses, the same on all."""
        if self.size == 1:
            return loss
        # The same weights have a gradient on every rank, for all prune alike: one flat sum serves them all.
        gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
        total = torch.cat([loss.reshape(1), *(gradient.flatten() for gradient in gradients)])
        with _meeting_others():
            distributed.all_reduce(total)
        sums = torch.split(total[1:], [gradient.numel() for gradient in gradients])
        for gradient, whole in zip(gradients, sums, strict=True):
            gradient.copy_(whole.view_as(gradient))
        return total[0]


class _RankLost(AblateError):
    """Another rank is gone; it, or whoever ended it, knows why."""


@contextmanager
def _meeting_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise _RankLost(f"train.devices: another rank was lost ({error})") from error


@contextmanager
def gather(config: TrainConfig, follow: Callable[..., None], *arguments: Any) -> Iterator[Team]:
    """The team of ``config.devices``, for as long as the context lasts; this process is rank 0.

    Every other rank calls ``follow(team, config, *arguments)``, an importable function of picklable values. Raises
    InputError when the machine lacks what is asked, and what ended another rank, where one has ended.
    """
    fabric = _fabric(config, 0)
    if config.devices == 1:
        yield Team(fabric=fabric)
        return
    # By value: torch would hand tensors over in shared memory, which rank 0 goes on to write to.
    content = pickle.dumps((config, follow, arguments))
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        with _others(config, meeting, content) as others:
            try:
                with _group(config, fabric, 0, meeting) as team:
                    yield team
            except _RankLost as lost:
                said = [other.heard() for other in others if other.ear.poll(timeout=2)]
                raise next((why for why in said if why and not isinstance(why, _RankLost)), lost) from lost


@dataclass(frozen=True)
class _Other:
    rank: int
    process: SpawnProcess
    ear: Connection

    def heard(self) -> BaseException | None:
        """None: it is ready. Else what ended it."""
        try:
            said: BaseException | None = self.ear.recv()
        except EOFError:
            self.process.join()
            return AblateError(f"train.devices: rank {self.rank} was ended from outside ({self.process.exitcode})")
        return said


@contextmanager
def _others(config: TrainConfig, meeting: Path, content: bytes) -> Iterator[list[_Other]]:
    """The processes of every rank but 0, ready to meet."""
    spawn, others = multiprocessing.get_context("spawn"), []
    try:
        for rank in range(1, config.devices):
            ear, mouth = spawn.Pipe(duplex=False)
            process = spawn.Process(target=_rank, args=(rank, meeting, content, mouth), daemon=True)
            process.start()
            mouth.close()  # the rank's own is then the only one, and its end is heard
            others.append(_Other(rank, process, ear))
        for other in others:
            ended = other.heard()
            if ended is not None:
                raise ended
        yield others
    except BaseException:
        for other in others:
            other.process.kill()
        raise
    finally:
        for other in others:
            other.process.join()
            other.ear.close()


def _rank(rank: int, meeting: Path, content: bytes, mouth: Connection) -> None:
    """The life of a rank other than 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; rank 0 decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        config, follow, arguments = pickle.loads(content)
        fabric = _fabric(config, rank)
        mouth.send(None)
        with _group(config, fabric, rank, meeting) as team:
            follow(team, config, *arguments)
    except Exception as error:
        error.add_note(f"In rank {rank}:\n{traceback.format_exc()}")
        mouth.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _group(config: TrainConfig, fabric: Fabric, rank: int, meeting: Path) -> Iterator[Team]:
    """The ranks meet at a file: no port is opened, so none can be taken."""
    backend = "gloo"
    if fabric.device.type == "cuda":
        backend = "nccl"
        torch.cuda.set_device(fabric.device)
    distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=config.devices, timeout=PATIENCE
    )
    try:
        yield Team(fabric=fabric, rank=rank, size=config.devices)
        with _meeting_others():
            distributed.barrier()  # a rank that leaves while others still work can abort on its way out
    finally:
        distributed.destroy_process_group()


def _fabric(config: TrainConfig, rank: int) -> Fabric:
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces its precision on stderr
    accelerator, devices = _device(config, rank)
    try:
        with warnings.catch_warnings():
            # Fabric would train in another precision than the one that goes on record.
            warnings.filterwarnings("error", message=".*AMP with fp16 is not supported on CPU.*")
            return Fabric(accelerator=accelerator, devices=devices, precision=config.precision)
    except UserWarning:
        text = "train.precision: 16-mixed needs a GPU and this machine offers none; use bf16-mixed or 32-true"
        raise InputError(text) from None
    except RuntimeError as error:
        text = f"train.accelerator: {config.accelerator} is not to be had on this machine ({error}); use cpu or auto"
        raise InputError(text) from error


def _device(config: TrainConfig, rank: int) -> tuple[str, int | list[int]]:
    """The accelerator and the device of a rank, as Fabric wants them."""
    if config.devices == 1:
        return config.accelerator, 1
    gpus = 0 if config.accelerator == "cpu" else torch.cuda.device_count()
    if gpus == 0 and config.accelerator != "gpu":
        return "cpu", 1
    if config.devices > gpus:
        raise InputError(f"train.devices: {config.devices} asked for, and this machine offers {gpus}; ask for fewer")
    return "gpu", [rank]
