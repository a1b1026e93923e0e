"""Optuna's samplers by the names that a study's file gives them."""

import warnings

import optuna
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from ablate.seeds import stream

POPULATION = 16  # of the genetic samplers: several generations fit into the tens of trials that a study can afford


def make_sampler(name: str | None, search: str, asked: int) -> BaseSampler:
    """The sampler for the next proposal of ``search``, which has asked for so many before; None draws at random.

    Its random state has that address, so that the same search goes on alike in whichever process, and no two processes
    ask the same twice.
    """
    seed = int(stream(0, "search", search, asked).integers(2**32))
    if name == "tpe":
        return TPESampler(seed=seed)
    if name == "gp":
        return GPSampler(seed=seed)
    if name == "nsga2":
        return NSGAIISampler(seed=seed, population_size=POPULATION)
    quieten("NSGAIIISampler", "QMCSampler")
    if name == "nsga3":
        return NSGAIIISampler(seed=seed, population_size=POPULATION)
    if name == "qmc":
        # One sequence a search: Optuna counts in its storage how far it is, and the seed must stay.
        constant = int(stream(0, "search", search).integers(2**32))
        return QMCSampler(seed=constant, scramble=True, independent_sampler=RandomSampler(seed=seed))
    return RandomSampler(seed=seed)


def quieten(*names: str) -> None:
    """Optuna may still change these; the tests will tell."""
    message = rf".*\b({'|'.join(names)}) is experimental"
    warnings.filterwarnings("ignore", message, optuna.exceptions.ExperimentalWarning)
