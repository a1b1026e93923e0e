"""A small DDHPose for tests, and what they compare and lift."""

import torch
from torch import Tensor

import models
from models.config import DDHPose
from models.contract import Lifter

FRAMES = 9
SMALL = DDHPose(frames=FRAMES, width=16, depth=3, heads=2)


def warm(config: DDHPose) -> Lifter:
    """A lifter whose attention is far from even."""
    lifter = models.build(config, seed=0).eval()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in lifter.parameters():
            parameter.data += torch.randn_like(parameter) * 0.2
    return lifter


def worst(got: Tensor, wanted: Tensor) -> float:
    assert got.shape == wanted.shape
    return (got.detach().double() - wanted.double()).abs().max().item()


def noisy(windows_in_batch: int = 2, hypotheses: int = 1, frames: int = FRAMES) -> Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randn(windows_in_batch, hypotheses, frames, 17, 4, generator=drawn)
