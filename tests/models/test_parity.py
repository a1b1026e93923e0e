"""Numbers of the reference program (D3DP at afcdd05), to the tolerances that come with them."""

import pytest
import torch
from torch import Tensor

from models import checkpoint, diffusion
from models.config import D3DP
from models.d3dp import Lifter
from models.layers import sinusoid
from models.mirror import mirror
from tests.reference import Numbers

TRAINING_GRADIENTS = {
    "Spatial_patch_to_embedding.weight": "embed.weight",
    "Spatial_pos_embed": "joint_embedding",
    "Temporal_pos_embed": "frame_embedding",
    "time_mlp.1.weight": "time.fc1.weight",
    "STEblocks.0.attn.qkv.weight": "spatial.0.attn.qkv.weight",
    "TTEblocks.1.mlp.fc1.bias": "temporal.1.mlp.fc1.bias",
    "Spatial_norm.weight": "spatial_norm.weight",
    "Temporal_norm.bias": "temporal_norm.bias",
    "head.1.weight": "head.weight",
    "head.1.bias": "head.bias",
}


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers("d3dp")


def built(state: dict[str, Tensor]) -> Lifter:
    lifter = Lifter(D3DP(frames=9, width=32, depth=2, heads=8))
    lifter.load_state_dict(checkpoint.from_d3dp(state))
    return lifter.eval()


@pytest.fixture
def lifter(numbers: Numbers) -> Lifter:
    return built(numbers.state())


def worst(got: Tensor, wanted: Tensor) -> float:
    assert got.shape == wanted.shape
    return (got.detach().double() - wanted.double()).abs().max().item()


@torch.no_grad()
def test_denoiser(numbers: Numbers, lifter: Lifter) -> None:
    one = lifter.denoise(numbers["train/x_2d"], numbers["train/x_3d"][:, None], numbers["train/t"])
    assert worst(one[:, 0], numbers["train/out"]) < 3e-5
    several = lifter.denoise(numbers["test/x_2d"], numbers["test/x_3d"], numbers["test/t"])
    assert worst(several, numbers["test/out"]) < 3e-5


@torch.no_grad()
def test_layer_norm_eps(numbers: Numbers) -> None:
    state = numbers.state()
    for key in numbers.arrays["eps_case/keys"]:
        name = next(name for name in state if name.endswith(str(key)))
        state[name] = state[name] * numbers["eps_case/factor"].float()
    out = built(state).denoise(numbers["train/x_2d"], numbers["train/x_3d"][:, None], numbers["train/t"])
    assert worst(out[:, 0], numbers["eps_case/out"]) < 1e-5


def test_time_embedding(numbers: Numbers) -> None:
    t, out = numbers["time_embed/t"], numbers["time_embed/out"]
    assert worst(sinusoid(t, 32), out) < 1e-4
    assert worst(sinusoid(t, 32)[t <= 10], out[t <= 10]) < 1e-6


def test_schedule(numbers: Numbers) -> None:
    alphas = diffusion.alphas_cumprod(1000)
    assert worst(alphas, numbers["state/alphas_cumprod"]) < 1e-10
    for steps in (1, 2, 3, 4, 5, 7, 10, 20):
        assert diffusion.ddim_pairs(1000, steps) == [
            tuple(pair) for pair in numbers[f"schedule/pairs_K{steps}"].tolist()
        ]


def test_q_sample(numbers: Numbers) -> None:
    x, noise, t, wanted = (numbers[f"q_sample/{name}"] for name in ("x_start", "noise", "t", "x_t"))
    assert worst(diffusion.q_sample(x.double(), noise.double(), t, 1000), wanted) < 1e-10
    assert worst(diffusion.q_sample(x, noise, t, 1000), wanted) < 1e-6


def test_training_step(numbers: Numbers, lifter: Lifter) -> None:
    step = {name: numbers[f"train_step/{name}"] for name in ("inputs_2d", "target_3d", "t", "noise", "loss")}
    loss = lifter.loss_at(step["inputs_2d"], step["target_3d"], step["t"], step["noise"], selection=None)
    assert worst(loss, step["loss"]) < 1e-6
    torch.autograd.backward(loss)
    gradients = {name.removeprefix("denoiser."): p.grad for name, p in lifter.named_parameters()}
    for theirs, ours in TRAINING_GRADIENTS.items():
        gradient = gradients[ours]
        assert gradient is not None
        # the reference seeds its backward pass with the loss
        wanted = (numbers[f"train_step/grad/{theirs}"] / step["loss"]).view(gradient.shape)
        assert worst(gradient, wanted) < 1e-5, ours


@pytest.mark.parametrize("flip", [True, False])
def test_sampling_replays_the_draws(numbers: Numbers, lifter: Lifter, flip: bool) -> None:
    x2d, draws = numbers["sample/inputs_2d"], numbers["sample/draws"]
    assert torch.equal(mirror(x2d), numbers["sample/inputs_2d_flip"])
    out = lifter.lift(x2d, hypotheses=3, steps=4, flip=flip, eta=1.0, noise=draws)
    assert worst(out, numbers[f"sample_{'flip' if flip else 'noflip'}/x0"]) < 1e-4


def test_checkpoint_names(numbers: Numbers, lifter: Lifter) -> None:
    plain = checkpoint.from_d3dp(numbers.state())
    parallel = checkpoint.from_d3dp(numbers.state(prefix="module."))
    assert plain.keys() == parallel.keys() == lifter.state_dict().keys()
    with pytest.raises(ValueError, match=r"pose_estimator\.surprise"):
        checkpoint.from_d3dp({**numbers.state(), "pose_estimator.surprise": torch.zeros(1)})
