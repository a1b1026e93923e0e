"""Compute and size: the closed form, torch's counter and ptflops agree; the presets cut what they promise."""

import itertools
import subprocess
import sys
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from ptflops import get_model_complexity_info
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from models.config import Host
from models.contract import Lifter
from models.htp import Selection
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from models.pruning.elastic import Elastic
from tests.models.combinations import COMBINATIONS as COMBINED
from tests.models.combinations import Combination, called
from tests.models.motion import windows

COMBINATIONS = [
    Pruning(tcep=tcep, sft=sft, mgptp=mgptp, recovery=recovery)
    for tcep, sft, mgptp, recovery in itertools.product(
        (None, TCEP(keep_ratio=0.5, before_pair=0), TCEP(keep_ratio=0.3, before_pair=1), TCEP(keep_ratio=1.0)),
        (None, SFT(), SFT(focus=4)),
        (
            None,
            MGPTP(keep_ratio=0.2, before_pair=1),
            MGPTP(keep_ratio=0.2, before_pair=1, source="tokens"),
            MGPTP(keep_ratio=0.2, before_pair=1, source="tokens", policy="uniform"),
        ),
        (Recovery(), Recovery(kind="cross_attention")),
    )
]


def counted_gmacs(config: Host) -> float:
    """One pass on the meta device, by torch's counter."""
    with torch.device("meta"):
        lifter = models.build(config)
        xt, t = torch.empty(1, 1, config.frames, 17, lifter.channels), torch.zeros(1, dtype=torch.int64)
    x2d = windows(1, config.frames)
    selection = lifter.select(x2d)
    with FlopCounterMode(display=False) as counter:
        lifter.denoise(x2d.to("meta"), xt, t, selection)
    return float(counter.get_total_flops()) / 2e9


def parameters_m(config: Host) -> float:
    with torch.device("meta"):
        return sum(p.numel() for p in models.build(config).parameters()) / 1e6


@pytest.mark.parametrize("size", models.SIZES)
@pytest.mark.parametrize("combination", [*COMBINED, ("htp_fast", None), ("htp_max", None)], ids=called)
def test_counter_agrees_for_every_host_and_size(combination: Combination, size: str) -> None:
    name, host = combination
    config = models.config(name, size, host=host)
    cost = models.cost(config)
    counted = counted_gmacs(config)
    assert counted == pytest.approx(cost.pass_gmacs, rel=0.005)
    # but for the comparison of tokens, which is no product to the counter, it is the very same number
    assert counted == pytest.approx(cost.pass_gmacs - cost.stages["selection"]["other"], rel=1e-9)
    assert parameters_m(config) == pytest.approx(cost.params_m, rel=1e-9)


@pytest.mark.parametrize("pruning", COMBINATIONS, ids=range(len(COMBINATIONS)))
def test_counter_agrees_for_every_combination_of_stages(pruning: Pruning) -> None:
    config = models.config("d3dp", "tiny", pruning=pruning)
    cost = models.cost(config)
    counted = counted_gmacs(config)
    assert counted == pytest.approx(cost.pass_gmacs, rel=0.005)
    # but for the comparison of tokens, which is no product to the counter, it is the very same number
    assert counted == pytest.approx(cost.pass_gmacs - cost.stages["selection"]["other"], rel=1e-9)
    assert parameters_m(config) == pytest.approx(cost.params_m, rel=1e-9)


def test_counter_sees_the_comparison_of_frames() -> None:
    lifter = models.build("htp", "tiny")
    with FlopCounterMode(display=False) as counter:
        lifter.select(windows(1, 27))
    assert counter.get_total_flops() / 2e9 == pytest.approx(lifter.cost().window_gmacs, rel=1e-9)
    for pruning in (Pruning(tcep=TCEP(policy="uniform"), sft=SFT()), Pruning(tcep=TCEP(keep_ratio=1.0)), None):
        assert models.cost(models.config("d3dp", "tiny", pruning=pruning)).window_gmacs == 0


class Pass(nn.Module):
    """One pass without arguments, as ptflops wants it."""

    def __init__(self, lifter: Lifter, x2d: Tensor, selection: Selection | None) -> None:
        super().__init__()
        self.lifter, self.x2d, self.selection = lifter, x2d, selection

    def forward(self, xt_BHFJA: Tensor) -> Tensor:
        return self.lifter.denoise(self.x2d, xt_BHFJA, torch.zeros(1, dtype=torch.int64), self.selection)


def ptflops_gmacs(lifter: Lifter) -> float:
    """One pass by ptflops, with attention as plain products."""
    frames = lifter.config.frames
    x2d = windows(1, frames)
    aten: Any = torch.ops.aten
    # its own rule adds a product for every bias, which at width 32 is 3 % of a linear layer
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        macs, _ = get_model_complexity_info(
            Pass(lifter.eval(), x2d, lifter.select(x2d)),
            (1, frames, 17, lifter.channels),
            print_per_layer_stat=False,
            as_strings=False,
            backend="aten",
            custom_modules_hooks={aten.addmm: lambda inputs, outputs: outputs[0].numel() * inputs[1].shape[-1]},
        )
    return float(macs) / 1e9


@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize("combination", COMBINED, ids=called)
def test_ptflops_agrees(combination: Combination, size: str) -> None:
    name, host = combination
    lifter = models.build(name, size, host=host)
    assert ptflops_gmacs(lifter) == pytest.approx(lifter.cost().pass_gmacs, rel=0.015)


@pytest.mark.parametrize(("name", "gmacs", "params_m"), [("mixste", 147.42, 33.784), ("hot", 88.09, 35.000)])
def test_base_figures_of_the_published_models(name: str, gmacs: float, params_m: float) -> None:
    cost = models.cost(models.config(name))
    assert cost.inference_gmacs == pytest.approx(gmacs, rel=0.005)
    assert cost.params_m == pytest.approx(params_m, rel=0.0005)


def test_base_figures_of_d3dp() -> None:
    cost = models.cost(models.config("d3dp"))
    assert cost.pass_gmacs == cost.inference_gmacs == cost.training_gmacs == pytest.approx(147.43, rel=0.005)
    assert cost.params_m == pytest.approx(34.835, rel=0.001)
    assert sum(kinds["linear"] for kinds in cost.stages.values()) == pytest.approx(138.63, rel=0.001)
    assert sum(kinds["attention"] for kinds in cost.stages.values()) == pytest.approx(8.80, rel=0.001)


@pytest.mark.parametrize(("name", "cut"), [("htp", 0.568), ("htp_fast", 0.69), ("htp_max", 0.79)])
def test_presets_cut_what_they_promise(name: str, cut: float) -> None:
    dense, pruned = (
        models.cost(models.config(n), hypotheses=5, steps=5, flip=True, elastic=elastic)
        for n, elastic in (("d3dp", None), (name, Elastic()))
    )
    assert 1 - pruned.inference_gmacs / dense.inference_gmacs >= cut
    assert 1 - pruned.training_gmacs / dense.training_gmacs >= 0.385
    fixed = models.cost(models.config(name))
    assert 1 - fixed.training_gmacs / dense.training_gmacs >= cut


def test_inference_counts_passes_and_what_they_share() -> None:
    config = models.config("htp", "tiny")
    one, many = models.cost(config), models.cost(config, hypotheses=3, steps=4, flip=True)
    assert many.inference_gmacs == pytest.approx(many.window_gmacs + 24 * one.pass_gmacs)
    assert many.training_gmacs == one.training_gmacs == pytest.approx(one.window_gmacs + one.pass_gmacs)
    assert sum(sum(kinds.values()) for kinds in one.stages.values()) == pytest.approx(one.pass_gmacs)
    assert one.stages["dense_pairs"]["linear"] > one.stages["mgptp_pairs"]["linear"] > 0
    assert many.inference_stages["selection"] == pytest.approx(many.window_gmacs)
    assert sum(many.inference_stages.values()) == pytest.approx(many.inference_gmacs, rel=1e-12)


@pytest.mark.parametrize("pruning", COMBINATIONS[::5], ids=range(len(COMBINATIONS))[::5])
def test_training_cost_is_the_mean_over_elastic_draws(pruning: Pruning) -> None:
    config = models.config("d3dp", "tiny", pruning=pruning)
    lifter = models.build(config)
    elastic = Elastic(dense_share=0.25, keep_range=(0.1, 0.9), cluster_range=(0.3, 0.8))
    rng = np.random.default_rng(0)
    drawn = [models.cost(replace(config, pruning=lifter.elastic(elastic, rng))).training_gmacs for _ in range(2000)]
    error = np.std(drawn) / len(drawn) ** 0.5
    assert abs(models.cost(config, elastic=elastic).training_gmacs - np.mean(drawn)) <= 3 * error + 1e-12


@pytest.mark.parametrize("source", ["descriptors", "tokens"])
def test_training_cost_knows_which_policies_compare(source: Literal["descriptors", "tokens"]) -> None:
    stage = MGPTP(before_pair=1, source=source)
    config = models.config("d3dp", "tiny", pruning=Pruning(tcep=TCEP(), sft=SFT(), mgptp=stage))
    elastic = Elastic(dense_share=0.0, keep_range=(0.5, 0.5), cluster_range=(0.5, 0.5))
    lifter, rng = models.build(config), np.random.default_rng(0)
    drawn = {lifter.elastic(elastic, rng) for _ in range(100)}
    assert len(drawn) == len(elastic.policies)
    mean = sum(models.cost(replace(config, pruning=pruning)).training_gmacs for pruning in drawn) / len(drawn)
    assert models.cost(config, elastic=elastic).training_gmacs == pytest.approx(mean, rel=1e-9)


def test_no_torch_for_configs_costs_and_listing() -> None:
    code = (
        "import sys, models; from models.pruning.elastic import Elastic;"
        "[models.cost(models.config(name), elastic=Elastic()) for name in models.MODELS];"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lifter_tells_its_own_cost() -> None:
    lifter = models.build("htp", "tiny")
    assert lifter.cost(hypotheses=2) == models.cost(lifter.config, hypotheses=2)


@pytest.mark.parametrize("schedule", ["constant", "coarse_to_fine"])
@pytest.mark.parametrize("combination", COMBINED, ids=called)
def test_stages_add_up_to_inference(combination: Combination, schedule: str) -> None:
    name, host = combination
    config = models.config(name, "tiny", host=host)
    if config.pruning is not None and not config.pruning.places(config.frames):
        config = replace(config, pruning=replace(config.pruning, schedule=schedule))  # type: ignore[arg-type]
    hypotheses, steps = (3, 2) if config.channels else (1, 1)
    cost = models.cost(config, flip=True, hypotheses=hypotheses, steps=steps)
    assert sum(cost.inference_stages.values()) == pytest.approx(cost.inference_gmacs, rel=1e-12)
    if "constant" in schedule:
        of_pass = {stage: 2 * hypotheses * steps * sum(kinds.values()) for stage, kinds in cost.stages.items()}
        of_pass["selection"] += cost.window_gmacs
        assert cost.inference_stages == pytest.approx(of_pass)
