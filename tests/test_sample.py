"""What records hold to be looked at: one window's poses as evaluation makes them, and the error of each joint."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ablate import evaluate
from ablate.evaluate import sample
from ablate.strip import motion_mm, shown
from tests.motion import recording, windows
from tests.test_evaluate import CPU, MANY, Guess, by_name, lifter, run, some_windows


def test_joints_average_to_what_is_reported() -> None:
    on = some_windows()
    for config in (MANY, replace(MANY, hypotheses=1, batch=1)):
        found = run(lifter(), on, config)
        assert found.joint_mm.shape == (17,)
        assert found.joint_mm.mean() == pytest.approx(by_name(found)["mpjpe", "mean", 2, ""].value, rel=1e-5)
        assert found.joint_mm[0] == pytest.approx(0, abs=1e-3) or found.joint_mm.min() > 0


def test_a_joint_that_is_off_is_found() -> None:
    class Off(Guess):
        def lift(self, x2d_BFJ2: torch.Tensor, *, noise: torch.Tensor, **how: object) -> torch.Tensor:
            pose = torch.zeros(noise.transpose(0, 1).shape)
            pose[..., 5, 0] = 10.0
            return pose

    on = some_windows()
    far, near = run(Off(), on, MANY).joint_mm, [run(Off(), on, replace(MANY, batch=b)).joint_mm for b in (1, 7)]
    assert far.argmax() == 5
    assert far[5] > 9000
    for other in near:
        np.testing.assert_array_equal(far, other)


def test_the_sample_is_what_evaluation_makes_of_the_window() -> None:
    on, network = some_windows(), lifter()
    window, counts = shown(on), (1, 3)
    assert window is not None
    one, three = sample(network, on, window, MANY, counts, seed=4, device=CPU)
    found = evaluate.evaluate_counts(network, on, MANY, counts, seed=4, split="test", input="gt", device=CPU)
    for arrays, evaluation in zip((one, three), found, strict=True):
        error = 1000 * np.linalg.norm(arrays["sample/pose"] - arrays["sample/truth"], axis=-1).mean()
        assert error == pytest.approx(float(evaluation.window_mpjpe_mm[window]), rel=1e-5)
    assert "sample/hypotheses" not in one
    assert three["sample/hypotheses"].shape == (3, 9, 17, 3)
    np.testing.assert_allclose(three["sample/hypotheses"].mean(axis=0), three["sample/pose"], atol=1e-6)
    np.testing.assert_array_equal(three["sample/hypotheses"][0], one["sample/pose"])
    assert three["sample/input"].shape == (9, 17, 2)
    assert {array.dtype for arrays in (one, three) for array in arrays.values()} == {np.dtype(np.float32)}


def test_at_most_ten_hypotheses_are_kept_and_the_mean_is_of_all() -> None:
    on = some_windows()
    (found,) = sample(Guess(), on, 0, replace(MANY, hypotheses=12), (12,), seed=0, device=CPU)
    assert found["sample/hypotheses"].shape[0] == 10
    mean = evaluate.draws(on, np.array([0]), replace(MANY, hypotheses=12), 0, 3)[-1, 0].mean(axis=0)
    np.testing.assert_allclose(np.diff(found["sample/pose"], axis=0), 0.1 * np.diff(mean, axis=0), atol=1e-6)


def test_a_low_pass_smooths_the_sample_too() -> None:
    on = some_windows()
    (plain,) = sample(Guess(), on, 0, MANY, (3,), seed=0, device=CPU)
    (smooth,) = sample(Guess(), on, 0, replace(MANY, low_pass=2), (3,), seed=0, device=CPU)
    assert motion_mm(smooth["sample/pose"][None]).mean() < 0.5 * motion_mm(plain["sample/pose"][None]).mean()


def test_the_window_shown_is_whole_and_the_most_uneven() -> None:
    on = some_windows()
    window = shown(on)
    assert window is not None
    whole = np.flatnonzero(on.counted_WF.all(axis=1))
    uneven = motion_mm(on.batch(whole).x3d_BFJ3).std(axis=1)
    assert window == whole[uneven.argmax()]
    assert shown(windows(9, recording("Short", "Short", 5))) is None
    assert shown(windows(1, recording("Still", "Still", 5))) is None
