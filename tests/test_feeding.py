"""Batches made by a thread: the same windows and flips as without one, and an end that is heard on both sides."""

import threading
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.skeleton import mirror
from ablate.data.windows import Index, Windows
from ablate.errors import DataError
from ablate.train.feeding import feed
from tests.motion import recording, windows

FRAMES = 9
BATCHES = (range(0, 4), range(4, 8), range(8, 9))
HOW: dict[str, Any] = {"seed": 3, "epoch": 1, "pinned": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard(Windows):
    """Windows that tell which thread read them, and may be of a file that breaks off."""

    threads: list[str]
    third: threading.Event
    breaks: bool = False

    def poses(self, chosen_B: Index) -> tuple[Array, Array]:
        self.threads.append(threading.current_thread().name)
        if len(self.threads) == len(BATCHES):
            self.third.set()
        if self.breaks and len(self.threads) == 2:
            raise DataError("the file breaks off")
        return super().poses(chosen_B)


@pytest.fixture
def heard() -> Heard:
    plain = windows(FRAMES, recording("Walking 1", "Walking", 60, seed=1))
    return Heard(**{f.name: getattr(plain, f.name) for f in fields(plain)}, threads=[], third=threading.Event())


def alive() -> bool:
    return any(thread.name.startswith("windows") for thread in threading.enumerate())


@pytest.mark.parametrize("flip", [False, True])
def test_batches_come_in_order_with_their_own_flips(heard: Heard, flip: bool) -> None:
    found = [*feed(heard, BATCHES, flip=flip, **HOW)]
    assert len(found) == len(BATCHES)
    mirrored = 0
    for step, (poses, chosen) in enumerate(zip(found, BATCHES, strict=True)):
        batch = heard.batch(chosen)
        flips_B = flip & (seeds.stream(3, "flip", 1, step).random((len(chosen), 1, 1, 1)) < 0.5)
        mirrored += int(flips_B.sum())
        for made, of_file in ((poses.x2d_BFJ2, batch.x2d_BFJ2), (poses.x3d_BFJ3, batch.x3d_BFJ3)):
            assert np.array_equal(made.numpy(), np.where(flips_B, mirror(of_file), of_file))
    assert (0 < mirrored < 9) == flip


def test_the_next_batch_is_made_while_one_is_used(heard: Heard) -> None:
    with closing(feed(heard, BATCHES, flip=True, **HOW)) as fed:
        next(fed)
        next(fed)
        assert heard.third.wait(timeout=60)  # nobody has asked for it yet
    assert all(name.startswith("windows") for name in heard.threads)
    assert not alive()


def test_what_goes_wrong_in_the_thread_is_raised_where_its_batch_is_due(heard: Heard) -> None:
    broken = Heard(**{**vars(heard), "breaks": True})
    fed = feed(broken, BATCHES, flip=False, **HOW)
    next(fed)
    with pytest.raises(DataError, match="the file breaks off"):
        next(fed)
    assert not alive()
