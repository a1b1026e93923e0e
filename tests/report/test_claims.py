"""Claims judged on records: what holds, what fails, and what can't be told."""

import math
import re
from dataclasses import replace

import pytest

from ablate import report
from ablate.records import Record
from ablate.report.claims import Verdict, _interval, markdown
from ablate.statistics.differences import difference
from ablate.statistics.samples import samples
from tests.report import fixed

DENSE, HALF, QUARTER = (fixed.record(cell, 0).label for cell in range(3))


def judged(*claims: str, records: list[Record] | None = None, **about: object) -> tuple[Verdict, ...]:
    return report.verdicts(fixed.study() if records is None else records, fixed.about(*claims, **about))


def state(claim: str, **more: object) -> str:
    (verdict,) = judged(claim, **more)  # type: ignore[arg-type]
    assert verdict.text == claim
    return verdict.state


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (f"{HALF} cuts inference_gmacs by at least 50 % against d3dp", "holds"),
        (f"{HALF} cuts inference_gmacs by at most 50 % against d3dp", "holds"),
        (f"{HALF} cuts inference_gmacs by at least 50.01 % against d3dp", "fails"),
        ("htp cuts inference_gmacs by at least 50 % against d3dp", "holds"),
        ("htp cuts inference_gmacs by at least 60 % against d3dp", "fails"),
        ("some htp cuts inference_gmacs by at least 60 % against d3dp", "holds"),
        ("some htp cuts inference_gmacs by at least 70 % against d3dp", "fails"),
        ("d3dp raises training_gmacs by at least 100 % against htp", "holds"),
        ("d3dp raises training_gmacs by at most 99 % against some htp", "fails"),
    ],
)
def test_closed_form_compute_is_exact_whatever_the_seeds(claim: str, expected: str) -> None:
    assert state(claim) == expected
    assert state(claim, records=fixed.study(seeds=(0,)), planned=4) == expected


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (f"{QUARTER} is better than d3dp", "fails"),
        (f"d3dp is better than {QUARTER} by at least 1 mm", "holds"),
        (f"d3dp is better than {QUARTER} by at least 2 mm", "can't be told"),
        (f"{QUARTER} is no worse than d3dp by more than 1 mm", "fails"),
        (f"{QUARTER} is no worse than d3dp by more than 3 mm", "holds"),
        (f"{QUARTER} is within 3 mm of d3dp", "holds"),
        (f"{QUARTER} is within 1 mm of d3dp", "fails"),
        (f"d3dp is better than {QUARTER} by at least 1 mm in p_mpjpe", "holds"),
        ("htp is no worse than d3dp by more than 3 mm", "holds"),
        ("htp is no worse than d3dp by more than 1 mm", "fails"),
        ("some htp is no worse than d3dp by more than 1 mm", "holds"),
        ("some htp cuts inference_gmacs by at least 60 % against d3dp at no more than 1 mm", "fails"),
        ("some htp cuts inference_gmacs by at least 50 % against d3dp at no more than 1 mm", "holds"),
        ("d3dp is better than every htp", "can't be told"),
        ("the front of htp beats that of uniform", "holds"),
        ("the front of uniform beats that of htp", "fails"),
    ],
)
def test_errors_are_judged_by_the_whole_interval(claim: str, expected: str) -> None:
    assert state(claim) == expected


def test_the_reason_is_the_interval_that_decided() -> None:
    (verdict,) = judged(f"{QUARTER} is no worse than d3dp by more than 1 mm")
    known = difference(samples(fixed.study()), QUARTER, DENSE)
    assert verdict.reason == f"MPJPE {known.mean:+.2f} mm, 95 % interval {known.low:+.2f} to {known.high:+.2f}"


def test_where_one_of_several_would_do_the_interval_is_wider() -> None:
    (one,) = judged(f"{HALF} is no worse than d3dp by more than 1 mm")
    (some,) = judged("some htp is no worse than d3dp by more than 1 mm")
    known = difference(samples(fixed.study()), HALF, DENSE)
    low, high = _interval(known, 2)
    assert _interval(known, 1) == pytest.approx((known.low, known.high))
    assert low < known.low < known.high < high
    assert f"95 % interval (one of 2) {low:+.2f} to {high:+.2f}".replace("-", "\N{MINUS SIGN}") in some.reason
    assert "one of" not in one.reason
    assert some.reason.startswith(f"holds for 1 of 2 pairs, {HALF} against d3dp: ")


def test_measured_compute_is_compared_seed_by_seed() -> None:
    (verdict,) = judged(f"{QUARTER} cuts latency_ms by at least 40 % against d3dp")
    assert verdict.state == "holds"
    logs = [math.log((12 + seed) / (32 + seed)) for seed in range(3)]
    change = f"{100 * math.expm1(sum(logs) / 3):+.2f}".replace("-", "\N{MINUS SIGN}")
    assert verdict.reason.startswith(f"latency_ms {change} %")
    assert state(f"{QUARTER} cuts latency_ms by at least 60 % against d3dp") == "can't be told"
    assert state(f"{QUARTER} raises fps by at least 50 % against d3dp") == "holds"


def test_one_seed_can_tell_nothing_of_errors() -> None:
    for claim in (f"{QUARTER} is better than d3dp", "the front of htp beats that of uniform"):
        (verdict,) = judged(claim, records=fixed.study(seeds=(0,)), planned=4)
        assert verdict.state == "can't be told"
        assert "seed" in verdict.reason


def test_records_without_the_errors_of_windows_are_judged_by_seed() -> None:
    records = [replace(record, arrays={}, windows={}) for record in fixed.study()]
    assert state(f"d3dp is better than {QUARTER} by at least 1 mm", records=records) == "holds"


def test_rows_that_are_still_to_come_leave_a_claim_open() -> None:
    records = [record for record in fixed.study() if record.label != QUARTER]
    every, some = "htp is no worse than d3dp by more than 1 mm", "some htp is better than d3dp by at least 5 mm"
    assert [verdict.state for verdict in judged(every, some, records=records)] == ["can't be told"] * 2
    assert [verdict.state for verdict in judged(every, some, records=records, planned=9)] == ["holds", "fails"]
    (verdict,) = judged(f"{QUARTER} is better than d3dp", records=records)
    assert (verdict.state, verdict.reason) == ("can't be told", f"nothing of {QUARTER} is finished")


def test_what_was_not_measured_cannot_be_told() -> None:
    (verdict,) = judged("htp cuts pass_gmacs by at least 5 % against d3dp")
    assert (verdict.state, "pass_gmacs was not recorded" in verdict.reason) == ("can't be told", True)
    records = [replace(record, compute={**record.compute, "latency_ms": None}) for record in fixed.study()]
    assert state("htp cuts latency_ms by at least 5 % against d3dp", records=records) == "can't be told"


def test_claims_stand_at_the_top_of_the_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = fixed.written(fixed.study(), fixed.about(), tmp_path_factory.mktemp("claims"))
    found = report.verdicts(fixed.study(), fixed.about())
    assert [verdict.text for verdict in found] == list(fixed.CLAIMS)
    assert {verdict.state for verdict in found} >= {"holds", "fails"}
    assert page.index("## Claims") < page.index("## How to read this")
    assert markdown(found) in page
    assert len(re.findall(r"^- \*\*(holds|fails|can't be told)\*\*: ", page, re.M)) == len(fixed.CLAIMS)
