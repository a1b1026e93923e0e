"""Optuna carries the search: it proposes configurations, and shows every one that has been measured.

The only part that imports optuna. One Optuna trial is one pair of a configuration and a seed, that is one record, whose
name it carries; RUNNING means proposed and not finished yet, whoever works at it. So nothing here has to be repaired
after a worker was killed: results are told from the records, and a proposal stays open until there is one. Variants
beside the sweep are no part of the searched space and stay out. Everything can be rebuilt from the records.

Callers let one process at a time ``sync`` and ``propose``.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.storages import BaseStorage as BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ablate.canonical import canonical_json
from ablate.design import checked
from ablate.errors import StorageError
from ablate.loading import Study
from ablate.plan import Cell, Trial, cell, sampled_cell
from ablate.quantities import LARGER_IS_BETTER, summary
from ablate.records import Record
from ablate.search.journal import create_tables as create_tables
from ablate.search.journal import optuna_storage as optuna_storage
from ablate.search.journal import release as release
from ablate.search.samplers import make_sampler, quieten
from ablate.search.seen import DRAWN, REASON, REPEATS, TRIAL, Seen, cell_of, seed_of
from ablate.search.space import Space
from ablate.search.verdict import Rejected, judge

Load = Callable[[Iterable[str]], Iterable[Record]]  # records by name

SEARCHED = "ablate.searched"  # on the Optuna study: what was known when the sampler found nothing new
OWN = 8  # proposals in a row without work, until the next are drawn at random: some samplers would repeat themselves
PATIENCE = 100  # the same, until the space counts as searched as far as is known


class Search:
    """One Optuna study for one study's own cells. A changed space, base, objective or bound makes another one: choices
    can't change once a study has begun, and results of another base can't be compared.

    ``cells`` are the planned ones, ``storage`` comes from ``optuna_storage``. Every method raises StorageError where
    that can't be reached.
    """

    def __init__(self, study: Study, cells: Sequence[Cell], storage: BaseStorage) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        own = [c for c in cells if c.group == study.group]
        self._study = study
        self._storage = storage
        self._own = {c.id for c in own}
        self._variants = {c.id: c.label for c in cells if c.group != study.group}
        self._space = Space.of(study, own)
        self._foreign: set[str] = set()  # records that are no result of this search, whatever happens
        first = own[0] if own else cell(study, next(checked(study.file, study.base)))
        bounds = [str(c) for c in study.constraints]
        content = canonical_json([self._space.content, first.id, study.file.objectives, bounds])
        with _reaching():
            revision = hashlib.sha256(content.encode()).hexdigest()[:8]
            self._optuna = _optuna_study(f"{study.name}-{revision}", storage, study.file.objectives)

    def sync(self, names: Iterable[str], load: Load, refused: Mapping[str, str], pruned: Collection[str] = ()) -> None:
        """Bring Optuna in line with what is recorded; calling it again changes nothing.

        ``names`` are the study's records, of which ``load`` reads those that Optuna lacks. ``refused`` are all trials
        that can't be finished as things stand, and why, the ``pruned`` ones among them; one that was refused before and
        isn't named any more is open again.
        """
        with _reaching():
            seen, there = self._look(), set(names)
            new = []
            for record in load(self._lacking(there, seen)):
                if record.name in seen.open:
                    self._finish(seen.open[record.name], record)
                elif (adopted := self._adopted(record)) is not None:
                    new.append(adopted)
                else:
                    self._foreign.add(record.name)
            self._optuna.add_trials(new)
            for trial in seen.stray:
                self._optuna.tell(trial.number, state=TrialState.FAIL)
            for name, trial in seen.open.items():
                if name not in there and (reason := self._refusal(name, refused)):
                    self._close(trial, reason, TrialState.PRUNED if name in pruned else TrialState.FAIL)
            again = [t for name, t in seen.failed.items() if name not in there and name not in refused]
            self._optuna.add_trials([_opened(trial) for trial in again])

    def open(self) -> list[Trial]:
        """Proposals without a result, oldest first."""
        with _reaching():
            return self._trials(self._look().open)

    def unfinished(self) -> list[Trial]:
        """As ``open``, and those that were refused: all that ``sync`` wants to know how they stand."""
        with _reaching():
            seen = self._look()
        return self._trials(seen.open | seen.failed)

    def propose(self) -> Trial | None:
        """Work that the sampler asks for, which is open from now on.

        None when there are as many trials as the study asks for, or when the sampler finds nothing new by what is known
        so far: with no proposal open that is final, else a later result may change it. A configuration gets the first
        of the study's seeds; proposed again, the next one that it lacks. Where the sampler insists on what gives no
        work, the next is drawn at random, and its trial says so.
        """
        with _reaching():
            seen = self._look()
            if self._enough(seen) or self._optuna.user_attrs.get(SEARCHED) == seen.knowledge:
                return None
            name, size = self._optuna.study_name, self._space.size
            full = self._full(seen) if seen.asked + PATIENCE >= size else set()  # else it can't be used up just now
            self._optuna.sampler = make_sampler(self._study.file.sampler, name, seen.asked)
            rejected: list[tuple[optuna.Trial, Rejected]] = []
            try:
                while len(full) < size and len(rejected) < PATIENCE:
                    if len(rejected) == OWN:
                        self._optuna.sampler = make_sampler(None, name, seen.asked)
                    draw = self._optuna.ask(self._space.distributions)
                    verdict = judge(self._study, self._space.values(draw.params), seen, self._variants)
                    if isinstance(verdict, Trial):
                        if len(rejected) >= OWN:
                            draw.set_user_attr(DRAWN, "at random")
                        draw.set_user_attr(TRIAL, verdict.name)
                        return verdict
                    # It stays open for now: samplers keep away from open trials, so the next draw is another.
                    rejected.append((draw, verdict))
                    full.add(self._point(draw.params))
                self._optuna.set_user_attr(SEARCHED, seen.knowledge)
                return None
            finally:
                for draw, why in rejected:
                    self._dismiss(draw, why)

    def shortfall(self) -> str:
        """Why a search that is over has fewer trials than the study asks for; empty when it has them."""
        with _reaching():
            seen = self._look()
        wanted, found = self._study.file.trials or 0, seen.count + seen.pruned
        if found >= wanted:
            return ""
        parts = [f"the search found only {found} different trials of {wanted} asked for"]
        if len(seen.failed) > seen.pruned:
            parts.append(f"{len(seen.failed) - seen.pruned} failed")
        if seen.excluded:
            last = seen.excluded[-1].user_attrs[REASON]
            parts.append(f"{len(seen.excluded)} proposals could not be run (the last: {last})")
        return "; ".join(parts)

    def _trials(self, proposals: Mapping[str, FrozenTrial]) -> list[Trial]:
        """The work that they stand for, as far as the study still asks for it."""
        return [
            Trial(sampled_cell(self._study, self._space.values(trial.params)), seed_of(name))
            for name, trial in proposals.items()
            if seed_of(name) in self._study.file.seeds
        ]

    def _look(self) -> Seen:
        """Read anew each time: another process may have changed any of it."""
        return Seen.of(self._optuna.get_trials(deepcopy=False), self._study.file.seeds)

    def _enough(self, seen: Seen) -> bool:
        """As many trials as are asked for, pruned ones among them; or as many without a result, since more of the same
        would not help."""
        wanted = self._study.file.trials or 0
        return seen.count + seen.pruned + len(seen.open) >= wanted or len(seen.failed) >= wanted

    def _point(self, params: Mapping[str, Any]) -> str:
        return canonical_json(self._space.values(params))

    def _full(self, seen: Seen) -> set[str]:
        """The points of the space that can give no further work."""
        cells = {self._point(t.params): cell_of(name) for name, t in (seen.failed | seen.open | seen.done).items()}
        cells |= {self._point(t.params): t.user_attrs[REPEATS] for t in seen.repeated}
        full = {point for point, own in cells.items() if not seen.seeds_left(own)}
        return full | {self._point(t.params) for t in seen.excluded}

    def _dismiss(self, draw: optuna.Trial, why: Rejected) -> None:
        """Close a proposal that gives no work.

        A repeated one fails rather than taking the stored result: that result is there already, as its own trial, and
        told again it would count twice, so that samplers would crowd around what they know. One over a bound is pruned
        with the bound's excess, from which TPE learns; other samplers learn bounds from the trials that are measured.
        """
        if why.repeats:
            draw.set_user_attr(REPEATS, why.repeats)
        else:
            draw.set_user_attr(REASON, why.reason)
        for bound, excess in why.excess.items():
            draw.set_constraint(bound, excess)
        self._optuna.tell(draw, state=TrialState.PRUNED if why.excess else TrialState.FAIL)

    def _lacking(self, there: set[str], seen: Seen) -> list[str]:
        """The records that Optuna should have and has no result of."""
        missing = there - seen.done.keys() - self._foreign
        return sorted(name for name in missing if cell_of(name) not in self._variants)

    def _refusal(self, name: str, refused: Mapping[str, str]) -> str:
        if seed_of(name) not in self._study.file.seeds:
            return f"seed {seed_of(name)} is no longer asked for"
        return refused.get(name, "")

    def _results(self, record: Record) -> tuple[list[float], dict[str, float]] | None:
        """Objectives, and how far each bound is exceeded; None for a record that lacks one of these numbers."""
        numbers = summary(record)
        objectives, bounds = self._study.file.objectives, self._study.constraints
        if any(name not in numbers for name in (*objectives, *(c.name for c in bounds))):
            return None
        return [numbers[name] for name in objectives], {str(c): c.excess(numbers[c.name]) for c in bounds}

    def _finish(self, trial: FrozenTrial, record: Record) -> None:
        results = self._results(record)
        if results is None:
            self._close(trial, "its record lacks a number that the search goes by")
            return
        handle = self._handle(trial)
        for bound, excess in results[1].items():
            if bound not in trial.constraints:
                handle.set_constraint(bound, excess)
        self._optuna.tell(handle, results[0])

    def _close(self, trial: FrozenTrial, reason: str, state: TrialState = TrialState.FAIL) -> None:
        handle = self._handle(trial)
        handle.set_user_attr(REASON, reason)
        self._optuna.tell(handle, state=state)

    def _handle(self, trial: FrozenTrial) -> optuna.Trial:
        """What an open trial is told by, in whichever process it was asked for."""
        study = self._storage.get_study_id_from_name(self._optuna.study_name)
        return optuna.Trial(self._optuna, self._storage.get_trial_id_from_study_id_trial_number(study, trial.number))

    def _adopted(self, record: Record) -> FrozenTrial | None:
        """A finished record of the searched space as an Optuna trial; None for any other."""
        params, results = self._space.params(record.params), self._results(record)
        if params is None or results is None or not self._owns(record, params):
            return None
        return optuna.trial.create_trial(
            params=params,
            distributions=self._space.distributions,
            values=results[0],
            constraints=results[1],
            user_attrs={TRIAL: record.name},
        )

    def _owns(self, record: Record, params: Mapping[str, Any]) -> bool:
        """Does the study as it stands give this record's configuration for this point?"""
        if self._study.file.sampler is None:
            return record.trial in self._own
        return sampled_cell(self._study, self._space.values(params)).id == record.trial


def _opened(trial: FrozenTrial) -> FrozenTrial:
    """The same proposal once more, without a result yet."""
    return optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={TRIAL: trial.user_attrs[TRIAL]},
        system_attrs=trial.system_attrs,
    )


def _optuna_study(name: str, storage: BaseStorage, objectives: Sequence[str]) -> optuna.Study:
    """Optuna's study of this name, made when it is missing."""
    sampler = make_sampler(None, name, 0)  # each proposal brings its own
    try:
        return optuna.load_study(study_name=name, storage=storage, sampler=sampler)
    except KeyError:
        up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
        directions = [up if name in LARGER_IS_BETTER else down for name in objectives]
        study = optuna.create_study(
            study_name=name, storage=storage, sampler=sampler, directions=directions, load_if_exists=True
        )
        quieten("set_metric_names")
        study.set_metric_names(list(objectives))
        return study


@contextmanager
def _reaching() -> Iterator[None]:
    """Tells a storage that can't be reached as what it is."""
    try:
        yield
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        raise StorageError(f"the search can't reach its storage: {str(error).splitlines()[0]}") from error
