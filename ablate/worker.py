"""One worker of a study: it pulls units of work until there is nothing left that it could do or wait for.

There is no queue and nobody hands out work. Every worker knows the same units from the same plan, and the ledger's
claims decide who does which: first a job whose weights are stored, else a training that nobody is at.
"""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ablate.archive import Archive
from ablate.attempts import TRIES, Attempt, Outcome, refusal
from ablate.errors import InputError, NotFinite, Pruned
from ablate.laboratory import Laboratory, Watch
from ablate.ledger import Claim
from ablate.plan import Trial
from ablate.stopping import Judge
from ablate.terminal import Reporter
from ablate.work import Job, Training, jobs

POLL_S = 0.5  # how soon a worker without work looks again

Propose = Callable[[], Sequence[Trial]]


@dataclass(frozen=True)
class Ending:
    """How an attempt went."""

    outcome: Outcome
    reason: str = ""


class Worker:
    """``propose`` gives further trials once the known ones are done or in other hands; none: the study has them all."""

    def __init__(
        self,
        archive: Archive,
        laboratory: Laboratory,
        reporter: Reporter,
        *,
        propose: Propose,
        tries: int = TRIES,
        on_record: Callable[[], None] = lambda: None,
    ) -> None:
        self._archive = archive
        self._ledger = archive.ledger
        self._laboratory = laboratory
        self._reporter = reporter
        self._propose = propose
        self._tries = tries
        self._on_record = on_record
        self._known: set[str] = set()
        self._jobs: dict[str, Job] = {}
        self._stored: set[str] = set()  # training keys whose weights were seen in the store
        study, rule = archive.study, archive.study.file.prune
        self._judge = None if rule is None else Judge(rule, study.file.baseline, study.constraints)
        self._take(archive.planned_trials())

    def _take(self, trials: Sequence[Trial]) -> bool:
        """Put trials on the list; False when all were there before."""
        new = [trial for trial in trials if trial.name not in self._known]
        done = self._ledger.names() if new else set()
        self._known.update(trial.name for trial in new)
        self._jobs.update({job.unit: job for job in jobs(trial for trial in new if trial.name not in done)})
        return bool(new)

    def work(self) -> None:
        """Pull units until the study is finished, as far as it can be. Raises InputError, StorageError."""
        while True:
            if self._evaluate_one() or self._train_one():
                continue
            if self._take(self._propose()):
                continue
            if not self._jobs:
                return
            time.sleep(POLL_S)

    def _evaluate_one(self) -> bool:
        """Do the first job that is free and has its weights; False when there was none."""
        ready = {key for key in {job.training.key for job in self._jobs.values()} if self._has_weights(key)}
        for unit, job in [(unit, job) for unit, job in self._jobs.items() if job.training.key in ready]:
            claim = self._ledger.claim(unit)
            if claim is None:
                continue
            with claim:
                missing = tuple(trial for trial in job.trials if not self._ledger.has(trial.name))
                del self._jobs[unit]
                if not missing or refusal(claim.history, self._tries):
                    continue
                self._attempt(claim, job.label, partial(self._evaluate, Job(missing), claim.history))
            # One that died or ran out of memory may be tried again.
            self._jobs |= {unit: job} if self._unfinished(unit, missing) else {}
            return True
        return False

    def _unfinished(self, unit: str, trials: Sequence[Trial]) -> bool:
        if all(self._ledger.has(trial.name) for trial in trials):
            return False
        return refusal(self._ledger.histories([unit]).get(unit, []), self._tries) is None

    def _evaluate(self, job: Job, history: Sequence[Attempt]) -> None:
        """Each time that memory did not suffice, half as many windows go through at once."""
        halvings = sum(a.outcome == "out_of_memory" and not a.forgiven for a in history)
        for record in self._laboratory.evaluate(job, halvings):
            if self._ledger.add(record):
                self._reporter.finished(record)
                self._on_record()

    def _train_one(self) -> bool:
        """Train the first weights that are missing and that nobody is at; False when there were none."""
        trainings = {job.training.key: job.training for job in self._jobs.values()}
        for training in trainings.values():
            claim = self._ledger.claim(training.unit)
            if claim is None:
                continue
            with claim:
                if self._has_weights(training.key):
                    return True
                if refusal(claim.history, self._tries):
                    self._jobs = {u: job for u, job in self._jobs.items() if job.training.key != training.key}
                    continue
                self._attempt(claim, training.label, partial(self._train, training, claim))
            return True
        return False

    def _train(self, training: Training, claim: Claim) -> None:
        def tell(done: int, total: int, note: str) -> None:
            claim.progress(done, total, note)
            self._reporter.training(training.label, done, total, note)

        try:
            self._laboratory.train(training, tell, self._watch(training, claim.history))
        finally:
            self._reporter.trained(training.label)

    def _watch(self, training: Training, history: Sequence[Attempt]) -> Watch | None:
        """Who may stop a training; nobody where the study asks for none, or where it was stopped before and somebody
        wants it all the same."""
        judge = self._judge
        if judge is None or any(attempt.outcome == "pruned" for attempt in history):
            return None
        trials = [trial for job in self._jobs.values() if job.training.key == training.key for trial in job.trials]
        seeds = self._archive.study.file.seeds
        siblings = [Training(training.cell, seed).unit for seed in seeds if seed != training.seed]

        def watch(epoch: int, lowest_mm: float) -> None:
            judge.learn(self._ledger.load(judge.unknown(self._archive.names())))
            attempts = [attempt for own in self._ledger.histories(siblings).values() for attempt in own]
            stopped = [a.reason for a in attempts if a.outcome == "pruned" and not a.forgiven]
            reason = judge.reason(trials, epoch, lowest_mm, "".join(stopped[:1]))
            if reason is not None:
                raise Pruned(reason)

        return watch

    def _has_weights(self, key: str) -> bool:
        if key not in self._stored and self._laboratory.store.has(key):
            self._stored.add(key)
        return key in self._stored

    def _attempt(self, claim: Claim, label: str, work: Callable[[], None]) -> None:
        """Do a unit's work and write down how it went; what fails here keeps no other unit from its turn."""
        claim.begin()
        ending = self._ending(work)
        claim.end(ending.outcome, ending.reason)
        if ending.outcome == "pruned":
            self._reporter.note(f"stopped early: {label}: {ending.reason}")
        elif ending.outcome != "done":
            self._reporter.failed(label, ending.reason)

    @staticmethod
    def _ending(work: Callable[[], None]) -> Ending:
        try:
            work()
        except InputError:
            raise
        except NotFinite as error:
            return Ending("failed", str(error))
        except Pruned as error:
            return Ending("pruned", str(error))
        except Exception as error:
            if _lacks_memory(error):
                return Ending("out_of_memory", f"out of memory: {error}")
            place = traceback.extract_tb(error.__traceback__)[-1]
            traceback.print_exception(error)
            return Ending("failed", f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})")
        return Ending("done")


def _lacks_memory(error: Exception) -> bool:
    """torch has a class for a full GPU, and a plain RuntimeError for a full machine."""
    import torch

    full = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return full or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
