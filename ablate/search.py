"""Optuna carries the search: it proposes configurations, and shows every one that has been measured.

The only file that imports optuna. The objectives are the validation error and the inference compute, both minimised;
the test split never enters. Variants beside the sweep are no part
of the searched space and stay out. The journal can be rebuilt from the records.
"""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.canonical import canonical_json
from ablate.schema import Range, StudyFile, Values
from ablate.workspace import Workspace

if TYPE_CHECKING:
    import optuna

OBJECTIVES = ("validation_mpjpe_mm", "inference_gmacs")
TRIAL = "ablate.trial"


class Search:
    """One Optuna study for one study's sweep; a changed sweep is a new one, since choices can't change once begun."""

    def __init__(self, file: StudyFile, workspace: Workspace) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep = file.sweep
        revision = hashlib.sha256(canonical_json(file.model_dump(mode="json")["sweep"]).encode()).hexdigest()[:8]
        self._optuna = optuna.create_study(
            study_name=f"{file.name}-{revision}",
            storage=journal(workspace.journal),
            sampler=_sampler(file.sampler),
            directions=["minimize"] * len(OBJECTIVES),
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            # Optuna may still change this call; here it only names two columns.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._optuna.set_metric_names(list(OBJECTIVES))
        self._fail_abandoned()
        done = self._optuna.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        self._known = {t.user_attrs[TRIAL] for t in done if TRIAL in t.user_attrs}

    def _fail_abandoned(self) -> None:
        """A run that was killed leaves its proposal RUNNING; nobody will ever tell its result."""
        import optuna

        for trial in self._optuna.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            self._optuna.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def adopt(self, trial: str, params: Mapping[str, Any], values: tuple[float, float]) -> None:
        """Show a measured configuration of the searched space, once."""
        import optuna

        if trial in self._known:
            return
        self._optuna.add_trial(
            optuna.trial.create_trial(
                params={path: _choice(value) for path, value in params.items()},
                distributions={path: _distribution(values) for path, values in self._sweep.items()},
                values=list(values),
                user_attrs={TRIAL: trial},
            )
        )
        self._known.add(trial)

    def ask(self) -> tuple["optuna.Trial", dict[str, Any]]:
        """A proposal: Optuna's handle to tell its result by, and the swept values by path."""
        proposal = self._optuna.ask({path: _distribution(values) for path, values in self._sweep.items()})
        return proposal, {path: _value(self._sweep[path], v) for path, v in proposal.params.items()}

    def tell(self, proposal: "optuna.Trial", trial: str, values: tuple[float, float] | None) -> None:
        """The result of a proposal; None when its work failed."""
        import optuna

        proposal.set_user_attr(TRIAL, trial)
        if values is None:
            self._optuna.tell(proposal, state=optuna.trial.TrialState.FAIL)
        else:
            self._optuna.tell(proposal, values=list(values))
            self._known.add(trial)


def journal(path: Path) -> "optuna.storages.JournalStorage":
    """Optuna's storage on one machine: a file that survives being killed."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))


def _sampler(name: str | None) -> "optuna.samplers.BaseSampler":
    import optuna

    if name == "tpe":
        return optuna.samplers.TPESampler(seed=0)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=0, population_size=16)
    return optuna.samplers.RandomSampler(seed=0)  # never asked: the plan is known


def _distribution(values: Values) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Range):
        return CategoricalDistribution([_choice(v) for v in values])
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log, step=int(values.step or 1))
    return FloatDistribution(values.low, values.high, log=values.log, step=values.step)


def _choice(value: Any) -> Any:
    """Optuna's choices are scalars: a mapping travels as its JSON."""
    return canonical_json(value) if isinstance(value, dict | list) else value


def _value(values: Values, proposed: Any) -> Any:
    return proposed if isinstance(values, Range) else next(v for v in values if _choice(v) == proposed)
