"""How fast lifters lift: the fast path against the textbook, pruned against dense, and where the time goes.

One window at a time, with fresh weights: no time depends on what weights know. What half precision does to poses is
told of the lifter that comes with the package, which was trained.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import ablate.data
import models
from ablate import seeds
from ablate.bench import Measured, Row
from ablate.bench.ratios import Contender, Timing, race, ratio_row, timing_row
from ablate.bench.textbook import Textbook
from ablate.compute import peak_bytes
from ablate.data.config import DataConfig
from ablate.data.skeleton import NAMES
from ablate.lift.lifting import SHIPPED
from models.execution import BY_DEVICE, Execution
from models.htp import Passage
from models.probing import fastest

HALF = Execution(precision="bf16-mixed")
ROWS = (1, 2, 5, 10)  # candidates, of five hypotheses and both sides
REPEATS, ROUNDS = 9, 3  # of one pass and of many
WINDOWS = 16  # of synthetic motion, to see what half precision does
LARGEST_MM = 0.1  # of what rounding in float32 may do to a pose
KINDS = {  # of operations, by what their names hold
    "linear layers": ("linear_pointwise", "addmm", "::mm", "gemm"),
    "attention": ("attention", "bmm", "softmax", "fmha"),
    "norms": ("layer_norm",),
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured, on which device, and whether it is only tried out."""

    lifters: dict[str, Any]
    textbook: Textbook
    x2d_BFJ2: Tensor
    base: bool
    quick: bool

    @property
    def device(self) -> torch.device:
        return self.x2d_BFJ2.device

    def noise(self, hypotheses: int, steps: int) -> Tensor:
        """Draws (K, B, H, F, J, 3)."""
        shape = (steps, 1, hypotheses, self.x2d_BFJ2.shape[1], len(NAMES), 3)
        return torch.randn(shape, generator=seeds.torch_stream(0, "measure")).to(self.device)

    def lift(self, name: str, noise_KBHFJ3: Tensor, execution: Execution = BY_DEVICE, *, flip: bool = True) -> Tensor:
        """Every estimate, waited for; by name of the zoo, or ``textbook``."""
        steps, _, hypotheses = noise_KBHFJ3.shape[:3]
        if name == "textbook":
            pose: Tensor = self.textbook.lift(self.x2d_BFJ2, noise=noise_KBHFJ3, flip=flip)
        else:
            pose = self.lifters[name].lift(
                self.x2d_BFJ2, hypotheses=hypotheses, steps=steps, flip=flip, noise=noise_KBHFJ3, execution=execution
            )
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return pose

    def promised(self, bound: float) -> float | None:
        """Promises hold at size base."""
        return bound if self.base else None


def inference(
    *, size: str | None = None, frames: int | None = None, device: str = "cpu", quick: bool = False
) -> Measured:
    """The rows of ``ablate bench inference``, and profile.txt: torch's profiler on a pass of d3dp and of htp.

    At size base, the default, it takes about half an hour on two cores, and promises hold there alone.
    """
    size, generator = size or ("tiny" if quick else "base"), seeds.torch_stream(0, "measure")
    settings: dict[str, Any] = {} if frames is None else {"frames": frames}
    lifters = {name: models.build(name, size=size, seed=0, **settings).eval() for name in ("d3dp", "htp")}
    x2d_BFJ2 = torch.randn(1, lifters["d3dp"].config.frames, len(NAMES), 2, generator=generator)
    bench = Bench(
        textbook=Textbook(lifters["d3dp"]).to(device).eval(),
        lifters={name: lifter.to(device) for name, lifter in lifters.items()},
        x2d_BFJ2=x2d_BFJ2.to(device),
        base=size == "base",
        quick=quick,
    )
    profiles = {name: _profile(bench, name) for name in lifters}
    rows = [
        *_one(bench),
        *_many(bench),
        *_cuts(bench),
        *([] if quick else _compiled(bench)),
        *_memory(bench),
        *_half(1 if quick else WINDOWS),
        *(row for name, profiled in profiles.items() for row in _shares(name, profiled)),
    ]
    return Measured(rows=rows, files={"profile.txt": "\n".join(map(_text, profiles.items())).encode()})


def _one(bench: Bench) -> Iterator[Row]:
    """H = 1, K = 1 with flip."""
    noise = bench.noise(1, 1)
    ways = {
        "textbook": partial(bench.lift, "textbook", noise),
        "d3dp": partial(bench.lift, "d3dp", noise),
        "d3dp, sides together": partial(bench.lift, "d3dp", noise, Execution(rows=2)),
        "d3dp, sides apart": partial(bench.lift, "d3dp", noise, Execution(rows=1)),
        "d3dp in bf16": partial(bench.lift, "d3dp", noise, HALF),
        "htp": partial(bench.lift, "htp", noise),
    }
    times = _race(ways, 1 if bench.quick else REPEATS)
    yield timing_row("d3dp, H 1, K 1, flip", times["d3dp"])
    yield ratio_row("d3dp against textbook, H 1, K 1, flip", times["d3dp"], times["textbook"], bench.promised(1.12))
    for name in ("d3dp, sides together", "d3dp, sides apart", "d3dp in bf16"):
        yield ratio_row(f"{name} against textbook, H 1, K 1, flip", times[name], times["textbook"])
    yield ratio_row("htp against d3dp, H 1, K 1, flip", times["htp"], times["d3dp"])
    away_mm = 1000 * (ways["d3dp"]() - ways["textbook"]()).abs().max().item()
    yield Row(what="d3dp against textbook, largest difference", value=away_mm, unit="mm", promise=LARGEST_MM)


def _many(bench: Bench) -> Iterator[Row]:
    """H = K = 5 with flip, as published: 50 passes of a window."""
    hypotheses, steps = (2, 2) if bench.quick else (5, 5)
    noise, said = bench.noise(hypotheses, steps), f"H {hypotheses}, K {steps}, flip"
    ways = {name: partial(bench.lift, name, noise) for name in ("textbook", "d3dp", "htp")}
    ways |= {f"{name} in bf16": partial(bench.lift, name, noise, HALF) for name in ("d3dp", "htp")}
    # each was warmed by one pass before, so a round is not spent on that
    times = _race(ways, 1 if bench.quick else ROUNDS, warmup=0)
    yield timing_row(f"textbook, {said}", times["textbook"])
    yield timing_row(f"d3dp, {said}", times["d3dp"])
    yield timing_row(f"htp, {said}", times["htp"])
    yield ratio_row(f"d3dp against textbook, {said}", times["d3dp"], times["textbook"], bench.promised(1.5))
    yield ratio_row(
        f"d3dp in bf16 against textbook, {said}", times["d3dp in bf16"], times["textbook"], bench.promised(1.8)
    )
    pruned = ratio_row(f"htp against d3dp, {said}", times["htp"], times["d3dp"], bench.promised(2.2))
    yield pruned
    yield ratio_row(f"htp in bf16 against d3dp in bf16, {said}", times["htp in bf16"], times["d3dp in bf16"])
    dense, kept = (lifter.cost().pass_gmacs for lifter in bench.lifters.values())
    what, cut = "the same, of what the cut of MACs promises", dense / kept
    assert pruned.low is not None
    assert pruned.high is not None
    yield replace(
        pruned, what=what, value=pruned.value / cut, low=pruned.low / cut, high=pruned.high / cut,
        promise=bench.promised(0.9),
    )  # fmt: skip
    yield from _overheads(bench, times["htp"], 2 * hypotheses * steps, steps)


def _overheads(bench: Bench, whole: Timing, passes: int, steps: int) -> Iterator[Row]:
    """What pruning adds, as shares of the time of lifting a window in so many passes."""
    lifter, x2d_BFJ2 = bench.lifters["htp"], bench.x2d_BFJ2
    config, selection = lifter.config, lifter.select(x2d_BFJ2)
    x_BFJC = torch.randn(1, config.frames, len(NAMES), config.width, device=bench.device)

    def gathered() -> tuple[Passage, Tensor]:
        passage, x = Passage(selection, hypotheses=1), x_BFJC
        for pair in range(config.depth):
            x = passage.prune(pair, x)
        return passage, x

    passage, left_BMJC = gathered()
    parts = {
        "selection": (1, lambda: lifter.scheduled(x2d_BFJ2, steps)),
        "gather": (passes, gathered),
        "recovery": (passes, lambda: passage.recover(left_BMJC, None)),
    }
    for name, (times, run) in parts.items():
        with torch.inference_mode():
            (timing,) = race([Contender(name, run)], repeats=REPEATS)
        share = 100 * times * timing.median / whole.median
        yield Row(what=f"htp's {name}, share of lifting", value=share, unit="%")


def _cuts(bench: Bench) -> Iterator[Row]:
    """How many rows go through at once."""
    noise = bench.noise(5, 1)
    for name in bench.lifters:
        ways = {"rule": partial(bench.lift, name, noise)}
        ways |= {str(rows): partial(bench.lift, name, noise, Execution(rows=rows)) for rows in ROWS}
        times = _race(ways, 1 if bench.quick else ROUNDS)
        for rows in ROWS:
            what = f"{name}, rows at once: {rows}, against the device's rule, H 5, K 1, flip"
            yield ratio_row(what, times[str(rows)], times["rule"])
        found = fastest(bench.lifters[name]).rows or 1
        yield Row(what=f"{name}, rows at once that a probe finds fastest", value=found, unit="rows")


def _compiled(bench: Bench) -> Iterator[Row]:
    """One pass as torch compiles it; nothing where there is no compiler that it could ask."""
    if bench.device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        return
    noise, execution = bench.noise(1, 1), Execution(compiled=True)
    for name in bench.lifters:
        ways = {
            "fast": partial(bench.lift, name, noise, flip=False),
            "compiled": partial(bench.lift, name, noise, execution, flip=False),
        }
        began = time.perf_counter()
        ways["compiled"]()
        yield Row(what=f"torch.compile of a pass of {name}, warm-up", value=time.perf_counter() - began, unit="s")
        times = _race(ways, REPEATS)
        yield ratio_row(f"a pass of {name}, compiled, against the same", times["compiled"], times["fast"])


def _memory(bench: Bench) -> Iterator[Row]:
    """The peak beside draws, results and weights. Of one pair: none of what a pair holds outlives it."""
    lifter = models.build(replace(bench.lifters["d3dp"].config, depth=1), seed=0).eval().to(bench.device)
    small = replace(bench, lifters={"d3dp": lifter})
    found: list[float] = []
    for hypotheses, steps in ((1, 1), (2, 2) if bench.quick else (20, 10)):
        noise = bench.noise(hypotheses, steps)
        held = peak_bytes(partial(small.lift, "d3dp", noise), bench.device) - noise.nbytes  # results are as large
        found.append(held / 1e6)
        yield Row(what=f"peak memory beside draws and results, H {hypotheses}, K {steps}", value=held / 1e6, unit="MB")
    yield Row(what="the last against the first", value=found[1] / found[0], unit="x", promise=bench.promised(1.02))


def _half(count: int) -> Iterator[Row]:
    """What bfloat16 does to the poses of trained weights, the shipped lifter's, on synthetic motion."""
    lifter = models.load(SHIPPED).eval()
    windows = ablate.data.load(DataConfig(name="synthetic"), lifter.config.frames, Path()).test
    batch = windows.batch(np.arange(count))
    x2d_BFJ2, truth_BFJ3 = torch.from_numpy(batch.x2d_BFJ2), torch.from_numpy(batch.x3d_BFJ3)
    how: dict[str, Any] = {"hypotheses": 5, "steps": 5} if lifter.channels else {}
    full, half = (
        lifter.lift(x2d_BFJ2, execution=Execution(precision=precision), **how)[:, -1].mean(dim=1)
        for precision in ("32-true", "bf16-mixed")
    )
    away_mm = 1000 * torch.linalg.vector_norm(full - half, dim=-1)
    errors_mm = [1000 * torch.linalg.vector_norm(x - truth_BFJ3, dim=-1).mean().item() for x in (full, half)]
    said = "bf16 against float32, shipped lifter, H 5, K 5, flip"
    yield Row(
        what=f"{said}: difference of the mean error", value=abs(errors_mm[1] - errors_mm[0]), unit="mm", promise=0.2
    )
    yield Row(what=f"{said}: mean difference of a joint", value=away_mm.mean().item(), unit="mm")
    yield Row(what=f"{said}: largest difference of a joint", value=away_mm.max().item(), unit="mm")


def _profile(bench: Bench, name: str) -> Any:
    """One pass under torch's profiler, after two that warm up."""
    noise = bench.noise(1, 1)
    for _ in range(2):
        bench.lift(name, noise, flip=False)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.device.type == "cuda" else [])]
    with profile(activities=activities) as profiled:
        bench.lift(name, noise, flip=False)
    return profiled.key_averages()


def _text(profiled: tuple[str, Any]) -> str:
    name, found = profiled
    return f"A pass of {name}, without flip\n\n{found.table(sort_by=_self_time(found), row_limit=15)}\n"


def _shares(name: str, profiled: Any) -> Iterator[Row]:
    """Where the time of a pass goes, by kind of operation."""
    spent: dict[str, float] = dict.fromkeys([*KINDS, "all else"], 0.0)
    for event in profiled:
        kind = next((kind for kind, names in KINDS.items() if any(part in event.key for part in names)), "all else")
        spent[kind] += getattr(event, _self_time(profiled))
    for kind, microseconds in spent.items():
        what = f"a pass of {name}: {kind}, share of its time"
        yield Row(what=what, value=100 * microseconds / sum(spent.values()), unit="%")


def _self_time(profiled: Any) -> str:
    """The profiler's name of the time that counts: the GPU's where one worked."""
    on_gpu = any(event.self_device_time_total > 0 for event in profiled)
    return "self_device_time_total" if on_gpu else "self_cpu_time_total"


def _race(ways: dict[str, Any], repeats: int, warmup: int = 1) -> dict[str, Timing]:
    contenders: Sequence[Contender] = [Contender(name, run) for name, run in ways.items()]
    return {timing.name: timing for timing in race(contenders, repeats=repeats, warmup=warmup)}
