"""Which of the swept values the error depends on: Optuna's fANOVA over finished configurations."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from ablate.canonical import canonical_json

SEED = 0  # of the forest's draws: the same errors give the same shares


def importances(values: Sequence[Mapping[str, Any]], errors: Sequence[float]) -> dict[str, float]:
    """For each path that all configurations have, at two values or more, its share of what explains the errors.

    ``values`` are the swept values of each configuration by path, ``errors`` one number each. Shares are those of
    single paths (main effects) and add up to 1; largest first. Numbers count by their rank among those tried, so that
    neither their scale nor their spacing matters; what is no number has no order. A forest of regression trees is taken
    apart (Hutter, Hoos and Leyton-Brown 2014). Empty where no path has two values.
    """
    shared = [path for path in values[0] if all(path in row for row in values)] if values else []
    placed = {path: _placed([row[path] for row in values]) for path in shared}
    varied = {path: found for path, found in placed.items() if len(set(found[0])) > 1}
    if not varied:
        return {}
    study = optuna.create_study()
    for row, error in enumerate(errors):
        study.add_trial(
            optuna.trial.create_trial(
                params={path: places[row] for path, (places, _) in varied.items()},
                distributions={path: distribution for path, (_, distribution) in varied.items()},
                value=error,
            )
        )
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=SEED))


def _placed(column: Sequence[Any]) -> tuple[list[int], BaseDistribution]:
    """Each value's place among the different ones, and what places there are."""
    ordered = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    names = [value if ordered else canonical_json(value) for value in column]
    places = {name: place for place, name in enumerate(sorted(set(names)))}
    last = len(places) - 1
    distribution = IntDistribution(0, last) if ordered else CategoricalDistribution(range(last + 1))
    return [places[name] for name in names], distribution
