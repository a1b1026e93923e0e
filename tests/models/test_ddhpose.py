"""DDHPose: numbers of the reference program (at 2985cf9), its chains and families, and what it diffuses."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor

import models
from models import checkpoint
from models.config import DDHPose
from models.ddhpose import CHAINS, LEVELS, ChainAttention, RelationAttention, bones, families, relation_tokens
from models.ddhpose import Lifter as BoneLifter
from models.layers import Attention
from models.mirror import mirror
from models.pruning.config import MGPTP, TCEP, Pruning
from tests.models.bones import FRAMES, SMALL, noisy, warm, worst
from tests.models.motion import poses, windows
from tests.reference import Numbers

CHILDREN = {0: (1, 4, 7), 1: (2,), 2: (3,), 4: (5,), 5: (6,), 7: (8,), 8: (9, 11, 14), 9: (10,), 11: (12,)} | {
    12: (13,),
    14: (15,),
    15: (16,),
}


class Bones(Numbers):
    """DDHPose's numbers, which hold directions and lengths apart."""

    def bones(self, key: str, directions: str = "dir", lengths: str = "bone") -> Tensor:
        """Both as one state."""
        return torch.cat([self[key.format(directions)], self[key.format(lengths)]], dim=-1)


@pytest.fixture(scope="module")
def numbers() -> Bones:
    return Bones("ddhpose")


def built(state: dict[str, Tensor]) -> BoneLifter:
    lifter = BoneLifter(DDHPose(frames=FRAMES, width=32, depth=3, heads=8))
    lifter.load_state_dict(checkpoint.from_ddhpose(state))
    return lifter.eval()


@pytest.fixture(scope="module")
def reference(numbers: Bones) -> BoneLifter:
    return built(numbers.state())


# Numbers of the reference


@torch.no_grad()
def test_denoiser(numbers: Bones, reference: BoneLifter) -> None:
    one = reference.denoise(numbers["train/x_2d"], numbers.bones("train/x_{}")[:, None], numbers["train/t"])
    assert worst(one[:, 0], numbers["train/out"]) < 3e-5
    several = reference.denoise(numbers["test/x_2d"], numbers.bones("test/x_{}"), numbers["test/t"])
    assert worst(several, numbers["test/out"]) < 3e-5


@torch.no_grad()
def test_layer_norm_eps(numbers: Bones) -> None:
    state = numbers.state()
    for key in numbers.arrays["eps_case/keys"]:
        (name,) = (name for name in state if name.endswith(str(key)))
        state[name] = state[name] * numbers["eps_case/factor"].float()
    given = numbers["train/x_2d"], numbers.bones("train/x_{}")[:, None], numbers["train/t"]
    assert worst(built(state).denoise(*given)[:, 0], numbers["eps_case/out"]) < 1e-5


def test_bones(numbers: Bones) -> None:
    for suffix in ("", "_hyp"):
        direction, length = bones(numbers[f"bones/pose{suffix}"])
        assert worst(direction, numbers[f"bones/direction{suffix}"]) < 1e-6
        assert worst(length, numbers[f"bones/length{suffix}"]) < 1e-6


@torch.no_grad()
def test_training_step(numbers: Bones, reference: BoneLifter) -> None:
    noise = numbers.bones("train_step/noise_{}")
    target, given = numbers["train_step/target_3d"], list[tuple[Any, Tensor]]()
    hook = reference.denoiser.register_forward_hook(lambda network, passed, made: given.append((passed, made)))
    loss = reference.loss_at(numbers["train_step/inputs_2d"], target, numbers["train_step/t"], noise, selection=None)
    hook.remove()
    ((_, xt_BHFJ4, *_), pred_BHFJ3) = given[0]
    assert worst(xt_BHFJ4[:, 0], numbers.bones("train_step/x_{}")) < 1e-6
    assert worst(pred_BHFJ3[:, 0], numbers["train_step/pred"]) < 3e-5
    assert worst(loss, reference.error(numbers["train_step/pred"], target)) < 1e-4


def test_loss(numbers: Bones, reference: BoneLifter) -> None:
    pred, target = numbers["loss/pred"], numbers["loss/target"]
    assert worst(reference.error(pred, target), numbers["loss/total"]) < 1e-6
    # one part at a time: positions of the same bones elsewhere, then the lengths of longer ones
    moved = target + torch.tensor([0.3, 0.0, 0.4])
    assert reference.error(moved, target).item() == pytest.approx(0.5, abs=1e-5)
    position = torch.linalg.vector_norm(0.5 * target, dim=-1).mean()
    lengths = (0.5 * bones(target)[1].mean(1)).square().mean()
    torch.testing.assert_close(reference.error(1.5 * target, target), position + lengths)


def draws(numbers: Bones) -> Tensor:
    """In our layout, (K, B, H, F, J, 4): the reference draws for 16 bones after x_T."""
    later = nnf.pad(numbers.bones("sample/noise_{}"), (0, 0, 1, 0))
    return torch.cat([numbers.bones("sample/x_T_{}")[None], later])


def test_sampling_replays_the_draws(numbers: Bones, reference: BoneLifter) -> None:
    x2d, noise = numbers["sample/inputs_2d"], draws(numbers)
    assert torch.equal(mirror(x2d), numbers["sample/inputs_2d_flip"])
    out = reference.lift(x2d, hypotheses=2, steps=3, noise=noise)
    assert worst(out, numbers["sample_flip/x0"]) < 1e-4
    assert not torch.allclose(reference.lift(x2d, hypotheses=2, steps=3, noise=noise, flip=False), out, atol=1e-3)


def test_the_roots_state_rests(numbers: Bones, reference: BoneLifter) -> None:
    x2d, noise = numbers["sample/inputs_2d"], draws(numbers)
    out = reference.lift(x2d, hypotheses=2, steps=3, noise=noise)
    noise[1:, ..., 0, :] = 5  # nothing later reaches it
    assert torch.equal(reference.lift(x2d, hypotheses=2, steps=3, noise=noise), out)
    noise[0, ..., 0, :] += 1
    assert not torch.allclose(reference.lift(x2d, hypotheses=2, steps=3, noise=noise)[:, -1], out[:, -1], atol=1e-4)


def test_checkpoint_names(numbers: Bones, reference: BoneLifter) -> None:
    plain, parallel = (checkpoint.from_ddhpose(numbers.state(prefix)) for prefix in ("", "module."))
    assert plain.keys() == parallel.keys() == reference.state_dict().keys()
    strange = {"dir_bone_estimator.surprise": torch.zeros(1), "pose_estimator.group": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"dir_bone_estimator\.surprise, pose_estimator\.group"):
        checkpoint.from_ddhpose({**numbers.state(), **strange})


# The skeleton


def test_chains_and_levels_are_the_published_ones() -> None:
    assert CHAINS == ((0, 1, 2, 3), (0, 4, 5, 6), (0, 7, 8, 9, 10), (0, 7, 8, 11, 12, 13), (0, 7, 8, 14, 15, 16))
    levels = [[0], [1, 4, 7], [2, 5, 8], [3, 6, 9, 11, 14], [10, 12, 15], [13, 16]]
    assert [[joint for joint, at in enumerate(LEVELS) if at == level] for level in range(6)] == levels


def test_chains_average_logits_one_after_another() -> None:
    layer = ChainAttention(8, 2)
    x = torch.randn(2, 3, 17, 8, generator=torch.Generator().manual_seed(0)) * 3
    q, k, v = layer.qkv(x).unflatten(-1, (3, 2, 4)).permute(3, 0, 1, 4, 2, 5)
    logits = (q @ k.mT / 2).detach().clone()
    before = logits.clone()
    for chain in CHAINS:
        for i in range(1, len(chain) - 1):
            above, here, below = chain[i - 1 : i + 2]
            for edge in ((here, below), (below, here)):
                logits[..., edge[0], edge[1]] = (logits[..., edge[0], edge[1]] + logits[..., above, here]) / 2
    wanted = layer.proj((logits.softmax(-1) @ v).permute(0, 1, 3, 2, 4).reshape(x.shape))
    assert worst(layer(x, x), wanted) < 1e-5
    # the bone that three chains share keeps an eighth of its own
    torch.testing.assert_close(logits[..., 7, 8], before[..., 7, 8] / 8 + before[..., 0, 7] * 7 / 8)
    plain = Attention(8, 2, "joints")
    plain.load_state_dict(layer.state_dict())
    assert worst(plain(x, x), wanted) > 1e-3


@pytest.mark.parametrize("frames", [1, FRAMES, 17])
def test_relation_tokens_stand_where_the_reference_reads_them(frames: int) -> None:
    x = torch.randn(2, frames, 17, 4, generator=torch.Generator().manual_seed(0))
    found = relation_tokens(x, families())
    for joint in range(17):
        for frame in range(frames):
            from_frame, from_joint = divmod(joint * frames + frame, 17)
            family = [from_joint, *CHILDREN.get(from_joint, ())]
            assert worst(found[:, frame, joint], x[:, from_frame, family].mean(1)) < 1e-6


@pytest.mark.parametrize("frames", [5, 17])
@pytest.mark.parametrize("masked", ["not", "by bool", "by float"])
def test_second_keys_add_to_the_logits(frames: int, masked: str) -> None:
    """Also where a sequence is as long as a frame has joints: the chains are no matter of lengths."""
    drawn = torch.Generator().manual_seed(0)
    x, source, keys = (torch.randn(2, count, 17, 8, generator=drawn) for count in (frames, frames + 2, frames + 2))
    layer = RelationAttention(8, 2)
    mask = torch.rand(2, frames, frames + 2, generator=drawn)
    mask_BFS = {"not": None, "by bool": mask > 0.5, "by float": mask}[masked]
    q, k, v = layer.project(x, source)
    out = nnf.scaled_dot_product_attention(
        q, k + layer.view(keys), v, attn_mask=None if mask_BFS is None else mask_BFS[:, None]
    )
    wanted = layer.proj(out.transpose(1, 2).reshape(x.shape))
    assert worst(layer(x, source, mask_BFS, keys), wanted) < 1e-5
    assert worst(layer(x, source, mask_BFS, 0 * keys), wanted) > 1e-3


# What is diffused


def test_state_is_mirrored_with_the_pose() -> None:
    lifter = models.build(replace(SMALL, scale=2.0))
    assert isinstance(lifter, BoneLifter)
    x3d = poses(2, FRAMES)
    state = lifter.state_of(2 * x3d)
    torch.testing.assert_close(lifter.state_of(2 * mirror(x3d)), mirror(state))
    direction, length = bones(x3d)
    torch.testing.assert_close(state[:, :, 1:], 2 * torch.cat([direction, length], dim=-1))
    assert (state[:, :, 0] == 0).all()


def test_a_bone_of_no_length_trains() -> None:
    lifter = models.build(SMALL, seed=0)
    x3d = poses(2, FRAMES)
    x3d[:, :, 2] = x3d[:, :, 1]
    torch.autograd.backward(loss := lifter.loss(windows(2, FRAMES), x3d, generator=torch.Generator().manual_seed(0)))
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in lifter.parameters() if p.grad is not None)


@torch.no_grad()
def test_only_what_moves_nothing_does_not_learn() -> None:
    still = {f"spatial_relation.{pair}.{part}" for pair in (0, 1) for part in ("weight", "bias")}
    still |= {f"relation.{pair}.bias" for pair in (0, 1)}
    lifter, given = models.build(SMALL, seed=0).eval(), (windows(2, FRAMES), noisy(), torch.tensor([7, 800]))
    assert {name for name, p in lifter.denoiser.named_parameters() if not p.requires_grad} == still
    before = lifter.denoise(*given)
    for name in still:
        lifter.denoiser.get_parameter(name).add_(torch.randn(lifter.denoiser.get_parameter(name).shape))
    assert worst(lifter.denoise(*given), before) < 1e-5


def test_all_else_learns() -> None:
    lifter = models.build(SMALL, seed=0)
    torch.autograd.backward(
        lifter.loss(windows(2, FRAMES), poses(2, FRAMES), generator=torch.Generator().manual_seed(0))
    )
    learning = [(name, p) for name, p in lifter.named_parameters() if p.requires_grad]
    assert not [name for name, p in learning if p.grad is None or not p.grad.abs().max() > 1e-7]


@torch.no_grad()
def test_hypotheses_in_one_batch_equal_them_one_by_one() -> None:
    pruning = Pruning(tcep=TCEP(), mgptp=MGPTP(before_pair=2))
    for config in (SMALL, replace(SMALL, pruning=pruning)):
        lifter, xt = warm(config), noisy(hypotheses=3)
        t = torch.tensor([7, 800])
        together = lifter.denoise(windows(2, FRAMES), xt, t)
        apart = [lifter.denoise(windows(2, FRAMES), one, t) for one in torch.split(xt, 1, dim=1)]
        assert worst(together, torch.cat(apart, dim=1)) < 1e-5
        assert not torch.allclose(together[:, 0], together[:, 1], atol=1e-4)


def test_base_figures() -> None:
    cost = models.cost(models.config("ddhpose"))
    assert cost.inference_gmacs == pytest.approx(158.61, rel=0.005)
    assert cost.params_m == pytest.approx(38.516, rel=0.0005)
    for preset, cut in (("htp", 0.568), ("htp_fast", 0.69), ("htp_max", 0.79)):
        assert models.cost(models.config(preset, host="ddhpose")).inference_gmacs < (1 - cut) * cost.inference_gmacs
