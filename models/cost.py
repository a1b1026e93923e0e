"""Compute and size of a lifter in closed form, from its config alone: instant, and no torch.

One MAC is one multiplication and addition of a matrix product, attention included (half of torch's FLOPs). What isn't
a matrix product (norms, softmax, interpolation, gathering) counts as nothing, as in every counter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from models.beside import MIXSTE, Beside
from models.branch import Branch
from models.config import JOINTS, Host
from models.memory import activation_mb
from models.pruning.config import Pruning, by_tokens
from models.pruning.elastic import Elastic, counts, dense, policies, subsets, trained
from models.pruning.schedule import at_steps
from models.sampling import Flip, passes

STAGES = ("embedding", "dense_pairs", "selection", "tcep_pairs", "mgptp_pairs", "recovery", "head")
KINDS = ("linear", "attention", "other")

Term = tuple[str, str, float]
Chances = Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """GMACs and millions of parameters.

    ``stages``: one pass of one hypothesis by stage (pairs before TCEP, from it on, and from MGPTP on) and kind, at the
    configured counts as ``pass_gmacs`` is; a schedule over the steps enters into ``inference_gmacs`` alone, and into
    ``inference_stages``, its parts by stage (empty where a cost from elsewhere doesn't tell). ``training_gmacs``: the
    forward pass of one training sample, expected over the training mode. ``inference_gmacs``: one window at the asked
    H, K and flip, including ``window_gmacs``, the part of its selection that all its passes share. ``kept_frames``: how
    many frames the last pair works on. ``activation_mb``: MB (1e6 bytes, float32) that one training sample keeps for
    its backward pass at those counts (see models/memory.py); a step of elastic training keeps up to what the dense host
    does.
    """

    stages: dict[str, dict[str, float]]
    pass_gmacs: float
    window_gmacs: float
    training_gmacs: float
    inference_gmacs: float
    params_m: float
    kept_frames: int
    activation_mb: float
    inference_stages: Mapping[str, float] = field(default_factory=dict)


def cost(
    config: Host,
    *,
    hypotheses: int = 1,
    steps: int = 1,
    flip: Flip = False,
    elastic: Elastic | None = None,
    branch: Branch | None = None,
    beside: Beside = MIXSTE,
) -> Cost:
    """What ``config`` costs; with ``elastic``, ``training_gmacs`` is the expectation over its draws."""
    at_test = list(_pass(config, config.pruning, beside))
    total, window = _sum(at_test), _selection(config, config.pruning)
    taken = _passes(config, passes(hypotheses, steps, flip, branch))
    training = total + window
    if elastic is not None and config.pruning is not None:
        # the weights know nothing of this config's counts
        choices = subsets(trained(config.pruning, elastic), elastic)
        undropped = sum(
            _sum(_pass(config, dense(stages), beside)) + _selection(config, dense(stages)) for stages in choices
        )
        pruned = sum(_step(config, stages, elastic, beside) for stages in choices)
        training = (elastic.dense_share * undropped + (1 - elastic.dense_share) * pruned) / len(choices)
    table = {stage: dict.fromkeys(KINDS, 0.0) for stage in STAGES}
    for stage, kind, macs in at_test:
        table[stage][kind] += macs / 1e9
    return Cost(
        stages=table,
        pass_gmacs=total / 1e9,
        window_gmacs=window / 1e9,
        training_gmacs=training / 1e9,
        inference_gmacs=(window + sum(count * _sum(_pass(config, by, beside)) for by, count in taken.items())) / 1e9,
        params_m=(_parameters(config) + beside.parameters(config)) / 1e6,
        kept_frames=next(iter(_certain(config, config.pruning or Pruning()).mgptp)),
        activation_mb=activation_mb(config, beside.kept),
        inference_stages=_by_stage(config, taken, beside),
    )


def _passes(config: Host, passes_K: tuple[int, ...]) -> dict[Pruning, int]:
    """How many passes a window takes at the counts of each step's pruning, so many in each step."""
    each = at_steps(config.pruning or Pruning(), config.frames, len(passes_K))
    taken: dict[Pruning, int] = {}
    for pruning, count in zip(each, passes_K, strict=True):
        taken[pruning] = taken.get(pruning, 0) + count
    return taken


def _by_stage(config: Host, passes: Mapping[Pruning, int], beside: Beside) -> dict[str, float]:
    """GMACs of all these passes of a window and of what they share."""
    found = dict.fromkeys(STAGES, 0.0) | {"selection": _selection(config, config.pruning) / 1e9}
    for pruning, count in passes.items():
        for stage, _, macs in _pass(config, pruning, beside):
            found[stage] += count * macs / 1e9
    return found


def _step(config: Host, pruning: Pruning, elastic: Elastic, beside: Beside) -> float:
    """MACs of a training step that prunes with these stages, expected over the counts and policies it draws."""
    passed = _sum(_pass(config, pruning, beside, _drawn(config, pruning, elastic)))
    chosen = sum(_selection(config, drawn) for drawn in policies(pruning, elastic)) / len(elastic.policies)
    return passed + chosen


def _sum(terms: Iterable[Term]) -> float:
    return sum(macs for _, _, macs in terms)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """How probable each number of frames is after TCEP and after MGPTP, and that so many tokens are compared by MGPTP;
    ``chosen``: MACs by kind of a policy that looks at tokens."""

    tcep: Chances
    mgptp: Chances
    compared: Chances = field(default_factory=dict)
    chosen: Mapping[str, float] = field(default_factory=dict)


def _certain(config: Host, pruning: Pruning) -> _Kept:
    """The config's own counts."""
    kept, clusters = pruning.kept(config.frames)
    compares = pruning.mgptp is not None and pruning.mgptp.compares_tokens and clusters < kept
    return _Kept(
        tcep={kept: 1.0},
        mgptp={clusters: 1.0},
        compared={kept: 1.0} if compares else {},
        chosen=_choosing(config, pruning) if kept < config.frames else {},
    )


def _drawn(config: Host, pruning: Pruning, elastic: Elastic) -> _Kept:
    """How probable each count is in a step of ``elastic`` that prunes."""
    kept: dict[int, float] = {}
    clusters: dict[int, float] = {}
    compared: dict[int, float] = {}
    chosen: dict[str, float] = {}
    stages = list(policies(pruning, elastic))
    comparing = sum(drawn.mgptp is not None and drawn.mgptp.compares_tokens for drawn in stages) / len(stages)
    for chance, first, second in counts(pruning, elastic, config.frames):
        kept[first] = kept.get(first, 0.0) + chance
        clusters[second] = clusters.get(second, 0.0) + chance
        if second < first:
            compared[first] = compared.get(first, 0.0) + chance * comparing
    choosing = (1 - kept.get(config.frames, 0.0)) / len(stages)
    for drawn in stages:
        for kind, macs in _choosing(config, drawn).items():
            chosen[kind] = chosen.get(kind, 0.0) + choosing * macs
    return _Kept(tcep=kept, mgptp=clusters, compared=compared, chosen=chosen)


def _choosing(config: Host, pruning: Pruning) -> Mapping[str, float]:
    """MACs of choosing TCEP's frames by tokens, in every pass."""
    policy = None if pruning.tcep is None else by_tokens(pruning.tcep.policy)
    return {} if policy is None else policy.macs(config.frames, config.width)


def _pass(config: Host, pruning: Pruning | None, beside: Beside, counted: _Kept | None = None) -> Iterator[Term]:
    """(stage, kind, MACs) of one pass of one hypothesis; ``counted`` says how many frames there are, by default the
    config's own counts."""
    frames, width, pruning = config.frames, config.width, pruning or Pruning()
    kept = counted or _certain(config, pruning)
    tcep, mgptp = pruning.tcep, pruning.mgptp
    yield "embedding", "linear", (2 + config.channels) * width * frames * JOINTS
    if config.channels:
        yield "embedding", "linear", 4 * width**2
    yield from (("embedding", kind, macs) for kind, macs in beside.tokens(config).items())
    for pair in range(config.depth):
        stage, left = "dense_pairs", {frames: 1.0}
        if mgptp is not None and pair >= mgptp.before_pair:
            stage, left = "mgptp_pairs", dict(kept.mgptp)
        elif tcep is not None and pair >= tcep.before_pair:
            stage, left = "tcep_pairs", dict(kept.tcep)
        for count, chance in left.items():
            seen = count if pruning.sft is not None else frames
            terms = [*_pair(config, count, seen), *beside.pair(config, pair, count, seen).items()]
            yield from ((stage, kind, chance * macs) for kind, macs in terms)
    yield from (("selection", kind, macs) for kind, macs in kept.chosen.items())
    yield from (("selection", "other", chance * count**2 * width) for count, chance in kept.compared.items())
    if pruning.recovers_by_attention:
        for count, chance in kept.mgptp.items():
            yield "recovery", "linear", chance * 2 * width**2 * (frames + count) * JOINTS
            yield "recovery", "attention", chance * 2 * width * JOINTS * frames * count
    yield "head", "linear", 3 * width * frames * JOINTS


def _pair(config: Host, count: int, seen: int) -> Iterator[tuple[str, float]]:
    """One pair on ``count`` frames, whose temporal attention also sees others, ``seen`` in all."""
    width, tokens = config.width, count * JOINTS
    mlp = 2 * width * config.hidden * tokens
    yield "linear", 4 * width**2 * tokens + mlp
    yield "attention", 2 * width * count * JOINTS**2
    yield "linear", 2 * width**2 * (tokens + seen * JOINTS) + mlp
    yield "attention", 2 * width * JOINTS * count * seen


def _selection(config: Host, pruning: Pruning | None) -> float:
    """MACs of comparing all frames of a window with each other, once for all its passes (descriptors of 4 J values)."""
    return config.frames**2 * 4 * JOINTS if pruning is not None and pruning.compares_frames(config.frames) else 0


def _parameters(config: Host) -> int:
    width, hidden = config.width, config.hidden
    norm, square = 2 * width, width**2 + width
    block = 2 * norm + 4 * square + 2 * width * hidden + hidden + width
    embeddings = (3 + config.channels) * width + (JOINTS + config.frames) * width
    time = 4 * width**2 + 3 * width if config.channels else 0
    head = norm + 3 * width + 3
    pruning = 0
    if config.pruning is not None:
        pruning = config.pruning.places(config.frames) * width
        if config.pruning.recovers_by_attention:
            pruning += config.pruning.queries(config.frames) * width + 4 * square
    return embeddings + time + 2 * config.depth * block + 2 * norm + head + pruning
