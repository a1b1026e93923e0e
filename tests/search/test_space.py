"""A searched space in Optuna's terms and back: the very values that a study's list would hold, however many."""

import random
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from ablate.plan import expand, trials
from ablate.schema import Range
from ablate.search import Search, optuna_storage
from ablate.search.space import Space
from tests.conftest import TINY
from tests.search.bench import CLUSTERS, KEEP, Bench
from tests.test_study import study


def ranges() -> list[Range]:
    """Many, with steps of every size: whole, decimal, and such as no binary number is."""
    draw = random.Random(0)
    made = [Range(low=0.0, high=0.9999, step=0.0001), Range(low=1, high=10, step=3), Range(low=1, high=2.5, step=1)]
    for _ in range(300):
        digits, count = draw.randrange(7), draw.randrange(2, 60)
        step = round(draw.randrange(1, 1000) * 10.0**-digits, digits)
        low = round(draw.randrange(-1000, 1000) * 10.0 ** -draw.randrange(7), 6)
        made.append(Range(low=low, high=low + (count - 0.5) * step, step=step))
    return made


def test_a_ranges_values_come_back_from_optuna_bit_for_bit() -> None:
    for values in ranges():
        space = Space({"path": values})
        distribution = space.distributions["path"]
        for listed in values.values:
            params = space.params({"path": listed})
            assert params is not None
            inside = distribution.to_external_repr(distribution.to_internal_repr(params["path"]))
            (found,) = space.values({"path": inside}).values()
            assert (repr(found), type(found)) == (repr(listed), type(listed)), values


def test_what_a_range_does_not_list_is_outside_it() -> None:
    for values in ranges():
        space, step = Space({"path": values}), values.step
        assert step is not None
        listed = set(values.values)
        for other in (values.low - step, values.high + step, values.low + step / 3, values.values[-1] + step, "x"):
            assert (space.params({"path": other}) is None) == (other not in listed), (values, other)


def test_of_equal_choices_the_first_is_meant_and_mappings_are_told_apart() -> None:
    space = Space({"path": [1, 1.0, {"b": 1, "a": 2}, None]})
    params = space.params({"path": {"a": 2, "b": 1}})
    assert params is not None
    assert space.values(params) == {"path": {"b": 1, "a": 2}}
    assert repr(space.values({"path": 1.0})) == "{'path': 1}"
    assert space.params({"path": 2}) is None
    assert space.params({"other": 1}) is None


@pytest.mark.parametrize("design", ["grid", "one_factor"])
def test_a_planned_range_stays_one_while_it_holds_every_cell(design: str) -> None:
    text = TINY.replace("[1.0, 0.6]", "{low: 0.5, high: 0.9, step: 0.1}").replace(
        "[5, 3]", "{low: 3, high: 5, step: 1}"
    )
    own = study(f"{text}design: {design}\n" if design != "grid" else text)
    cells = [cell for cell in expand(own) if cell.group == own.group]
    found = Space.of(own, cells).distributions
    assert isinstance(found[KEEP], FloatDistribution)
    # One factor's base has no clusters at all, which no range holds.
    assert isinstance(found[CLUSTERS], IntDistribution) == (design == "grid")
    assert all(Space.of(own, cells).params(cell.params) for cell in cells)


def test_the_journal_of_a_long_range_grows_with_the_trials_alone(tmp_path: Path) -> None:
    """Told as a list, each trial would bring all values along."""
    sizes = []
    for count in (50, 100):
        high = round(0.001 * (count - 1), 3)
        text = TINY.replace("[1.0, 0.6]", "[1.0]").replace("[5, 3]", "[5]")
        text = text.replace("variants:", f"  evaluate.eta: {{low: 0.0, high: {high}, step: 0.001}}\nvariants:")
        bench = Bench(tmp_path, text.replace("seeds: [0, 1]", "seeds: [0]"))
        bench.path = tmp_path / f"{count}.journal"
        for trial in trials(bench.study, expand(bench.study)):
            bench.ledger.finish(trial)
        bench.sync(Search(bench.study, expand(bench.study), optuna_storage(bench.path)))
        assert len(bench.stored()) == count
        sizes.append(bench.path.stat().st_size)
    assert sizes[1] < 2.2 * sizes[0]
