"""The yardstick computes what the zoo computes, and the bench of lifting measures what it says."""

from typing import Any

import pytest
import torch

import models
from ablate.bench.inference import inference
from ablate.bench.textbook import Textbook
from models.execution import Execution
from tests.models.motion import poses, windows

FRAMES = models.SIZES["tiny"]["frames"]


@pytest.mark.parametrize("settings", [{}, {"scale": 2.0}, {"depth": 1, "heads": 2, "frames": 9, "timesteps": 50}])
def test_the_textbook_lifts_as_d3dp_does(settings: dict[str, Any]) -> None:
    lifter = models.build("d3dp", size="tiny", seed=0, init="warm", **settings).eval()
    textbook, frames = Textbook(lifter).eval(), lifter.config.frames
    x2d, noise = windows(2, frames), torch.randn(3, 2, 4, frames, 17, 3, generator=torch.Generator().manual_seed(1))
    for flip, eta in ((True, 1.0), (False, 0.5)):
        wanted = textbook.lift(x2d, noise=noise, flip=flip, eta=eta)
        for rows in (None, 3):
            out = lifter.lift(
                x2d, hypotheses=4, steps=3, noise=noise, flip=flip, eta=eta, execution=Execution(rows=rows)
            )
            assert out.shape == wanted.shape
            assert float((out - wanted).abs().max()) < 1e-4


def test_the_textbook_learns_the_same_weights() -> None:
    textbook = Textbook(models.build("d3dp", size="tiny", seed=0)).train()
    torch.autograd.backward(loss := textbook.loss(windows(2, FRAMES), poses(2, FRAMES)))
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in textbook.parameters())


@pytest.mark.parametrize("name", ["mixste", "ddhpose", "htp"])
def test_the_textbook_knows_nothing_else(name: str) -> None:
    with pytest.raises(ValueError, match="the textbook knows"):
        Textbook(models.build(name, size="tiny", seed=0))


def test_a_quick_bench_has_every_row() -> None:
    measured = inference(quick=True, frames=9)
    rows = {row.what: row for row in measured.rows}
    assert len(rows) == len(measured.rows)
    assert not [row.what for row in measured.rows if not row.value >= 0]
    assert rows["d3dp against textbook, largest difference"].kept
    for part in ("selection", "gather", "recovery"):
        assert rows[f"htp's {part}, share of lifting"].unit == "%"
    for name in ("d3dp", "htp"):
        shares = [row.value for row in measured.rows if row.what.startswith(f"a pass of {name}: ")]
        assert sum(shares) == pytest.approx(100)
        assert f"A pass of {name}" in measured.files["profile.txt"].decode()
