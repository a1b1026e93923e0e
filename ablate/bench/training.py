"""How fast training is: the loop of this program against a plain one, pruned against dense, and what memory it takes.

F frames, J joints, N frames of a view.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.profiler import ProfilerActivity, profile

import models
from ablate import seeds
from ablate.bench import Measured, Row
from ablate.bench.ratios import Contender, Timing, race, ratio_row
from ablate.bench.textbook import Textbook, mirrored
from ablate.data.recording import Camera
from ablate.data.skeleton import NAMES
from ablate.data.windows import View, Windows, evaluation
from ablate.provenance import Spent
from ablate.sections import TrainConfig
from ablate.train import fit
from models.config import Host

BATCH = 4  # windows a step
REPEATS = 3
PARTS = ("forward", "backward", "optimiser")  # of a step, as the loop names them to a profiler
MODES = ("plain loop over textbook", "d3dp", "d3dp, bf16", "htp", "htp, elastic")
CAMERA = Camera(
    name="bench",
    orientation=(1.0, 0.0, 0.0, 0.0),
    translation=(0.0, 0.0, 0.0),
    intrinsic=(2.3, 2.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    resolution=(1000, 1000),
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained: models of a ``size`` on so many frames, ``batch`` windows at a time, on a type of device."""

    size: str
    frames: int
    batch: int
    device: str

    def model(self, name: str) -> Host:
        return models.config(name, self.size, frames=self.frames)

    def train(self, **changes: Any) -> TrainConfig:
        """One step of one epoch, if ``changes`` say nothing else."""
        accelerator: Any = "gpu" if self.device == "cuda" else "cpu"
        one: dict[str, Any] = {"epochs": 1, "batch": self.batch, "windows": self.batch, "learning_rate": 1e-5}
        return TrainConfig(**{**one, "accelerator": accelerator, **changes})


def training(
    *, size: str | None = None, frames: int | None = None, device: str = "cpu", quick: bool = False
) -> Measured:
    """The rows of ``ablate bench training``, and the table of a profiled step (profile.txt).

    By default at size base, four windows a step, which takes about ten minutes; promises are made of that alone.
    """
    size = size or ("tiny" if quick else "base")
    task = Task(size=size, frames=frames or models.config("d3dp", size).frames, batch=BATCH, device=device)
    promised = task == Task(size="base", frames=243, batch=BATCH, device="cpu") and not quick
    windows = swinging(task.frames, 4 * BATCH)
    timings = race([*_contenders(task, windows)], repeats=1 if quick else REPEATS)
    outside, table = _profiled(task, windows)
    rows = [*_compared(task, timings, promised), outside, *_memory(task)]
    return Measured(rows=rows, files={"profile.txt": table.encode()})


def swinging(frames: int, count: int) -> Windows:
    """``count`` windows of 17 points that swing about; what they do matters to no time."""
    rng, joints = seeds.stream(0, "bench"), len(NAMES)
    time_N11 = np.arange(frames * count)[:, None, None] / 50
    pace_J3, phase_J3 = rng.uniform(1, 6, (joints, 3)), rng.uniform(0, 6, (joints, 3))
    x3d_NJ3 = (0.3 * np.sin(pace_J3 * time_N11 + phase_J3)).astype(np.float32)
    x3d_NJ3 -= x3d_NJ3[:, :1]
    view = View(
        recording="bench/swinging",
        subject="bench",
        action="swinging",
        camera=CAMERA,
        camera_index=0,
        x2d_TJ2=x3d_NJ3[..., :2] / 4,
        x3d_TJ3=x3d_NJ3,
        root_T3=np.zeros_like(x3d_NJ3[:, 0]),
        fps=50.0,
    )
    return evaluation([view], frames)


def plain(textbook: Textbook, windows: Windows, batch: int, device: str) -> None:
    """One step of a training as one would write it down, with all that ours does to a batch."""
    optimiser = torch.optim.AdamW(textbook.parameters(), lr=1e-5, weight_decay=0.1)
    textbook.train()
    cut = windows.batch(range(batch))
    x2d_BFJ2 = torch.from_numpy(cut.x2d_BFJ2).to(device)
    x3d_BFJ3 = torch.from_numpy(cut.x3d_BFJ3).to(device)
    for window in range(batch):
        if torch.rand(()) < 0.5:
            x2d_BFJ2[window], x3d_BFJ3[window] = mirrored(x2d_BFJ2[window]), mirrored(x3d_BFJ3[window])
    loss = textbook.loss(x2d_BFJ2, x3d_BFJ3)
    loss.backward()  # type: ignore[no-untyped-call]
    clip_grad_norm_(textbook.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()
    loss.item()


def _contenders(task: Task, windows: Windows) -> Iterator[Contender]:
    textbook = Textbook(models.build(task.model("d3dp"), seed=0)).to(task.device)
    yield Contender(MODES[0], partial(plain, textbook, windows, task.batch, task.device))
    yield Contender(MODES[1], _ours(task.model("d3dp"), windows, task.train()))
    yield Contender(MODES[2], _ours(task.model("d3dp"), windows, task.train(precision="bf16-mixed")))
    yield Contender(MODES[3], _ours(task.model("htp"), windows, task.train()))
    # as many draws of what to prune as there are windows
    yield Contender(MODES[4], _ours(task.model("htp"), windows, task.train(mode="elastic", batch=1)))


def _ours(model: Host, windows: Windows, config: TrainConfig) -> Callable[[], object]:
    return partial(fit, models.build(model, seed=0), windows, config=config, seed=0, validate=lambda _: 0.0)


def _compared(task: Task, timings: Sequence[Timing], promised: bool) -> Iterator[Row]:
    textbook, dense, half, pruned, elastic = timings
    for timing in timings:
        low, high = (task.batch / seconds for seconds in reversed(timing.quartiles))
        speed = task.batch / timing.median
        yield Row(what=timing.name, value=speed, unit="windows/s", low=low, high=high)
    yield ratio_row("d3dp against the plain loop, fp32", dense, textbook, 1.3 if promised else None)
    yield ratio_row("d3dp against the plain loop, bf16", half, textbook, 1.6 if promised else None)
    for timing, config in ((pruned, task.train()), (elastic, task.train(mode="elastic", batch=1))):
        cut = models.cost(task.model("d3dp")).training_gmacs / _gmacs(task.model("htp"), config, task.batch)
        what = f"{timing.name} against d3dp; its MACs promise {cut:.2f} x"
        yield ratio_row(what, timing, dense, 0.9 * cut if promised else None)


def _gmacs(model: Host, config: TrainConfig, steps: int) -> float:
    """Of a forward pass for one window: the mean over what these very steps prune."""
    if config.mode == "each":
        return models.cost(model).training_gmacs
    lifter = models.build(model, seed=0)
    drawn = [lifter.elastic(config.elastic, seeds.stream(0, "elastic", 0, step)) for step in range(steps)]
    return sum(models.cost(replace(model, pruning=pruning)).training_gmacs for pruning in drawn) / steps


def _profiled(task: Task, windows: Windows) -> tuple[Row, str]:
    """How much of the steps is none of their three parts, and where these spend their time."""
    config = task.train(windows=2 * task.batch, ema=0.999)
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        _ours(task.model("d3dp"), windows, config)()
    averages = measured.key_averages()
    taken = {event.key: event.cpu_time_total for event in averages if event.key in (*PARTS, "steps")}
    share = 100 * (1 - sum(taken[part] for part in PARTS) / taken["steps"])
    row = Row(what=f"of a step's time outside {', '.join(PARTS)}", value=share, unit="%", promise=5.0)
    return row, str(averages.table(sort_by="self_cpu_time_total", row_limit=25))


def _memory(task: Task) -> Iterator[Row]:
    """The most that one step holds beyond the model: every way in a process of its own, whose peak is its alone."""
    if task.device == "cpu" and not Path("/proc/self/status").exists():
        return  # only Linux tells a process its peak
    ways = {
        "the whole batch at once": {"accumulate": 1},
        "the batch in parts, a window each": {"accumulate": task.batch},
        "with checkpointing": {"accumulate": 1, "checkpointing": True},
        "with both": {"accumulate": task.batch, "checkpointing": True},
    }
    spawn = multiprocessing.get_context("spawn")
    for what, changes in ways.items():
        with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as process:
            peak_mb = process.submit(_peak_mb, task, task.train(**changes), torch.get_num_threads()).result()
        yield Row(what=f"peak memory of a step, {what}", value=peak_mb, unit="MB")


def _peak_mb(task: Task, config: TrainConfig, threads: int) -> float:
    torch.set_num_threads(threads)
    step = _ours(task.model("d3dp"), swinging(task.frames, task.batch), config)
    if task.device == "cuda":
        step()  # the model is there, and what the libraries keep
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - allocated) / 1e6
    spent = Spent()
    before = spent.told("step")["memory_mb_step"]
    step()
    return spent.told("step")["memory_mb_step"] - before
