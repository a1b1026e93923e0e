"""Compute and size of a lifter in closed form, from its config alone: instant, and no torch.

One MAC is one multiplication and addition of a matrix product, attention included (half of torch's FLOPs). What isn't
a matrix product (norms, softmax, interpolation, gathering) counts as nothing, as in every counter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from models.config import D3DP, JOINTS, Elastic, Pruning, without_counts
from models.pruning.elastic import counts, policies

STAGES = ("embedding", "dense_pairs", "selection", "pruned_pairs", "recovery", "head")
KINDS = ("linear", "attention", "other")

Term = tuple[str, str, float]
Chances = Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """GMACs and millions of parameters.

    ``stages``: one pass of one hypothesis by stage and kind. ``training_gmacs``: the forward pass of one training
    sample, expected over the training mode. ``inference_gmacs``: one window at the asked H, K and flip, including
    ``window_gmacs``, which all its passes share.
    """

    stages: dict[str, dict[str, float]]
    pass_gmacs: float
    window_gmacs: float
    training_gmacs: float
    inference_gmacs: float
    params_m: float


def cost(
    config: D3DP, *, hypotheses: int = 1, steps: int = 1, flip: bool = False, elastic: Elastic | None = None
) -> Cost:
    """What ``config`` costs; with ``elastic``, ``training_gmacs`` is the expectation over its draws."""
    passes = hypotheses * steps * (2 if flip else 1)
    at_test = list(_pass(config, config.pruning))
    total, window = _sum(at_test), _selection(config, config.pruning)
    training = total + window
    if elastic is not None and config.pruning is not None:
        dense = _sum(_pass(config, None))
        pruned = _sum(_pass(config, config.pruning, *_expected_counts(config, config.pruning, elastic)))
        drawn = policies(without_counts(config.pruning), elastic)  # the weights know nothing of this config's counts
        pruned += sum(_selection(config, pruning) for pruning in drawn) / len(elastic.policies)
        training = elastic.dense_share * dense + (1 - elastic.dense_share) * pruned
    table = {stage: dict.fromkeys(KINDS, 0.0) for stage in STAGES}
    for stage, kind, macs in at_test:
        table[stage][kind] += macs / 1e9
    return Cost(
        stages=table,
        pass_gmacs=total / 1e9,
        window_gmacs=window / 1e9,
        training_gmacs=training / 1e9,
        inference_gmacs=(window + passes * total) / 1e9,
        params_m=_parameters(config) / 1e6,
    )


def _sum(terms: Iterable[Term]) -> float:
    return sum(macs for _, _, macs in terms)


def _pass(
    config: D3DP,
    pruning: Pruning | None,
    kept: Chances | None = None,
    clusters: Chances | None = None,
    compared: Chances | None = None,
) -> Iterator[Term]:
    """(stage, kind, MACs) of one pass of one hypothesis.

    The counts may be spread: ``kept`` and ``clusters`` say how probable each number of frames is after TCEP and MGPTP,
    ``compared`` how probable it is that so many tokens are compared to be clustered; by default they are the config's.
    """
    frames, width, pruning = config.frames, config.width, pruning or Pruning()
    tcep, mgptp = pruning.tcep, pruning.mgptp
    kept = kept or {frames if tcep is None else tcep.count(frames): 1.0}
    clusters = clusters or (kept if mgptp is None else {mgptp.count(frames): 1.0})
    yield "embedding", "linear", 5 * width * frames * JOINTS + 4 * width**2
    for pair in range(config.depth):
        stage, left = "dense_pairs", {frames: 1.0}
        if mgptp is not None and pair >= mgptp.before_pair:
            stage, left = "pruned_pairs", dict(clusters)
        elif tcep is not None and pair >= tcep.before_pair:
            stage, left = "pruned_pairs", dict(kept)
        for count, chance in left.items():
            seen = count if pruning.sft is not None else frames
            yield from ((stage, kind, chance * macs) for kind, macs in _pair(config, count, seen))
    if compared is None:
        by_tokens = mgptp is not None and mgptp.compares_tokens
        compared = {count: 1.0 for count in kept if by_tokens and count not in clusters}
    for count, chance in compared.items():
        yield "selection", "other", chance * count**2 * width
    if pruning.recovers_by_attention:
        for count, chance in clusters.items():
            linear = width**2 * (frames + 2 * count * JOINTS + frames * JOINTS)
            yield "recovery", "linear", chance * linear
            yield "recovery", "attention", chance * 2 * width * JOINTS * frames * count
    yield "head", "linear", 3 * width * frames * JOINTS


def _pair(config: D3DP, count: int, seen: int) -> Iterator[tuple[str, float]]:
    """One pair on ``count`` frames, whose temporal attention also sees others, ``seen`` in all."""
    width, tokens = config.width, count * JOINTS
    mlp = 2 * width * config.hidden * tokens
    yield "linear", 4 * width**2 * tokens + mlp
    yield "attention", 2 * width * count * JOINTS**2
    yield "linear", 2 * width**2 * (tokens + seen * JOINTS) + mlp
    yield "attention", 2 * width * JOINTS * count * seen


def _selection(config: D3DP, pruning: Pruning | None) -> float:
    """MACs of comparing all frames of a window with each other, once for all its passes (descriptors of 4 J values)."""
    return config.frames**2 * 4 * JOINTS if pruning is not None and pruning.compares_frames(config.frames) else 0


def _expected_counts(config: D3DP, pruning: Pruning, elastic: Elastic) -> tuple[Chances, Chances, Chances]:
    """How probable each count is in a step of ``elastic`` that prunes: after TCEP, after MGPTP, where they differ."""
    kept: dict[int, float] = {}
    clusters: dict[int, float] = {}
    compared: dict[int, float] = {}
    stages = [drawn.mgptp for drawn in policies(pruning, elastic)]
    comparing = sum(stage is not None and stage.compares_tokens for stage in stages) / len(stages)
    for chance, first, second in counts(pruning, elastic, config.frames):
        kept[first] = kept.get(first, 0.0) + chance
        clusters[second] = clusters.get(second, 0.0) + chance
        if second < first:
            compared[first] = compared.get(first, 0.0) + chance * comparing
    return kept, clusters, compared


def _parameters(config: D3DP) -> int:
    width, hidden = config.width, config.hidden
    norm, square = 2 * width, width**2 + width
    block = 2 * norm + 4 * square + 2 * width * hidden + hidden + width
    embeddings = 6 * width + (JOINTS + config.frames) * width
    time = 4 * width**2 + 3 * width
    head = norm + 3 * width + 3
    recovery = 0
    if config.pruning is not None and config.pruning.recovers_by_attention:
        recovery = config.frames * width + norm + 4 * square
    return embeddings + time + 2 * config.depth * block + 2 * norm + head + recovery
