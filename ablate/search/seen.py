"""What an Optuna study holds, by what each of its trials stands for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from optuna.trial import FrozenTrial, TrialState

TRIAL = "ablate.trial"  # on an Optuna trial: the name of its record
REASON = "ablate.reason"  # why it has no result, and never will
DRAWN = "ablate.drawn"  # how it was found, where the sampler's own proposals gave no work
REPEATS = "ablate.repeats"  # the configuration that it proposed once more, when no seed was left


def cell_of(name: str) -> str:
    """A record's configuration."""
    return name.rpartition("-s")[0]


def seed_of(name: str) -> int:
    """A record's seed."""
    return int(name.rpartition("-s")[2])


@dataclass
class Seen:
    """Optuna's trials in one read. Those that stand for a record are found by its name; ``stray`` were asked for by a
    process that died before it named them, ``excluded`` can't be run, ``repeated`` gave no new work."""

    seeds: Sequence[int]
    asked: int = 0
    done: dict[str, FrozenTrial] = field(default_factory=dict)
    open: dict[str, FrozenTrial] = field(default_factory=dict)
    failed: dict[str, FrozenTrial] = field(default_factory=dict)
    stray: list[FrozenTrial] = field(default_factory=list)
    excluded: list[FrozenTrial] = field(default_factory=list)
    repeated: list[FrozenTrial] = field(default_factory=list)

    @classmethod
    def of(cls, trials: Iterable[FrozenTrial], seeds: Sequence[int]) -> "Seen":
        seen = cls(seeds)
        for trial in trials:
            seen.asked += 1
            name = trial.user_attrs.get(TRIAL)
            if name is not None and trial.state == TrialState.COMPLETE:
                seen.done[name] = trial
            elif name is not None:
                (seen.open if trial.state == TrialState.RUNNING else seen.failed)[name] = trial
            elif trial.state == TrialState.RUNNING:
                seen.stray.append(trial)
            elif REPEATS in trial.user_attrs:
                seen.repeated.append(trial)
            elif REASON in trial.user_attrs:
                seen.excluded.append(trial)
        # One that failed may have been opened again, as another trial of the same name; and one that was given up for
        # its seed says nothing about its configuration.
        over = seen.done.keys() | seen.open.keys()
        seen.failed = {name: t for name, t in seen.failed.items() if name not in over and seed_of(name) in seeds}
        return seen

    @property
    def count(self) -> int:
        """Finished trials of the study's seeds."""
        return sum(seed_of(name) in self.seeds for name in self.done)

    @property
    def pruned(self) -> int:
        """Trials of the study's seeds whose training was stopped early: tried, but without a result."""
        return sum(trial.state == TrialState.PRUNED for trial in self.failed.values())

    @property
    def knowledge(self) -> str:
        """What the sampler's next proposals depend on, besides chance."""
        return f"{len(self.done)} done, {len(self.failed)} failed, seeds {list(self.seeds)}"

    @cached_property
    def failed_cells(self) -> set[str]:
        return {cell_of(name) for name in self.failed}

    def seeds_left(self, cell: str) -> list[int]:
        """The seeds that a configuration lacks; none for one that failed, as it would with another seed."""
        if cell in self.failed_cells:
            return []
        names = {seed: f"{cell}-s{seed}" for seed in self.seeds}
        return [seed for seed, name in names.items() if name not in self.done and name not in self.open]
