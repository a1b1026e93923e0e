"""Every counted frame once, the same draws however the work is cut, and oracles marked as such."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ablate.data.arrays import Array
from ablate.data.windows import Windows
from ablate.errors import NotFinite
from ablate.evaluate import UNITS, Evaluation, action_name, draws, evaluate, evaluate_counts
from ablate.evaluate.scores import CORE, FOLLOWED
from ablate.metrics import AGGREGATIONS, ORACLES
from ablate.records import Metric
from ablate.sections import EvaluateConfig
from models.config import D3DP
from models.d3dp import Lifter
from tests.motion import recording, windows

CPU = torch.device("cpu")
FRAMES = 9
MANY = EvaluateConfig(hypotheses=3, steps=2, batch=4)


class Guess(nn.Module):
    """Lifts to the noise it is handed, so that what evaluation should say is known without a network."""

    channels = 3

    def select(self, x2d_BFJ2: Tensor) -> None:
        """Nothing is pruned."""

    def lift(self, x2d_BFJ2: Tensor, *, noise: Tensor, **how: object) -> Tensor:
        return noise.transpose(0, 1) * 0.1 + x2d_BFJ2.mean()


def some_windows() -> Windows:
    """Lengths that overlap at the end, fit exactly, and are shorter than a window; two actions."""
    return windows(
        FRAMES,
        recording("Walking 1", "Walking", 31, seed=1),
        recording("Walking 2", "Walking 2", 18, seed=2),
        recording("Sitting Down", "Sitting Down", 7, seed=3),
    )


def run(lifter: nn.Module, on: Windows, config: EvaluateConfig, seed: int = 0) -> Evaluation:
    return evaluate(lifter, on, config, seed=seed, split="test", input="gt", device=CPU)  # type: ignore[arg-type]


def lifter() -> Lifter:
    torch.manual_seed(0)
    return Lifter(D3DP(frames=FRAMES, width=16, depth=1, heads=2))


def by_name(found: Evaluation) -> dict[tuple[str, str, int, str], Metric]:
    return {(m.metric, m.aggregation, m.step, m.action): m for m in found.metrics if m.protocol == "exact"}


def errors_by_hand(on: Windows, config: EvaluateConfig) -> tuple[Array, Array]:
    """Position and velocity errors of ``Guess``'s mean pose at the last step, (W, F) and (W, F - 1), millimetres."""
    everything = on.batch(range(len(on)))
    pose_WFJ3 = draws(on, np.arange(len(on)), config, 0, 3)[-1].mean(axis=1) * 0.1
    pose_WFJ3 = pose_WFJ3 + everything.x2d_BFJ2.mean(axis=(1, 2, 3), keepdims=True)
    position = np.linalg.norm(pose_WFJ3 - everything.x3d_BFJ3, axis=-1).mean(axis=-1)
    moved = np.diff(pose_WFJ3, axis=1) - np.diff(everything.x3d_BFJ3, axis=1)
    return 1000 * position, 1000 * np.linalg.norm(moved, axis=-1).mean(axis=-1)


def test_every_frame_counts_once_overall_and_by_action() -> None:
    on, config = some_windows(), replace(MANY, batch=1)
    found = run(Guess(), on, config)
    assert int(found.frames.sum()) == 2 * (31 + 18 + 7)
    position_WF, velocity_WF = errors_by_hand(on, config)
    pairs_WF = on.counted_WF[:, 1:] & on.counted_WF[:, :-1]
    walking_W = np.array([view.recording != "X/Sitting Down" for view in on.views])[on.view_W]
    metrics = by_name(found)
    for action, in_it in (("", walking_W | True), ("Walking", walking_W), ("Sitting Down", ~walking_W)):
        frames, pairs = on.counted_WF & in_it[:, None], pairs_WF & in_it[:, None]
        assert metrics["mpjpe", "mean", 2, action].value == pytest.approx(position_WF[frames].mean(), rel=1e-5)
        assert metrics["mpjve", "mean", 2, action].value == pytest.approx(velocity_WF[pairs].mean(), rel=1e-5)
    by_window = np.where(on.counted_WF, position_WF, 0).sum(axis=1) / on.counted_WF.sum(axis=1)
    np.testing.assert_allclose(found.window_mpjpe_mm, by_window, rtol=1e-5)
    assert (str(found.window_mpjpe_mm.dtype), str(found.frames.dtype)) == ("float32", "int32")


def test_neither_the_batch_nor_the_other_windows_change_a_result() -> None:
    on, network = some_windows(), lifter()
    whole = run(network, on, replace(MANY, batch=16))
    for batch in (1, 5):
        again = run(network, on, replace(MANY, batch=batch))
        np.testing.assert_allclose(again.window_mpjpe_mm, whole.window_mpjpe_mm, rtol=1e-5)
        assert [m.value for m in again.metrics] == pytest.approx([m.value for m in whole.metrics], rel=1e-5)
    some_W = np.array([7, 2, 3])
    part = replace(on, view_W=on.view_W[some_W], start_W=on.start_W[some_W], counted_WF=on.counted_WF[some_W])
    np.testing.assert_allclose(run(network, part, MANY).window_mpjpe_mm, whole.window_mpjpe_mm[some_W], rtol=1e-5)


def test_draws_belong_to_their_window_and_hypothesis() -> None:
    on = some_windows()
    five_KBHFJ3 = draws(on, np.arange(len(on)), replace(MANY, hypotheses=5), 0, 3)
    assert five_KBHFJ3.shape == (2, len(on), 5, FRAMES, 17, 3)
    assert five_KBHFJ3.dtype == np.float32
    assert np.array_equal(draws(on, np.array([4, 1]), replace(MANY, hypotheses=1), 0, 3), five_KBHFJ3[:, [4, 1], :1])
    assert np.array_equal(
        draws(on, np.array([3]), replace(MANY, steps=1, hypotheses=1), 0, 3), five_KBHFJ3[:1, 3:4, :1]
    )
    assert len(np.unique(five_KBHFJ3[..., 0, 0, 0])) == 2 * len(on) * 5  # no window, step or hypothesis shares them
    assert not np.array_equal(draws(on, np.array([3]), MANY, 1, 3), draws(on, np.array([3]), MANY, 0, 3))


def test_nothing_but_the_seed_decides() -> None:
    on, network = some_windows(), lifter()
    first = run(network, on, MANY)
    torch.manual_seed(123)
    np.random.default_rng().random()
    assert run(network, on, MANY).metrics == first.metrics
    assert run(network, on, MANY, seed=1).metrics != first.metrics


def test_what_can_be_deployed_comes_first_and_oracles_are_marked() -> None:
    found = run(Guess(), some_windows(), MANY).metrics
    overall = [m for m in found if m.metric == "mpjpe" and m.step == 2 and not m.action and m.protocol == "exact"]
    assert [m.aggregation for m in overall] == list(AGGREGATIONS)
    assert [m.oracle for m in overall] == [False] * 4 + [True] * 4
    assert {m.aggregation for m in found if m.oracle} == ORACLES
    assert {(m.metric, m.unit) for m in found} < set(UNITS.items())
    assert {(m.split, m.input, m.hypotheses, m.steps) for m in found} == {("test", "gt", 3, 2)}
    assert len({(m.metric, m.aggregation, m.protocol, m.step, m.action) for m in found}) == len(found)


def test_what_is_followed_is_given_at_every_step_and_for_every_action() -> None:
    found = run(Guess(), some_windows(), MANY).metrics
    own = [m for m in found if m.protocol == "exact"]
    followed = [m for m in own if m.metric in CORE and m.aggregation in FOLLOWED]
    assert len(followed) == 3 * 3 * 2 * 3
    assert {(m.step, m.action) for m in found if m not in followed} == {(2, "")}
    core = {(m.metric, m.aggregation) for m in own if m.metric in CORE}
    assert core == {(metric, aggregation) for metric in CORE for aggregation in AGGREGATIONS}
    assert {m.aggregation for m in own if m.metric not in CORE} == {"mean"}
    beside = {(m.metric, m.aggregation) for m in found if m.protocol == "reference"}
    assert beside == {(m.metric, m.aggregation) for m in own}


def test_one_hypothesis_leaves_nothing_to_choose() -> None:
    found = run(Guess(), some_windows(), EvaluateConfig())
    assert {(m.aggregation, m.step) for m in found.metrics} == {("mean", 1)}


def test_windows_of_one_frame_have_no_velocity() -> None:
    found = run(Guess(), windows(1, recording("Walking 1", "Walking", 3)), EvaluateConfig())
    assert {m.metric for m in found.metrics} == {"mpjpe", "p_mpjpe", "n_mpjpe", "bone_variation", "asymmetry"}


def test_only_the_first_cameras_are_evaluated_when_asked() -> None:
    found = run(Guess(), some_windows(), replace(MANY, cameras=1))
    assert int(found.frames.sum()) == 31 + 18 + 7
    assert {found.windows.views[view].camera_index for view in found.windows.view_W} == {0}


def test_damaged_weights_are_reported() -> None:
    network = lifter()
    next(network.parameters()).data.fill_(torch.nan)
    with pytest.raises(NotFinite, match="not finite"):
        run(network, some_windows(), MANY)


@pytest.mark.parametrize(
    ("action", "name"),
    [("Walking 1", "Walking"), ("Sitting Down 12", "Sitting Down"), ("Sitting Down", "Sitting Down"), ("act2", "act2")],
)
def test_an_action_goes_by_its_name_without_the_trial(action: str, name: str) -> None:
    assert action_name(action) == name


def test_fewer_hypotheses_from_a_run_with_more_are_those_of_a_run_with_fewer() -> None:
    on = some_windows()
    counts = (1, 3, 2)
    shared = evaluate_counts(lifter(), on, MANY, counts, seed=0, split="test", input="gt", device=CPU)
    for count, found in zip(counts, shared, strict=True):
        alone = run(lifter(), on, replace(MANY, hypotheses=count))
        assert found.metrics == alone.metrics
        assert {m.hypotheses for m in found.metrics} == {count}
        np.testing.assert_array_equal(found.window_mpjpe_mm, alone.window_mpjpe_mm)
    assert len(shared[0].metrics) < len(shared[2].metrics)


def test_a_low_pass_judges_smoothed_poses() -> None:
    on = some_windows()
    config = replace(MANY, low_pass=2)
    plain, smoothed = by_name(run(Guess(), on, MANY)), by_name(run(Guess(), on, config))
    # white noise is what a low pass takes away; the slow truth stays
    assert smoothed["mpjpe", "mean", 2, ""].value < plain["mpjpe", "mean", 2, ""].value
    assert smoothed["mpjve", "mean", 2, ""].value < 0.3 * plain["mpjve", "mean", 2, ""].value
    few = by_name(run(Guess(), on, replace(config, hypotheses=1)))
    both = evaluate_counts(Guess(), on, config, (1, 3), seed=0, split="test", input="gt", device=CPU)
    assert by_name(both[0])["mpjpe", "mean", 2, ""] == few["mpjpe", "mean", 2, ""]
