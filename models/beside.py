"""What hosts' networks have beside MixSTE's layers, for the ledger of compute and memory. No torch here.

Letters: F frames, J joints, C channels, S frames that attention sees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.config import JOINTS, Host
from models.memory import Kept


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
