"""KTPFormer (Peng et al., CVPR 2024): the skeleton's and time's own graphs in front of the first pair's attention.

Changes from MixSTE, all of them up to the first pair, which is the published model's prior pair:
- the embedding is a modulated graph convolution over the joints of each frame instead of a linear layer;
- in front of the first temporal block two more, over the frames of each joint, add to the tokens;
- the first norm of the first pair's two blocks has eps 1e-5.
Nothing else, and every frame is needed there: no stage of pruning comes before pair 1.

Legend: B windows (x hypotheses), F frames, J joints, C channels, N nodes of a graph (joints or frames).
"""

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from models import contract, d3dp, deterministic
from models.config import JOINTS, PARENTS
from models.htp import Passage
from models.layers import Axis
from models.mixste import MixSTE
from models.pruning.config import Pruning

MOMENTUM = 0.1  # of a batch's statistics in the running ones


def joint_graph() -> Tensor:
    """(J, J): the skeleton's bones."""
    linked_JJ = torch.zeros(JOINTS, JOINTS)
    linked_JJ[range(1, JOINTS), PARENTS[1:]] = 1
    return _normalised(linked_JJ + linked_JJ.T)


def frame_graph(frames: int) -> Tensor:
    """(F, F): each frame and the ones beside it."""
    linked_FF = torch.ones(frames - 1).diag(1)
    return _normalised(linked_FF + linked_FF.T)


def _normalised(linked_NN: Tensor) -> Tensor:
    """Each row the mean over its neighbours, and itself once more; a lone node has no neighbours to average."""
    return linked_NN / linked_NN.sum(1, keepdim=True).clamp_min(1) + torch.eye(len(linked_NN))


class GraphConvolution(nn.Module):
    """Modulated graph convolution (Zou and Tang, ICCV 2021), batch norm, ReLU, along one axis of the tokens.

    A node's own channels and its neighbours' have weights apart, every node scales the channels that it gives away, and
    a learned part joins the graph, which is then made symmetric. The published layer's bias is left out: batch norm
    takes it away again, so no gradient would reach it (reading a checkpoint moves it into the running mean).
    """

    graph_NN: Tensor
    mean_C: Tensor
    variance_C: Tensor

    def __init__(self, graph_NN: Tensor, inner: int, width: int, axis: Axis) -> None:
        super().__init__()
        self.axis = axis
        self.weight = nn.Parameter(torch.empty(2, inner, width))
        for part in self.weight:
            nn.init.xavier_uniform_(part, gain=math.sqrt(2))
        self.modulation_NC = nn.Parameter(torch.ones(len(graph_NN), width))
        self.links_NN = nn.Parameter(torch.zeros_like(graph_NN))
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))
        self.register_buffer("graph_NN", graph_NN, persistent=False)
        self.register_buffer("mean_C", torch.zeros(width))
        self.register_buffer("variance_C", torch.ones(width))

    def forward(self, x_BFJC: Tensor) -> Tensor:
        """(B, F, J, inner) -> (B, F, J, C)."""
        graph_NN = self.graph_NN + self.links_NN
        graph_NN = (graph_NN + graph_NN.T) / 2
        own_NN = graph_NN.diagonal().diag()
        own, others = (self._nodes(torch.matmul(x_BFJC, part)) for part in self.weight)
        # the own part is a product as well, as published: with one factor a node it would count 0.7 % less
        y = torch.matmul(own_NN, own) + torch.matmul(graph_NN - own_NN, others)
        # a pass without gradients is no training step, whatever the mode: lifting must give equal poses for equal input
        learning = self.training and torch.is_grad_enabled()
        y = nnf.batch_norm(
            y.reshape(-1, self.scale.numel()), self.mean_C, self.variance_C, self.scale, self.shift, learning, MOMENTUM
        )
        return nnf.relu(y).view(*x_BFJC.shape[:-1], -1)

    def _nodes(self, x_BFJC: Tensor) -> Tensor:
        """Modulated, with the graph's nodes as the last axis but one."""
        if self.axis == "joints":
            return (x_BFJC * self.modulation_NC).flatten(0, 1)
        return (x_BFJC * self.modulation_NC[:, None]).flatten(2)


class TrajectoryPrior(nn.Module):
    """What the course of each joint adds to its tokens, by two graph convolutions over its frames."""

    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        self.first = GraphConvolution(frame_graph(frames), width, width, "frames")
        self.second = GraphConvolution(frame_graph(frames), width, width, "frames")

    def forward(self, x_BFJC: Tensor) -> Tensor:
        y: Tensor = x_BFJC + self.second(self.first(x_BFJC))
        return y


class KTPFormer(MixSTE):
    """MixSTE's network with the two priors; ``depth`` counts the prior pair as well."""

    embed: GraphConvolution  # type: ignore[assignment]

    def own_layers(self) -> None:
        config = self.config
        self.embed = GraphConvolution(joint_graph(), 2 + config.channels, config.width, "joints")
        self.trajectory = TrajectoryPrior(config.frames, config.width)
        for blocks in (self.spatial, self.temporal):
            blocks[0].norm1 = nn.LayerNorm(config.width, eps=1e-5)

    def known(self, x2d_BFJ2: Tensor) -> Tensor:
        # the poses themselves: what the convolution makes of them goes through a ReLU with what it makes of the state
        return self._scaled(x2d_BFJ2)

    def tokens(self, known_BFJC: Tensor, xt_BHFJA: Tensor, time_BC: Tensor | None) -> Tensor:
        known_BHFJ2 = known_BFJC[:, None].expand(*xt_BHFJA.shape[:-1], 2)
        x: Tensor = self.embed(torch.cat([known_BHFJ2, xt_BHFJA], dim=-1).flatten(0, 1)) + self.joint_embedding
        if time_BC is not None:
            x = (x.view(*xt_BHFJA.shape[:-1], -1) + time_BC[:, None, None, None]).flatten(0, 1)
        return x

    def along_time(self, x_BNJC: Tensor, passage: Passage) -> Tensor:
        # all frames are still there: no stage comes before this pair
        return super().along_time(self.trajectory(x_BNJC), passage)


class _WholeBatch(contract.Lifter):
    """A batch norm's statistics are those of a whole batch, so no part of one can be learnt from alone."""

    network = KTPFormer

    def loss(
        self,
        x2d_BFJ2: Tensor,
        x3d_BFJ3: Tensor,
        *,
        generator: torch.Generator,
        pruning: Pruning | None = None,
        rows: slice = slice(None),
    ) -> Tensor:
        if self.training and rows != slice(None):
            raise ValueError("rows: batch norm takes its statistics from a whole batch; train on one device")
        return super().loss(x2d_BFJ2, x3d_BFJ3, generator=generator, pruning=pruning, rows=rows)  # type: ignore[safe-super]


class Lifter(_WholeBatch, deterministic.Lifter):
    """KTPFormer as published: deterministic."""


class DiffusionLifter(_WholeBatch, d3dp.Lifter):
    """The same network as D3DP's denoiser, with the noisy pose in its first graph convolution and D3DP's embedding of
    the time on its tokens. Our own: the paper's diffusion form was never released."""
