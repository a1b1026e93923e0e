"""KTPFormer: numbers of the reference program (at b961951), its graphs, its batch norm, and where it can be pruned."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from models import checkpoint
from models.config import Host, KTPFormer, KTPFormerDiffusion
from models.contract import Lifter
from models.ktpformer import GraphConvolution, frame_graph, joint_graph
from models.ktpformer import KTPFormer as Network
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from tests.models.motion import poses, windows
from tests.reference import Numbers

FRAMES = 9
SMALL: dict[str, Any] = {"frames": FRAMES, "width": 16, "depth": 2, "heads": 2}
CONFIGS = {"ktpformer": KTPFormer(**SMALL), "ktpformer_diffusion": KTPFormerDiffusion(**SMALL)}


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers("ktpformer")


def built(state: dict[str, Tensor]) -> Lifter:
    # the reference counts the pairs after the prior one
    lifter = models.build(KTPFormer(frames=FRAMES, width=32, depth=3, heads=8))
    lifter.load_state_dict(checkpoint.from_ktpformer(state))
    return lifter.eval()


@pytest.fixture(params=CONFIGS)
def lifter(request: pytest.FixtureRequest) -> Lifter:
    return models.build(CONFIGS[request.param], seed=0)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def one_pass(lifter: Lifter, x2d_BFJ2: Tensor, seed: int = 0) -> Tensor:
    state = torch.randn(len(x2d_BFJ2), 1, FRAMES, 17, lifter.channels, generator=torch.Generator().manual_seed(seed))
    return lifter.denoise(x2d_BFJ2, state, torch.arange(len(x2d_BFJ2)))


def worst(got: Tensor, wanted: Tensor) -> float:
    assert got.shape == wanted.shape
    return (got.detach().double() - wanted.double()).abs().max().item()


def test_graphs(numbers: Numbers) -> None:
    assert torch.equal(joint_graph(), numbers["adj"])
    assert torch.equal(frame_graph(FRAMES), numbers["adj_temporal"])
    assert torch.equal(frame_graph(1), torch.ones(1, 1))


@torch.no_grad()
def test_stages_and_output(numbers: Numbers) -> None:
    lifter, found = built(numbers.state()), dict[str, Tensor]()
    network = lifter.denoiser
    network.spatial[0].register_forward_hook(lambda block, given, made: found.update(kpa=made.flatten(0, 1)))
    network.temporal[0].register_forward_hook(
        lambda block, given, made: found.update(tpa=made.transpose(1, 2).flatten(0, 1))
    )
    assert worst(one_pass(lifter, numbers["x_2d"])[:, 0], numbers["out"]) < 3e-5
    assert worst(found["kpa"], numbers["stage/after_kpa_block"]) < 3e-5
    assert worst(found["tpa"], numbers["stage/after_tpa_block"]) < 3e-5


@torch.no_grad()
def test_layer_norm_eps(numbers: Numbers) -> None:
    state = numbers.state()
    for key in numbers.arrays["eps_case/keys"]:
        state[str(key)] = state[str(key)] * numbers["eps_case/factor"].float()
    assert worst(one_pass(built(state), numbers["x_2d"])[:, 0], numbers["eps_case/out"]) < 1e-5


def test_checkpoint_names(numbers: Numbers) -> None:
    plain, parallel = (checkpoint.from_ktpformer(numbers.state(prefix)) for prefix in ("", "module."))
    assert plain.keys() == parallel.keys() == built(numbers.state()).state_dict().keys()
    with pytest.raises(ValueError, match=r"surprise, tpattentions\.attn"):
        checkpoint.from_ktpformer({**numbers.state(), "surprise": torch.zeros(1), "tpattentions.attn": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"kpattention|spatial\.0\.surprise"):
        built({**numbers.state(), "kpattention.surprise": torch.zeros(1)})


@pytest.mark.parametrize("axis", ["joints", "frames"])
def test_graph_convolution_is_its_formula(axis: str) -> None:
    """Node by node, as Zou and Tang write it: what it gives itself, and what the others give it."""
    graph_NN = joint_graph() if axis == "joints" else frame_graph(5)
    layer = GraphConvolution(graph_NN, 3, 4, "joints" if axis == "joints" else "frames").eval()
    for name, tensor in layer.state_dict().items():
        torch.nn.init.uniform_(tensor, 0.5 if name == "variance_C" else -1.0, 1.0)
    x_BFJC = torch.randn(2, 5, 17, 3)
    x_BONC = x_BFJC if axis == "joints" else x_BFJC.transpose(1, 2)
    graph_NN = graph_NN + layer.links_NN
    wanted = torch.zeros(*x_BONC.shape[:3], 4)
    for i in range(len(graph_NN)):
        for j in range(len(graph_NN)):
            given = x_BONC[:, :, j] @ layer.weight[0 if i == j else 1] * layer.modulation_NC[j]
            wanted[:, :, i] += (graph_NN[i, j] + graph_NN[j, i]) / 2 * given
    wanted = ((wanted - layer.mean_C) / (layer.variance_C + 1e-5).sqrt() * layer.scale + layer.shift).clamp_min(0)
    wanted = wanted if axis == "joints" else wanted.transpose(1, 2)
    assert worst(layer(x_BFJC), wanted) < 1e-5
    assert (wanted > 0).any()


def test_gradient_reaches_every_parameter(lifter: Lifter) -> None:
    # of another size than rounding: a bias in front of batch norm would have one, too
    torch.autograd.backward(lifter.loss(windows(2, FRAMES), poses(2, FRAMES), generator=generator()))
    dead = [name for name, p in lifter.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-6]
    assert not dead


def statistics(lifter: Lifter) -> dict[str, Tensor]:
    return {
        name: value.clone() for name, value in lifter.state_dict().items() if name.endswith(("mean_C", "variance_C"))
    }


def test_statistics_are_learnt_in_training_alone(lifter: Lifter) -> None:
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    fresh = statistics(lifter)
    assert len(fresh) == 6
    lifter.train().lift(x2d)
    lifter.eval().loss(x2d, x3d, generator=generator())
    assert all(torch.equal(value, fresh[name]) for name, value in statistics(lifter).items())
    lifter.train().loss(x2d, x3d, generator=generator())
    assert not any(torch.equal(value, fresh[name]) for name, value in statistics(lifter).items())


def test_lifting_is_the_same_in_any_mode(lifter: Lifter) -> None:
    x2d, noise = windows(3, FRAMES), torch.randn(1, 3, 1, FRAMES, 17, lifter.channels)
    whole = lifter.eval().lift(x2d, noise=noise)
    assert torch.equal(lifter.train().lift(x2d, noise=noise), whole)
    assert worst(lifter.lift(x2d[:1], noise=noise[:, :1]), whole[:1]) < 1e-5  # no window knows of another


def test_a_part_of_a_batch_is_no_batch(lifter: Lifter) -> None:
    x2d, x3d = windows(3, FRAMES), poses(3, FRAMES)
    with pytest.raises(ValueError, match="train on one device"):
        lifter.train().loss(x2d, x3d, generator=generator(), rows=slice(0, 2))
    lifter.eval()
    whole = lifter.loss(x2d, x3d, generator=generator())
    first, last = (lifter.loss(x2d, x3d, generator=generator(), rows=rows) for rows in (slice(0, 2), slice(2, 3)))
    torch.testing.assert_close((2 * first + last) / 3, whole)


@pytest.mark.parametrize("pruning", [Pruning(tcep=TCEP(before_pair=0)), Pruning(mgptp=MGPTP(before_pair=0))])
def test_nothing_is_dropped_before_the_priors(lifter: Lifter, pruning: Pruning) -> None:
    message = r"pruning\.(tcep|mgptp)\.before_pair: must be at least 1"
    with pytest.raises(ValueError, match=message):
        lifter.select(windows(1, FRAMES), pruning)
    assert [".".join(at) for at, _ in replace(lifter.config, pruning=pruning).problems()] == [
        f"pruning.{'tcep' if pruning.tcep else 'mgptp'}.before_pair"
    ]


OFF = [
    Pruning(),
    Pruning(tcep=TCEP(keep_ratio=1.0)),
    Pruning(tcep=TCEP(keep_ratio=1.0), sft=SFT(), mgptp=MGPTP(keep_ratio=1.0, before_pair=1)),
    Pruning(sft=SFT(focus=FRAMES)),
]
PRUNED = [
    Pruning(tcep=tcep, sft=sft, mgptp=mgptp, recovery=recovery)
    for tcep in (None, TCEP())
    for sft in (None, SFT(), SFT(focus=2))
    for mgptp in (None, MGPTP(before_pair=1), MGPTP(before_pair=1, source="tokens"))
    for recovery in (Recovery(), Recovery(kind="cross_attention"))
]


@pytest.mark.parametrize("pruning", OFF)
def test_off_is_the_parent(lifter: Lifter, pruning: Pruning) -> None:
    child = models.build(replace(lifter.config, pruning=pruning))
    child.load_state_dict(lifter.state_dict())
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    losses = [one.train().loss(x2d, x3d, generator=generator()).item() for one in (lifter, child)]
    assert losses[0] == losses[1]
    for flip in (True, False):
        assert torch.equal(*(one.lift(x2d, flip=flip) for one in (lifter, child)))
    assert torch.equal(*(one_pass(one.eval(), x2d) for one in (lifter, child)))


def test_every_subset_of_stages_trains_and_is_counted(lifter: Lifter) -> None:
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    for pruning in PRUNED:
        config = replace(lifter.config, pruning=pruning)
        pruned = models.build(config, seed=0)
        torch.autograd.backward(pruned.loss(x2d, x3d, generator=generator()))
        assert not [name for name, p in pruned.named_parameters() if p.grad is None], pruning
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            one_pass(pruned.eval(), x2d[:1])
        cost = pruned.cost()
        # the comparison of tokens is no product to the counter
        products = cost.window_gmacs + cost.pass_gmacs - cost.stages["selection"]["other"]
        assert counter.get_total_flops() / 2e9 == pytest.approx(products, rel=1e-9), pruning
        assert sum(p.numel() for p in pruned.parameters()) / 1e6 == pytest.approx(cost.params_m, rel=1e-9)


@torch.no_grad()
def test_pruned_after_the_priors_it_is_masked_attention(lifter: Lifter) -> None:
    """The prior pair is the dense one's; what follows is the plain network on what was kept."""
    x2d = windows(2, FRAMES)
    pruning = Pruning(tcep=TCEP(keep_ratio=None, keep_frames=5, before_pair=1), sft=SFT())
    pruned = models.build(replace(lifter.config, pruning=pruning))
    pruned.load_state_dict(lifter.state_dict())
    found: list[Tensor] = []
    for one in (lifter, pruned):
        one.eval().denoiser.temporal[0].register_forward_hook(lambda block, given, made: found.append(made))
        found.append(one_pass(one, x2d))
    dense_pair, dense, pruned_pair, kept = found
    assert torch.equal(dense_pair, pruned_pair)
    assert not torch.allclose(dense, kept, atol=1e-4)


def test_the_diffusion_form_sees_noise_and_time() -> None:
    lifter = models.build(CONFIGS["ktpformer_diffusion"], seed=0).eval()
    x2d = windows(1, FRAMES)
    state = torch.randn(1, 3, FRAMES, 17, 3)
    together = lifter.denoise(x2d, state, torch.tensor([7]))
    apart = torch.cat([lifter.denoise(x2d, one, torch.tensor([7])) for one in torch.split(state, 1, dim=1)], dim=1)
    assert worst(together, apart) < 1e-5
    assert not torch.allclose(together[:, 0], together[:, 1], atol=1e-4)
    assert not torch.allclose(together, lifter.denoise(x2d, state, torch.tensor([800])), atol=1e-4)


def test_base_figures() -> None:
    cost = models.cost(models.config("ktpformer"))
    assert cost.pass_gmacs == pytest.approx(153.89, rel=0.005)
    assert cost.params_m == pytest.approx(35.213, rel=0.005)


def test_a_seed_gives_the_same_weights_with_and_without_recovery() -> None:
    for config in CONFIGS.values():
        plain, learned = (models.build(made, seed=0).state_dict() for made in (config, recovering(config)))
        assert plain.keys() < learned.keys()
        assert all(torch.equal(value, learned[name]) for name, value in plain.items())


def recovering(config: Host) -> Host:
    return replace(config, pruning=Pruning(tcep=TCEP(), recovery=Recovery(kind="cross_attention")))


def test_network_is_the_configs() -> None:
    for config in CONFIGS.values():
        assert isinstance(models.build(config).denoiser, Network)
