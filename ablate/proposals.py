"""A study's search joined to its records: what is recorded is told to Optuna, what Optuna proposes becomes trials."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ablate.archive import Archive
from ablate.attempts import TRIES
from ablate.plan import Trial
from ablate.standing import Standing, given_up, standings
from ablate.storage import Storage
from ablate.workspace import Workspace

if TYPE_CHECKING:
    from ablate.search import BaseStorage, Search

PAUSE_S = 0.05  # between two looks whether another process is done with the search


class Proposals:
    """For one thread of one process; the processes of a study take turns. Raises StorageError."""

    def __init__(self, archive: Archive, workspace: Workspace, tries: int = TRIES) -> None:
        self._archive = archive
        self._workspace = workspace
        self._tries = tries
        self._storage: BaseStorage | None = None
        self._search: Search | None = None
        self._given: set[str] = set()

    def sync(self) -> None:
        """Bring Optuna in line with the records."""
        with self._turn() as search:
            self._sync(search)

    def more(self) -> list[Trial]:
        """Trials that a sampler asks for and that weren't given before; none where nothing is left to ask."""
        if self._archive.study.file.sampler is None:
            return []
        with self._turn() as search:
            self._sync(search)
            new = [trial for trial in search.open() if trial.name not in self._given]
            if not new:
                proposed = search.propose()
                new = [] if proposed is None else [proposed]
        self._given.update(trial.name for trial in new)
        return new

    def known_trials(self) -> list[Trial]:
        """Every trial of the study that is known by now: the planned ones, and all that was proposed."""
        planned = list(self._archive.planned_trials())
        if self._archive.study.file.sampler is None:
            return planned
        with self._turn() as search:
            return [*planned, *self._archive.sampled_trials(), *search.unfinished()]

    def pruned(self) -> list[Standing]:
        """The trials whose training was stopped early; none where the study as it stands asks for no such thing."""
        if self._archive.study.file.prune is None:
            return []
        over = given_up(self.known_trials(), self._archive.ledger, self._tries)
        return [standing for standing in over if standing.state == "pruned"]

    def shortfall(self) -> str:
        """Why a search that is over has fewer trials than the study asks for; empty when it has them."""
        if self._archive.study.file.sampler is None:
            return ""
        with self._turn() as search:
            return search.shortfall()

    @contextmanager
    def _turn(self) -> Iterator["Search"]:
        from ablate.search import Search, optuna_storage, release

        while (claim := self._archive.ledger.claim("search")) is None:
            time.sleep(PAUSE_S)
        with claim:
            if self._storage is None:
                at = self._workspace.storage
                self._storage = optuna_storage(self._workspace.journal if at is None else Storage.parse(at).search_url)
            try:
                if self._search is None:
                    self._search = Search(self._archive.study, self._archive.cells, self._storage)
                yield self._search
            finally:
                release(self._storage)  # the next turn may be hours away

    def _sync(self, search: "Search") -> None:
        names = self._archive.names()
        found = standings(search.unfinished(), self._archive.ledger, self._tries)
        refused = {s.trial.name: s.reason for s in found if s.state in ("failed", "pruned")}
        pruned = {s.trial.name for s in found if s.state == "pruned"}
        search.sync(names, self._archive.ledger.load, refused, pruned)
