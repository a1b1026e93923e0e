"""What P-MPJPE costs: the closed-form alignment against a library's SVD of each frame's small matrix."""

import multiprocessing
import re
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ablate.bench import Row
from ablate.bench.ratios import Contender, race, ratio_row, timing_row
from ablate.data.skeleton import NAMES
from ablate.metrics import align, mpjpe, p_mpjpe


@dataclass(frozen=True)
class Poses:
    """How many there are: windows, hypotheses of each, frames of each."""

    windows: int
    hypotheses: int
    frames: int

    @property
    def text(self) -> str:
        return f"{self.windows} windows x {self.frames} frames x {self.hypotheses} hypotheses"


ALL, SOME = Poses(1000, 20, 243), Poses(50, 20, 243)  # the SVD would take minutes and gigabytes for all
TINY = Poses(2, 2, 9)
REPEATS = 5


def metrics(quick: bool = False) -> list[Row]:
    """The rows of ``ablate bench metrics``; about a minute."""
    some, everything = (TINY, TINY) if quick else (SOME, ALL)
    pose, truth = made_up(some)
    contenders = [
        Contender("svd", lambda: mpjpe(svd_align(pose, truth), truth)),
        Contender("closed form", lambda: p_mpjpe(pose, truth)),
    ]
    svd, closed = race(contenders, repeats=1 if quick else REPEATS)
    # Memory has a high-water mark of its own in a process of its own.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds, grown_mb = pool.submit(partial(_of_all, everything, torch.get_num_threads())).result()
    return [
        timing_row(f"P-MPJPE by SVD, {some.text}", svd),
        timing_row(f"P-MPJPE in closed form, {some.text}", closed),
        ratio_row("closed form against SVD", closed, svd, 3.0),
        Row(what=f"P-MPJPE in closed form, {everything.text}", value=seconds, unit="s", promise=10.0),
        Row(what="the same, peak memory beyond the poses", value=grown_mb, unit="MB", promise=100.0),
    ]


def svd_align(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """The yardstick: what ``ablate.metrics.align`` does as textbooks have it, by SVD, (..., F, J, 3)."""
    pose_mean, truth_mean = pose_FJC.mean(dim=-2, keepdim=True), truth_FJC.mean(dim=-2, keepdim=True)
    pose_centred, truth_centred = pose_FJC - pose_mean, truth_FJC - truth_mean
    left, stretch, right = torch.linalg.svd(pose_centred.mT @ truth_centred)
    flip = torch.ones_like(stretch)
    flip[..., -1] = torch.where(torch.linalg.det(left) * torch.linalg.det(right) < 0, -1.0, 1.0)
    rotation = (left * flip[..., None, :]) @ right
    size = pose_centred.square().sum(dim=(-2, -1))
    scale = (stretch * flip).sum(dim=-1) / size.clamp_min(torch.finfo(size.dtype).tiny)
    aligned_FJC: Tensor = scale[..., None, None] * (pose_centred @ rotation) + truth_mean
    return aligned_FJC


def made_up(count: Poses) -> tuple[Tensor, Tensor]:
    """Poses (W, H, F, J, 3) some five centimetres off, and their truth (W, 1, F, J, 3); as wide as a person is."""
    generator = torch.Generator().manual_seed(0)
    width_3 = torch.tensor([0.2, 0.45, 0.15])
    truth_W1FJ3 = torch.randn(count.windows, 1, count.frames, len(NAMES), 3, generator=generator) * width_3
    shape = (count.windows, count.hypotheses, count.frames, len(NAMES), 3)
    noise_WHFJ3 = torch.randn(shape, generator=generator)
    return noise_WHFJ3.mul_(0.03).add_(truth_W1FJ3), truth_W1FJ3


def _of_all(count: Poses, threads: int) -> tuple[float, float]:
    """Seconds, and megabytes by which the process's peak grew. One frame goes first: what is loaded then, stays."""
    torch.set_num_threads(threads)
    pose, truth = made_up(count)
    align(pose[0, 0, :1], truth[0, 0, :1])
    before, began = peak_mb(), time.perf_counter()
    p_mpjpe(pose, truth)
    return time.perf_counter() - began, peak_mb() - before


def peak_mb() -> float:
    """The most memory that this process has held so far, in 1e6 bytes; the kernel of Linux tells it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "the kernel of Linux tells a process's peak memory"
    return int(found[1]) * 1.024e-3
