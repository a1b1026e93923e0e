"""Claims as sentences: what they mean, and how every wrong one is told at its place."""

import math

import pytest

from ablate.claims import Bound, Rows, parse_claim
from ablate.errors import StudyError
from ablate.loading import Study, check
from ablate.plan import expand
from ablate.source import parse
from tests.conftest import TINY

SAVES = "htp cuts inference_gmacs by at least 56.8 % against d3dp at no more than 0.2 mm"


def study(*claims: str, text: str = TINY) -> Study:
    return check(parse(text + "claims:\n" + "".join(f"  - {claim}\n" for claim in claims), "s.yaml"))


def problems(*claims: str, text: str = TINY) -> list[str]:
    with pytest.raises(StudyError) as caught:
        study(*claims, text=text)
    return list(caught.value.problems)


def error(low: float, high: float, metric: str | None = None, unit: str = "mm") -> Bound:
    return Bound("error", metric, unit, low, high)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        (SAVES, (Bound("compute", "inference_gmacs", "%", -math.inf, -56.8), error(-math.inf, 0.2))),
        ("a cuts params_m by at most 5% against b", (Bound("compute", "params_m", "%", -5.0, math.inf),)),
        ("a raises fps by at least 81.1 % against b", (Bound("compute", "fps", "%", 81.1, math.inf),)),
        ("a raises fps by at most 10 % against b", (Bound("compute", "fps", "%", -math.inf, 10.0),)),
        ("a is better than b by at least 0.5 mm", (error(-math.inf, -0.5),)),
        ("a is no worse than b by more than 0.1 mm", (error(-math.inf, 0.1),)),
        ("a is no worse than b by more than 0.1 mm in p_mpjpe", (error(-math.inf, 0.1, "p_mpjpe"),)),
        ("a is within 0.2 mm/frame of b in mpjve", (error(-0.2, 0.2, "mpjve", "mm/frame"),)),
        ("the front of a beats that of b", ()),
    ],
)
def test_a_sentence_is_a_pair_of_rows_and_bounds(text: str, bounds: tuple[Bound, ...]) -> None:
    found = parse_claim(text)
    assert found.bounds == bounds
    assert found.text == text
    assert (found.rows.name, found.other.name) == (("htp", "d3dp") if text == SAVES else ("a", "b"))


def test_better_by_nothing_is_not_better() -> None:
    (bound,) = parse_claim("a is better than b in mpjpe").bounds
    assert (bound.low, bound.name) == (-math.inf, "mpjpe")
    assert -1e-300 < bound.high < 0


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("htp", Rows("htp")),
        ("htp with none", Rows("htp with none")),
        ("htp keep_ratio 0.67, clusters 27", Rows("htp keep_ratio 0.67, clusters 27")),
        ("some htp", Rows("htp", word="some")),
        ("every htp[keep_ratio=0.5]", Rows("htp", (("keep_ratio", "0.5"),), "every")),
        ("htp[a.b=0.5, clusters = 9]", Rows("htp", (("a.b", "0.5"), ("clusters", "9")))),
    ],
)
def test_rows_are_a_label_or_a_group_with_values(text: str, rows: Rows) -> None:
    assert parse_claim(f"{text} is better than d3dp").rows == rows
    assert parse_claim(f"d3dp is better than {text} by at least 1 mm").other == rows
    assert parse_claim(f"the front of d3dp beats that of {text}").other == rows
    assert parse_claim(f"d3dp cuts params_m by at least 1 % against {text} at no more than 1 mm").other == rows


def test_a_group_stands_for_its_rows_and_a_label_for_one() -> None:
    cells = expand(study(SAVES))
    of = {text: [c.label for c in parse_claim(f"{text} is better than x").rows.of(cells)] for text in (
        "htp", "d3dp", "every d3dp", "htp[keep_ratio=0.6]", "htp[pruning.tcep.keep_ratio=1, clusters=3]",
        "htp keep_ratio 0.6, clusters 3", "some htp keep_ratio 0.6, clusters 3",
    )}  # fmt: skip
    assert len(of["htp"]) == 4
    assert of["d3dp"] == of["every d3dp"] == ["d3dp"]
    assert of["htp[keep_ratio=0.6]"] == ["htp keep_ratio 0.6, clusters 5", "htp keep_ratio 0.6, clusters 3"]
    assert of["htp[pruning.tcep.keep_ratio=1, clusters=3]"] == ["htp keep_ratio 1, clusters 3"]
    assert of["htp keep_ratio 0.6, clusters 3"] == ["htp keep_ratio 0.6, clusters 3"]
    assert of["some htp keep_ratio 0.6, clusters 3"] == []


def test_a_study_keeps_its_claims_and_its_trials() -> None:
    text = [SAVES, "the front of htp beats that of d3dp"]
    made = study(*text)
    assert [claim.text for claim in made.claims] == text
    assert [cell.id for cell in expand(made)] == [cell.id for cell in expand(check(parse(TINY, "s.yaml")))]


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("htp reduces inference_gmacs by 5 % against d3dp", "is no claim; one says cuts, raises, is better than"),
        ("htp[] is better than d3dp", "'htp[]' names no rows; write a label, or GROUP"),
        ("htp[keep_ratio] is better than d3dp", "names no rows"),
        ("hpt is better than d3dp", "no row or group 'hpt'; did you mean 'htp'?"),
        ("htp is better than zzz", "no row or group 'zzz'; the groups are htp, d3dp"),
        ("htp keep_ratio 0.6, cluster 3 is better than d3dp", "did you mean 'htp keep_ratio 0.6, clusters 3'?"),
        ("htp[keep_rate=0.6] is better than d3dp", "'htp' sweeps no 'keep_rate'; did you mean 'keep_ratio'?"),
        ("d3dp[keep_ratio=0.6] is better than htp", "'d3dp' sweeps no 'keep_ratio'; it sweeps nothing"),
        (
            "htp[clusters=4] is better than d3dp",
            "no row is htp[clusters=4]; there are htp[clusters=5], htp[clusters=3]",
        ),
        ("htp is better than htp[clusters=3]", "compares 'htp keep_ratio 0.6, clusters 3' with itself"),
        ("htp cuts inference_gmac by at least 5 % against d3dp", "unknown number 'inference_gmac'; did you mean"),
        ("htp is better than d3dp in mpjp", "unknown metric 'mpjp'; did you mean 'mpjpe'?"),
        ("htp is within 1 mm of d3dp in mpjve", "mpjve is in mm/frame, not in mm"),
        ("the front of some htp beats that of d3dp", "a front is of every row that is named; leave out some"),
    ],
)
def test_each_problem_says_where_what_and_the_mend(claim: str, told: str) -> None:
    (found,) = problems(SAVES, claim)
    assert found.startswith(f"s.yaml:17:5: '{claim}': ")
    assert told in found


def test_problems_of_claims_are_told_with_all_others() -> None:
    text = TINY.replace("cameras: 1", "cameras: 0").replace("repeats: 1", "latency: false, repeats: 1")
    found = problems("a is better than b", "htp cuts fps by at least 1 % against d3dp", text=text)
    assert [line.split(": ")[0] for line in found] == ["s.yaml:11:51", "s.yaml:16:5", "s.yaml:16:5", "s.yaml:17:5"]
    assert "'fps' is not measured here: set measure.latency to true" in found[-1]


def test_a_claim_is_made_once() -> None:
    assert problems(SAVES, SAVES) == [f"s.yaml:17:5: '{SAVES}': given twice"]


def test_of_what_a_sampler_will_propose_the_values_are_open() -> None:
    text = TINY.replace("[5, 3]", "{low: 3, high: 5, step: 1}").replace("[0, 1]", "[0]\nsampler: tpe\ntrials: 3")
    assert study("htp[clusters=4] is better than d3dp", text=text)
    assert "sweeps no 'cluster'" in problems("htp[cluster=4] is better than d3dp", text=text)[0]


def test_components_are_on_or_off() -> None:
    text = TINY.split("sweep:")[0] + (
        "design: components\n"
        "components:\n"
        "  plan: factorial\n"
        "  without: {tcep: {model.pruning.tcep: null}, mgptp: {model.pruning.mgptp: null}}\n"
        "seeds: [0]\n"
    )  # fmt: skip
    made = study("every htp[tcep=on, mgptp=off] is better than htp with none", text=text.replace("d3dp", "htp"))
    assert [cell.label for cell in made.claims[0].rows.of(expand(made))] == ["htp without mgptp"]
