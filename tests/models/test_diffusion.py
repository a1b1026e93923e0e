"""The schedule and the sampler around a denoiser that is known."""

import pytest
import torch
from torch import Tensor

from models.diffusion import CLAMP, alphas_cumprod, ddim, ddim_pairs, q_sample

TARGET = torch.linspace(-1, 1, 12).view(1, 1, 4, 3)


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
    seen: list[tuple[int, Tensor]] = []

    def denoise(x_t: Tensor, t: int, step: int) -> Tensor:
        assert step == len(seen)
        seen.append((t, x_t))
        return 2 * TARGET

    noise = list(torch.randn(4, *TARGET.shape, generator=torch.Generator().manual_seed(0)) * 3)
    estimates = list(ddim(denoise, noise, timesteps=1000, steps=4, eta=eta, scale=1.0))
    assert [t for t, _ in seen] == [t for t, _ in ddim_pairs(1000, 4)]
    assert all(x_t.abs().max() <= CLAMP for _, x_t in seen)
    assert all(torch.equal(x_0, (2 * TARGET).clamp(-CLAMP, CLAMP)) for x_0 in estimates)


def test_without_eta_only_the_first_draw_matters() -> None:
    noise = torch.randn(3, *TARGET.shape, generator=torch.Generator().manual_seed(0))
    other = torch.cat([noise[:1], torch.randn(2, *TARGET.shape)])
    for eta, equal in ((0.0, True), (1.0, False)):
        last = [
            list(ddim(lambda x_t, _t, _i: x_t / 2, list(draws), timesteps=1000, steps=3, eta=eta, scale=1.0))[-1]
            for draws in (noise, other)
        ]
        assert torch.equal(*last) == equal


def test_scale_changes_the_noise_not_the_units() -> None:
    noise = list(torch.zeros(2, *TARGET.shape))
    for scale in (1.0, 3.0):
        estimates = list(ddim(lambda _x, _t, _i: TARGET, noise, timesteps=1000, steps=2, eta=1.0, scale=scale))
        assert torch.allclose(estimates[-1], TARGET)
