"""Studies whose truth is known, put through the functions that reports use: how often is what they say true?

    python -m tests.statistics.simulate [studies]

prints a table. A study has 5 subjects with 20 recordings each. A recording's difficulty (SD 8 mm) is shared by all
configurations. Two readings of the other spreads are tried: subject effects (0.1 mm) and seeds (0.3 mm) of

* a difference of two configurations, as the differences' table shows it;
* each configuration by itself, so that a difference has the square root of two of it. It is the harder one: with every
  variance known, the 0.5 mm effect stands 3.4 standard errors from nil at 10 seeds, so that no honest test at 5 % finds
  it in more than 92 % of studies, and none that corrects for three rows in more than 84 %.

Legend: L configurations, S seeds, R recordings, U subjects.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ablate.statistics.differences import against, best
from ablate.statistics.layout import SUBJECTS
from ablate.statistics.samples import Samples

STUDIES = 500
RECORDING_SD, SUBJECT_SD, SEED_SD = 8.0, 0.1, 0.3  # mm


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true. The first configuration is the baseline; ``effects`` are mm above a common level. Spreads are of
    each configuration by itself: divide by the square root of two what is meant of a difference.

    ``rest_sd`` is noise of each recording, seed and configuration, ``unstable`` multiplies the last configuration's
    seed spread. ``sizes`` are the subjects' numbers of recordings. ``missing`` is the share of pairs of a configuration
    and a seed that lack a record. ``together``: all configurations have the same weights at each seed.
    """

    effects: tuple[float, ...] = (0.0, 0.0, 0.05, 0.5)
    seeds: int = 3
    sizes: tuple[int, ...] = (20, 20, 20, 20, 20)
    subject_sd: float = SUBJECT_SD
    seed_sd: float = SEED_SD
    rest_sd: float = 0.0
    unstable: float = 1.0
    missing: float = 0.0
    together: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple("abcdefghijklmnopqrstuvwxyz"[: len(self.effects)])


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of studies, or of all their differences against the baseline. ``covered``: the 95 % interval holds the
    truth, also by effect. ``false_bold``: something is not bold though it is as good as the lowest. Of the differences
    with the largest effect: ``found`` by its interval, which leaves out nil; ``found_holm`` by the corrected p;
    ``found_bold`` by the marks. ``wrong``: an effect of nil with a corrected p below 5 %."""

    covered: float
    covered_by_effect: dict[float, float]
    false_bold: float
    found: float
    found_holm: float
    found_bold: float
    wrong: float


def study(world: World, rng: np.random.Generator) -> tuple[Samples, np.ndarray]:
    """One study's samples, and the true errors (L,) that its differences are to be compared with: with fewer than four
    subjects those of these subjects."""
    count, subject_R = len(world.effects), np.repeat(np.arange(len(world.sizes)), world.sizes)
    level_R = 40 + rng.normal(0, RECORDING_SD, len(subject_R))
    subject_LU = rng.normal(0, world.subject_sd, (count, len(world.sizes)))
    spread_L = np.full(count, world.seed_sd) * np.append(np.ones(count - 1), world.unstable)
    seed_LS = rng.normal(0, 1, (count, world.seeds)) * spread_L[:, None]
    error_LSR = level_R + np.array(world.effects)[:, None, None] + subject_LU[:, None, subject_R] + seed_LS[:, :, None]
    if world.rest_sd:
        error_LSR = error_LSR + rng.normal(0, world.rest_sd, error_LSR.shape)
    if world.missing:
        error_LSR[rng.random((count, world.seeds)) < world.missing] = np.nan
    truth_L = np.array(world.effects)
    if len(world.sizes) < SUBJECTS:
        truth_L = truth_L + subject_LU[:, subject_R].mean(axis=1)
    keys = [[f"seed {s}" if world.together else f"{label} {s}" for s in range(world.seeds)] for label in world.labels]
    samples = Samples(
        labels=world.labels,
        seeds=tuple(range(world.seeds)),
        error_LSR=error_LSR,
        subject_R=tuple(f"S{subject}" for subject in subject_R),
        action_R=("walk",) * len(subject_R),
        weight_R=np.ones(len(subject_R)),
        training_LS=np.array(keys, np.str_),
    )
    return samples, truth_L


def rates(world: World, studies: int = STUDIES, seed: int = 0) -> Rates:
    """What comes of so many studies of one world."""
    rng = np.random.default_rng(seed)
    effect_C = np.array(world.effects[1:]) - world.effects[0]
    large = int(np.argmax(np.abs(effect_C)))
    held, holm, false, marked = [], [], 0, 0
    for _ in range(studies):
        samples, truth_L = study(world, rng)
        found = list(against(samples, world.labels[0]).values())
        true_C = truth_L[1:] - truth_L[0]
        held.append([d.low <= true <= d.high if d.known else math.nan for d, true in zip(found, true_C, strict=True)])
        holm.append([(d.p, d.p_holm) for d in found])
        bold = best(samples)
        kept = np.array([label in bold for label in world.labels])
        lowest = int(np.nanargmin(np.nanmean(samples.mean_LS, axis=1)))
        false += bool(bold and (truth_L[~kept] <= truth_L[lowest]).any())
        marked += bool(bold and kept[0] != kept[1 + large])
    held_NC, p_NC, holm_NC = np.array(held), *np.moveaxis(np.array(holm), 2, 0)
    nil_C = effect_C == 0
    return Rates(
        covered=share(held_NC),
        covered_by_effect={float(e): share(held_NC[:, effect_C == e]) for e in np.unique(effect_C)},
        false_bold=false / studies,
        found=float((p_NC[:, large] < 0.05).mean()),
        found_holm=float((holm_NC[:, large] < 0.05).mean()),
        found_bold=marked / studies,
        wrong=float((holm_NC[:, nil_C] < 0.05).any(axis=1).mean()) if nil_C.any() else math.nan,
    )


def share(held: np.ndarray) -> float:
    """How many of those that are known are true; NaN where none is."""
    known = held[np.isfinite(held)]
    return float(known.mean()) if known.size else math.nan


def of_difference(world: World) -> World:
    """The same world with its spreads read as those of differences."""
    half = math.sqrt(0.5)
    return replace(world, subject_sd=world.subject_sd * half, seed_sd=world.seed_sd * half)


def worlds() -> Iterator[tuple[str, World]]:
    """Every case of the table."""
    for name, read in (("of a difference", of_difference), ("of a configuration", lambda world: world)):
        for seeds in (3, 5, 10):
            yield f"{name}, {seeds} seeds", read(World(seeds=seeds))
    plain = of_difference(World())
    yield "gains instead of losses, 10 seeds", replace(plain, seeds=10, effects=(0.0, 0.0, -0.05, -0.5))
    yield "four alike", replace(plain, effects=(0.0,) * 4)
    yield "twelve alike", replace(plain, effects=(0.0,) * 12)
    yield "noise in each recording (2 mm)", replace(plain, rest_sd=2.0)
    yield "same weights", replace(plain, together=True)
    yield "same weights, twelve alike", replace(plain, together=True, effects=(0.0,) * 12)
    yield "two subjects", replace(plain, sizes=(20, 20), rest_sd=2.0)
    yield "one subject", replace(plain, sizes=(40,), rest_sd=2.0)
    yield "unequal subjects", replace(plain, sizes=(50, 20, 10, 10, 5), seeds=5)
    yield "a fifth of the records missing", replace(plain, seeds=5, missing=0.2)
    yield "no seed noise", replace(plain, seed_sd=0.0)
    yield "two seeds", replace(plain, seeds=2)
    yield "one unstable (four times)", replace(plain, unstable=4.0, seeds=5)
    yield "no effect of subjects", replace(plain, subject_sd=0.0)


def table(studies: int = STUDIES) -> str:
    """All cases as Markdown."""
    heads = ("world", "covered", "by effect", "false bold", "found", "by Holm", "by bold", "wrong by Holm")
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for name, world in worlds():
        r = rates(world, studies)
        by = ", ".join(f"{effect:g}: {share:.1%}" for effect, share in r.covered_by_effect.items())
        shares = (r.false_bold, r.found, r.found_holm, r.found_bold, r.wrong)
        lines.append(f"| {name} | {r.covered:.1%} | {by} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    print(table(int(arguments[0]) if arguments else STUDIES))


if __name__ == "__main__":
    main(sys.argv[1:])
