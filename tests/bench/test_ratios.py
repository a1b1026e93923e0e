"""Races whose clock is told, so that what is tested is the order and the arithmetic."""

import json
from pathlib import Path

import pytest

from ablate.bench import Row, content, write
from ablate.bench.ratios import Contender, Timing, race, ratio_row, timing_row


class Told:
    """A clock that each contender moves on by as much as it takes in that round, and the order of their turns."""

    def __init__(self) -> None:
        self.now, self.turns = 0.0, list[str]()

    def clock(self) -> float:
        return self.now

    def contender(self, name: str, *seconds: float) -> Contender:
        left = iter(seconds)

        def run() -> None:
            self.turns.append(name)
            self.now += next(left)

        return Contender(name, run)


def test_contenders_take_turns_forward_and_backward_and_the_warm_up_is_left_out() -> None:
    told = Told()
    slow, fast = told.contender("slow", 100, 6, 8, 12), told.contender("fast", 100, 2, 2, 3)
    timings = race([slow, fast], repeats=3, clock=told.clock)
    assert told.turns == ["fast", "slow", "slow", "fast", "fast", "slow", "slow", "fast"]
    assert timings == [Timing("slow", (6, 8, 12)), Timing("fast", (2, 2, 3))]


def test_warm_up_may_be_longer_or_none() -> None:
    for warmup in (0, 3):
        told = Told()
        (timing,) = race([told.contender("one", *range(9))], repeats=2, warmup=warmup, clock=told.clock)
        assert timing.seconds == (warmup, warmup + 1)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "b")])
def test_a_race_that_would_tell_nothing_is_refused(names: tuple[str, str]) -> None:
    told = Told()
    with pytest.raises(ValueError, match="share a name" if names == ("a", "a") else "at least one round"):
        race([told.contender(name, 1) for name in names], repeats=int(names == ("a", "a")), clock=told.clock)
    assert not told.turns


def test_a_ratio_is_of_paired_rounds() -> None:
    """A machine that slows down for a while slows both: the ratio of medians would say 4, every round says 2."""
    reference, own = Timing("reference", (2, 4, 16, 20, 40)), Timing("own", (1, 2, 8, 10, 20))
    ratio = own.ratio(reference)
    assert (ratio.median, ratio.low, ratio.high) == (2, 2, 2)
    mixed = Timing("own", (2, 2, 4, 4, 4)).ratio(reference)  # 1, 2, 4, 5, 10
    assert (mixed.median, mixed.low, mixed.high) == (4, 2, 5)


def test_one_round_is_its_own_quartiles() -> None:
    assert Timing("once", (3.0,)).quartiles == (3.0, 3.0)
    assert timing_row("once", Timing("once", (3.0,)), 2.0).kept is False


def test_rounds_of_different_races_are_not_paired() -> None:
    with pytest.raises(ValueError, match="zip"):
        Timing("a", (1, 2)).ratio(Timing("b", (1, 2, 3)))


def test_a_ratio_is_promised_from_below_and_seconds_from_above() -> None:
    reference, own = Timing("reference", (3, 3, 3)), Timing("own", (2, 2, 2))
    assert ratio_row("r", own, reference, 1.5).kept is True
    assert ratio_row("r", own, reference, 1.6).kept is False
    assert ratio_row("r", own, reference).kept is None
    assert ratio_row("r", own, reference, 1.6).texts == (
        "r",
        "1.5 x, quartiles 1.5 and 1.5",
        "at least 1.6 x",
        "BROKEN",
    )
    assert timing_row("t", own, 2.0).texts == ("t", "2 s, quartiles 2 and 2", "at most 2 s", "kept")


def test_a_result_says_what_it_was_measured_with(tmp_path: Path) -> None:
    rows = [Row(what="speed", value=2, unit="x", promise=1.5, sense="at_least")]
    folder = write("inference", rows, tmp_path, {"size": "small", "quick": True}, {"profile.txt": b"all\n"})
    assert folder == tmp_path / "bench" / "inference-small-quick"
    kept = json.loads((folder / "result.json").read_text())
    assert kept == content("inference", rows, {"size": "small", "quick": True})
    assert kept["rows"][0]["kept"] is True
    assert kept["rows"][0]["sense"] == "at_least"
    assert {"torch", "device", "processor", "dtype"} <= kept["environment"].keys()
    assert "threads" in kept["environment"]["device"]
    assert "| speed | 2 x | at least 1.5 x | kept |" in (folder / "table.md").read_text()
    assert (folder / "profile.txt").read_bytes() == b"all\n"
    assert write("inference", rows, tmp_path) != folder  # the plain bench's result is another
