"""The smoothing control: linear, as slow as it says, and harmless to what is slow."""

import math

import pytest
import torch

from ablate.smoothing import low_pass

FRAMES = 81


def wave(cycles_per_frame: float) -> torch.Tensor:
    """(F, 1, 1) a sine of this frequency, float64."""
    return torch.sin(2 * math.pi * cycles_per_frame * torch.arange(FRAMES, dtype=torch.float64))[:, None, None]


def amplitude(signal_FJC: torch.Tensor) -> float:
    """Of the middle of the window, where no end is in reach."""
    return float(signal_FJC[24:57].square().mean().sqrt())


@pytest.mark.parametrize("kept", [9, 27])
@pytest.mark.parametrize("of_nyquist", [0.25, 1.0, 2.0])
def test_power_is_halved_at_the_kept_frames_nyquist_frequency(kept: int, of_nyquist: float) -> None:
    signal = wave(of_nyquist * kept / (2 * FRAMES))
    gain = amplitude(low_pass(signal, kept)) / amplitude(signal)
    assert gain**2 == pytest.approx(0.5 ** (of_nyquist**2), abs=0.02)


@pytest.mark.parametrize("kept", [2, 9, FRAMES])
def test_a_steady_motion_stays_as_it_is_to_the_ends(kept: int) -> None:
    ramp = torch.linspace(-1, 3, FRAMES, dtype=torch.float64)[:, None, None].expand(-1, 17, 3)
    torch.testing.assert_close(low_pass(ramp, kept), ramp, atol=1e-12, rtol=0)


def test_every_leading_dimension_is_smoothed_alike() -> None:
    pose = torch.randn(2, 3, FRAMES, 17, 3, generator=torch.Generator().manual_seed(0))
    smoothed = low_pass(pose, 9)
    assert smoothed.shape == pose.shape
    assert smoothed.dtype == pose.dtype
    torch.testing.assert_close(low_pass(pose[1, 2], 9), smoothed[1, 2])
    assert smoothed.diff(dim=-3).abs().mean() < 0.2 * pose.diff(dim=-3).abs().mean()


def test_windows_shorter_than_the_kernel() -> None:
    pose = torch.randn(3, 17, 3, generator=torch.Generator().manual_seed(0))
    assert low_pass(pose, 2).shape == pose.shape
    assert torch.equal(low_pass(pose[:1], 1), pose[:1])
