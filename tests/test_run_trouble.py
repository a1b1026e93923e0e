"""A study that meets trouble on its way: divergence, an interrupt, memory that does not suffice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate import evaluate, laboratory
from ablate.records import Record
from ablate.sections import EvaluateConfig
from ablate.work import Job
from tests.conftest import TINY
from tests.test_run import content, go, statuses


def test_a_training_that_diverges_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace(
        "train.mode: each}", "train.mode: each, train.learning_rate: 1.0e+30, train.clip: null, train.warmup: 0}"
    )
    outcome = go(tmp_path, text)
    assert len(outcome.records) == 4
    (failure,) = outcome.failures
    assert failure.startswith("d3dp, seed 0: ")


def test_an_interrupt_keeps_what_is_finished_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = laboratory.Laboratory.evaluate, []

    def interrupted(self: laboratory.Laboratory, job: Job, halvings: int = 0) -> Iterator[Record]:
        calls.append(job)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, job, halvings)

    with monkeypatch.context() as patch:
        patch.setattr(laboratory.Laboratory, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path)
    before = content(tmp_path)
    assert len(before) == 4  # two records, a JSON and an npz each
    assert statuses(tmp_path) == {"FINISHED", "KILLED"}  # the study's own run says that it stopped short
    go(tmp_path)
    after = content(tmp_path)
    assert len(after) == 20
    assert {name: after[name] for name in before} == before
    assert statuses(tmp_path) == {"FINISHED"}


def test_memory_that_does_not_suffice_halves_the_batch_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, batches = evaluate.evaluate_counts, []

    def scarce(lifter: Any, windows: Any, config: EvaluateConfig, *rest: Any, **named: Any) -> Any:
        if config.hypotheses > 1:  # what validates an epoch fits
            batches.append(config.batch)
            if config.batch > 20:
                raise torch.OutOfMemoryError("no more of it")
        return real(lifter, windows, config, *rest, **named)

    monkeypatch.setattr(laboratory, "evaluate_counts", scarce)
    text = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[1.0]").replace("[5, 3]", "[5]")
    outcome = go(tmp_path, text)
    assert not outcome.failures
    assert len(outcome.records) == 2
    assert batches == [64, 32, 16, 16] * 2
