"""The schedule and the sampler around a denoiser that is known."""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from models.diffusion import CLAMP, DDIM, alphas_cumprod, ddim_pairs, q_sample

TARGET = torch.linspace(-1, 1, 12).view(1, 1, 4, 3)


def sampled(
    denoise: Callable[[Tensor, int], Tensor], noise: Iterable[Tensor], *, steps: int, eta: float, scale: float
) -> list[Tensor]:
    """Every step's estimate."""
    sampler, state, estimates = DDIM(timesteps=1000, steps=steps, eta=eta, scale=scale), None, []
    for step, fresh in enumerate(noise):
        estimate, state = sampler.step(denoise, step, fresh, state)
        estimates.append(estimate)
    return estimates


def test_noise_takes_over_with_time() -> None:
    alphas = alphas_cumprod(1000)
    assert alphas.dtype == torch.float64
    assert (alphas.diff() < 0).all()
    assert alphas[0] > 0.999
    assert alphas[-1] < 1e-6


def test_q_sample_has_unit_variance() -> None:
    x, noise = torch.randn(2, 3, 20000, 2, generator=torch.Generator().manual_seed(0)).unbind(-1)
    for t in (0, 400, 999):
        noised = q_sample(x[..., None], noise[..., None], torch.tensor([t, t]), 1000)
        assert noised.std().item() == pytest.approx(1, abs=0.02)


def test_pairs_fall_from_the_last_time_to_done() -> None:
    assert ddim_pairs(1000, 5) == [(999, 799), (799, 599), (599, 399), (399, 199), (199, -1)]


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_sampler_visits_the_times_and_yields_clamped_estimates(eta: float) -> None:
    seen: list[Tensor] = []

    def denoise(x_t: Tensor, step: int) -> Tensor:
        assert step == len(seen)
        seen.append(x_t)
        return 2 * TARGET

    noise = torch.randn(4, *TARGET.shape, generator=torch.Generator().manual_seed(0)) * 3
    estimates = sampled(denoise, noise, steps=4, eta=eta, scale=1.0)
    assert DDIM(timesteps=1000, steps=4, eta=eta, scale=1.0).times == [t for t, _ in ddim_pairs(1000, 4)]
    assert len(seen) == 4
    assert all(x_t.abs().max() <= CLAMP for x_t in seen)
    assert all(torch.equal(x_0, (2 * TARGET).clamp(-CLAMP, CLAMP)) for x_0 in estimates)


def test_without_eta_only_the_first_draw_matters() -> None:
    noise = torch.randn(3, *TARGET.shape, generator=torch.Generator().manual_seed(0))
    other = torch.cat([noise[:1], torch.randn(2, *TARGET.shape)])
    for eta, equal in ((0.0, True), (1.0, False)):
        last = [sampled(lambda x_t, _: x_t / 2, draws, steps=3, eta=eta, scale=1.0)[-1] for draws in (noise, other)]
        assert torch.equal(*last) == equal


def test_scale_changes_the_noise_not_the_units() -> None:
    noise = torch.zeros(2, *TARGET.shape)
    for scale in (1.0, 3.0):
        estimates = sampled(lambda _x, _i: TARGET, noise, steps=2, eta=1.0, scale=scale)
        assert torch.allclose(estimates[-1], TARGET)
