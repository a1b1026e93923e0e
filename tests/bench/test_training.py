"""The bench of training: it runs, its plain loop trains, and its rows say what is promised where."""

import pytest

import models
from ablate.bench.ratios import Timing
from ablate.bench.textbook import Textbook
from ablate.bench.training import MODES, Task, _compared, plain, swinging, training
from tests.test_resume import equal

TASK = Task(size="tiny", frames=9, batch=4, device="cpu")


def test_the_plain_loop_trains() -> None:
    textbook = Textbook(models.build(TASK.model("d3dp"), seed=0))
    before = {name: value.clone() for name, value in textbook.state_dict().items()}
    plain(textbook, swinging(TASK.frames, TASK.batch), TASK.batch, TASK.device)
    assert not equal(textbook.state_dict(), before)
    assert all(value.isfinite().all() for value in textbook.state_dict().values())


def test_ratios_are_held_to_what_is_promised_of_them() -> None:
    seconds = dict(zip(MODES, (4.0, 2.0, 1.0, 1.0, 1.0), strict=True))
    timings = [Timing(name, (each, each)) for name, each in seconds.items()]
    rows = {row.what: row for row in _compared(TASK, timings, promised=True)}
    assert rows[MODES[0]].value == 1.0  # four windows in four seconds
    assert [rows[f"d3dp against the plain loop, {kind}"].value for kind in ("fp32", "bf16")] == [2.0, 4.0]
    dense, pruned = (models.cost(TASK.model(name)).training_gmacs for name in ("d3dp", "htp"))
    row = rows[f"htp against d3dp; its MACs promise {dense / pruned:.2f} x"]
    assert row.promise == pytest.approx(0.9 * dense / pruned)
    assert all(row.promise is None for row in _compared(TASK, timings, promised=False))


@pytest.mark.slow
def test_it_runs() -> None:
    measured = training(size="tiny", frames=9, quick=True)
    names = [row.what for row in measured.rows]
    assert names[: len(MODES)] == [*MODES]
    assert sum(name.startswith("peak memory of a step") for name in names) == 4
    assert b"aten::addmm" in measured.files["profile.txt"]
