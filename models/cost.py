"""Compute and size of a lifter in closed form, from its config alone: instant, and no torch.

One MAC is one multiplication and addition of a matrix product, attention included (half of torch's FLOPs). What isn't
a matrix product (norms, softmax, interpolation, gathering) counts as nothing, as in every counter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from models.branch import Branch, running
from models.config import JOINTS, Host
from models.memory import Kept, activation_mb
from models.pruning.config import Pruning, by_tokens
from models.pruning.elastic import Elastic, counts, dense, policies, subsets, trained
from models.pruning.schedule import at_steps

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


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What a host's network has beside MixSTE's layers; by default nothing.

    ``tokens``: MACs by kind of what comes before the first pair. ``pair``: those of a pair, by its number, on so many
    frames that see so many. ``parameters``: how many more there are. ``kept``: how many values more such a pair keeps
    for the backward pass of one sample; what the layers before the first pair keep belongs to pair 0.
    """

    tokens: Callable[[Host], Mapping[str, float]] = lambda config: {}
    pair: Callable[[Host, int, int, int], Mapping[str, float]] = lambda config, pair, count, seen: {}
    parameters: Callable[[Host], int] = lambda config: 0
    kept: Kept = lambda config, pair, count, seen: 0


MIXSTE = Beside()


def cost(
    config: Host,
    *,
    hypotheses: int = 1,
    steps: int = 1,
    flip: bool = False,
    elastic: Elastic | None = None,
    branch: Branch | None = None,
    beside: Beside = MIXSTE,
) -> Cost:
    """What ``config`` costs; with ``elastic``, ``training_gmacs`` is the expectation over its draws."""
    at_test = list(_pass(config, config.pruning, beside))
    total, window = _sum(at_test), _selection(config, config.pruning)
    passes = _passes(config, running(branch, hypotheses, steps), flip)
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
        inference_gmacs=(window + sum(count * _sum(_pass(config, by, beside)) for by, count in passes.items())) / 1e9,
        params_m=(_parameters(config) + beside.parameters(config)) / 1e6,
        kept_frames=next(iter(_certain(config, config.pruning or Pruning()).mgptp)),
        activation_mb=activation_mb(config, beside.kept),
        inference_stages=_by_stage(config, passes, beside),
    )


def _passes(config: Host, hypotheses: tuple[int, ...], flip: bool) -> dict[Pruning, int]:
    """How many passes a window takes at the counts of each step's pruning, so many ``hypotheses`` in each step."""
    each = at_steps(config.pruning or Pruning(), config.frames, len(hypotheses))
    passes: dict[Pruning, int] = {}
    for pruning, count in zip(each, hypotheses, strict=True):
        passes[pruning] = passes.get(pruning, 0) + count * (2 if flip else 1)
    return passes


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


def _graph_parameters(nodes: int, inner: int, width: int) -> int:
    """Of KTPFormer's graph convolution: two matrices, each node's scales, the learned links, batch norm."""
    return 2 * inner * width + nodes * width + nodes**2 + 2 * width


def _ktpformer_tokens(config: Host) -> Mapping[str, float]:
    linear = (2 + config.channels) * config.width * config.frames * JOINTS  # a node's own; MixSTE's is the neighbours'
    return {"linear": linear, "other": 2 * JOINTS**2 * config.width * config.frames}


def _ktpformer_pair(config: Host, pair: int, count: int, seen: int) -> Mapping[str, float]:
    if pair > 0:
        return {}
    width = config.width
    return {"linear": 4 * width**2 * count * JOINTS, "other": 4 * count**2 * width * JOINTS}


def _ktpformer_parameters(config: Host) -> int:
    inner, width = 2 + config.channels, config.width
    embedding = _graph_parameters(JOINTS, inner, width) - (inner + 1) * width  # in place of MixSTE's
    return embedding + 2 * _graph_parameters(config.frames, width, width)


def _ktpformer_kept(config: Host, pair: int, count: int, seen: int) -> int:
    """Of three graph convolutions: both products, both modulated, batch norm's and ReLU's; and two forms of the graph.
    The first over frames also keeps the tokens that it gets."""
    return 19 * config.width * count * JOINTS + 2 * JOINTS**2 + 4 * count**2 if pair == 0 else 0


KTPFORMER = Beside(
    tokens=_ktpformer_tokens, pair=_ktpformer_pair, parameters=_ktpformer_parameters, kept=_ktpformer_kept
)


def _ddhpose_pair(config: Host, pair: int, count: int, seen: int) -> Mapping[str, float]:
    width, heads, edges = config.width, config.heads, 2 * (JOINTS - 1)
    if pair == 0:
        return {"other": JOINTS**2 * width * count}  # means of families
    keys, products = width**2 * seen * JOINTS, width * JOINTS * count * seen
    return {"linear": keys, "attention": products, "other": edges**2 * heads * count}  # the last: logits along bones


def _ddhpose_parameters(config: Host) -> int:
    width = config.width
    return 6 * width + 2 * (config.depth - 1) * (width**2 + width)  # embedded levels, layers of relation tokens


def _ddhpose_kept(config: Host, pair: int, count: int, seen: int) -> int:
    """Attention's weights in place of what the fused form keeps; of relation tokens their norm's input, which all pairs
    share until frames are dropped, and its output, and the keys. Before the pairs, what the loss keeps of bones."""
    if pair == 0:
        return 8 * (JOINTS - 1) * config.frames
    weights = config.heads * count * JOINTS * (JOINTS - 1 + seen - 1)
    inputs = 3 if count < config.frames or pair == 1 else 2
    return weights + seen * JOINTS * (inputs * config.width + 2)


DDHPOSE = Beside(pair=_ddhpose_pair, parameters=_ddhpose_parameters, kept=_ddhpose_kept)
