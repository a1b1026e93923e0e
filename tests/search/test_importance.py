"""Which swept value the error depends on, where that is known."""

import numpy as np
import pytest

from ablate.search.importance import importances

RNG = np.random.default_rng(0)
VALUES = [
    {"strong": float(RNG.random()), "weak": int(RNG.integers(1, 9)), "word": str(RNG.choice(["a", "b"])), "fixed": 3}
    for _ in range(60)
]
ERRORS = [40 + 5 * row["strong"] + 0.01 * row["weak"] for row in VALUES]  # type: ignore[operator]


def test_the_value_that_the_error_was_made_of_is_the_important_one() -> None:
    found = importances(VALUES, ERRORS)
    assert next(iter(found)) == "strong"
    assert found["strong"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == {"strong", "weak", "word"}  # what never changes has no importance


def test_the_same_errors_give_the_same_shares() -> None:
    assert importances(VALUES, ERRORS) == importances(VALUES, ERRORS)


def test_a_value_that_some_lack_is_left_aside() -> None:
    assert "weak" not in importances([{k: v for k, v in VALUES[0].items() if k != "weak"}, *VALUES[1:]], ERRORS)
    assert importances([{"fixed": 1}, {"fixed": 1}], [1.0, 2.0]) == {}
    assert importances([], []) == {}


def test_only_the_order_of_numbers_matters() -> None:
    stretched = [{**row, "strong": float(row["strong"]) ** 9} for row in VALUES]  # type: ignore[arg-type]
    assert importances(stretched, ERRORS) == importances(VALUES, ERRORS)
