"""DDHPose (Cai et al., "Disentangled Diffusion-Based 3D Human Pose Estimation with Hierarchical Spatial and Temporal
Denoiser", AAAI 2024): D3DP that diffuses bones instead of joints, around a network that knows the skeleton's tree.

Changes from D3DP:
- what is diffused: a joint's state is the direction (3) and the length (1) of the bone that ends in it; the root, in
  which none ends, is noise around zero. The network still gives positions, the loss compares bones as well, and each
  step of sampling reads them off the estimated pose;
- every joint has an embedding of its level in the tree beside its own;
- spatial attention from pair 1 on: down the chains of the skeleton, what a joint and its child are to each other is
  averaged with what the joint is to its own parent;
- temporal attention from pair 1 on: logits also get the queries' products with second keys, made of relation tokens:
  each joint's mean with its children, as they come from pair 0. Pruning gathers them with their frames.
Nothing else: blocks, schedule and sampler are D3DP's. All frames are needed up to pair 0's end, for relation tokens go
to places of other frames (see ``relation_tokens``).

Legend: B windows (x hypotheses), F frames, J joints, C channels, E = 32 logits along bones, S frames that are seen.
"""

from functools import cache

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from models import d3dp
from models.config import JOINTS, PARENTS
from models.htp import Passage
from models.layers import Attention
from models.mixste import MixSTE

TINY = 1e-8  # metres: a shorter bone has no direction


def _from_root(joint: int) -> tuple[int, ...]:
    return () if joint < 0 else (*_from_root(PARENTS[joint]), joint)


LEVELS = tuple(len(_from_root(j)) - 1 for j in range(JOINTS))
CHAINS = tuple(_from_root(j) for j in range(JOINTS) if j not in PARENTS)


@cache
def chain_edges() -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
    """The E logits along bones, as flat places of the (J, J) matrix, and the (E, E) matrix whose row says which of them
    make up a new one.

    Chain after chain and from the root outwards, the logit of a joint and its child, and that of the child and the
    joint, become their mean with the one from the joint's parent to the joint, as it stands by then. The bone (7, 8) is
    part of three chains, and so averaged three times.
    """
    edges = [(PARENTS[j], j) for j in range(1, JOINTS)] + [(j, PARENTS[j]) for j in range(1, JOINTS)]
    made = {edge: [float(edge == other) for other in edges] for edge in edges}
    for chain in CHAINS:
        for grandparent, parent, child in zip(chain, chain[1:], chain[2:], strict=False):
            above = made[grandparent, parent]
            for edge in ((parent, child), (child, parent)):
                made[edge] = [(own + other) / 2 for own, other in zip(made[edge], above, strict=True)]
    return tuple(row * JOINTS + column for row, column in edges), tuple(tuple(made[edge]) for edge in edges)


class ChainAttention(Attention):
    """Attention among the joints of a frame, with logits averaged down the chains before softmax."""

    edges_E: Tensor
    mix_EE: Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, "joints")
        edges, mix = chain_edges()
        self.register_buffer("edges_E", torch.tensor(edges), persistent=False)
        self.register_buffer("mix_EE", torch.tensor(mix), persistent=False)

    def forward(self, x_BFJC: Tensor, source_BSJC: Tensor, mask_BFS: Tensor | None = None) -> Tensor:
        """As in ``Attention``; the joints of a frame are never masked."""
        q, k, v = self.project(x_BFJC, source_BSJC)
        logits = (torch.matmul(q, k.mT) * q.shape[-1] ** -0.5).flatten(-2)
        along_bones = torch.matmul(logits.index_select(-1, self.edges_E), self.mix_EE.mT)
        weights = logits.index_copy(-1, self.edges_E, along_bones).unflatten(-1, (JOINTS, JOINTS)).softmax(-1)
        out: Tensor = self.proj(torch.matmul(weights, v).transpose(1, 2).reshape(x_BFJC.shape))
        return out


class RelationAttention(Attention):
    """Attention along the frames of a joint, whose queries meet second keys as well."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, "frames")

    def forward(
        self, x_BFJC: Tensor, source_BSJC: Tensor, mask_BFS: Tensor | None = None, keys_BSJC: Tensor | None = None
    ) -> Tensor:
        """As in ``Attention``; the queries' products with ``keys_BSJC`` add to the logits."""
        assert keys_BSJC is not None  # the network makes them for each pass
        q, k, v = self.project(x_BFJC, source_BSJC)
        q = q * q.shape[-1] ** -0.5
        # two products a logit, as published and counted; q (k + keys) would be one, and could be fused with the rest
        logits = torch.matmul(q, k.mT) + torch.matmul(q, self.view(keys_BSJC).mT)
        if mask_BFS is not None:
            mask = mask_BFS[:, None]
            logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
        out: Tensor = self.proj(torch.matmul(logits.softmax(-1), v).transpose(1, 2).reshape(x_BFJC.shape))
        return out


def families() -> Tensor:
    """(J, J): row j is the mean over joint j and its children."""
    related_JJ = torch.eye(JOINTS)
    related_JJ[PARENTS[1:], range(1, JOINTS)] = 1
    return related_JJ / related_JJ.sum(1, keepdim=True)


def relation_tokens(x_BFJC: Tensor, families_JJ: Tensor) -> Tensor:
    """(B, F, J, C): where in a joint's sequence each family's mean is looked at.

    The reference lays them out (frame, joint), and then reads that memory as (joint, frame): at frame f of joint j
    stands the family of joint (j F + f) mod J in frame (j F + f) div J, of some other moment. That is hardly what the
    paper means, but its released weights have learned it.
    """
    windows, frames, joints, width = x_BFJC.shape
    means_BFJC = torch.matmul(families_JJ, x_BFJC)
    return means_BFJC.reshape(windows, joints, frames, width).transpose(1, 2).contiguous()


class DDHPose(MixSTE):
    """MixSTE's network with the skeleton's levels, chains and families.

    The reference decides by the length of a sequence whether it is one of joints; here the 17 frames of a window are
    frames.
    """

    families_JJ: Tensor
    levels_J: Tensor

    def own_layers(self) -> None:
        config, width = self.config, self.config.width
        self.level_embedding = nn.Parameter(torch.zeros(max(LEVELS) + 1, width))
        if config.init == "warm":
            nn.init.normal_(self.level_embedding, std=0.5)
        for pair in range(1, config.depth):
            self.spatial[pair].attn = ChainAttention(width, config.heads)
            self.temporal[pair].attn = RelationAttention(width, config.heads)
        relation, spatial_relation = (
            nn.ModuleList(nn.Linear(width, width) for _ in range(config.depth - 1)) for _ in range(2)
        )
        # Spatial blocks have such a layer as well, which nothing ever asks; and a bias that all second keys share
        # moves all logits of a query alike, which softmax takes away. Both are part of each checkpoint and of the
        # published count of parameters, so they stay, but there is nothing for them to learn.
        spatial_relation.requires_grad_(False)
        for layer in relation:
            layer.get_parameter("bias").requires_grad_(False)
        self.relation, self.spatial_relation = relation, spatial_relation
        self.register_buffer("families_JJ", families(), persistent=False)
        self.register_buffer("levels_J", torch.tensor(LEVELS), persistent=False)

    def tokens(self, known_BFJC: Tensor, xt_BHFJA: Tensor, time_BC: Tensor | None) -> Tensor:
        return super().tokens(known_BFJC, xt_BHFJA, time_BC) + self.level_embedding[self.levels_J]

    def in_time(
        self,
        pair: int,
        x_BNJC: Tensor,
        passage: Passage,
        keep: tuple[Tensor, Tensor] | None,
        keys_BSJC: Tensor | None = None,
    ) -> Tensor:
        if pair > 0:
            seen_BSJC = self.temporal[pair].get_submodule("norm1")(passage.beside())
            return super().in_time(pair, x_BNJC, passage, keep, self.relation[pair - 1](seen_BSJC))
        x_BFJC = super().in_time(pair, x_BNJC, passage, keep)
        passage.beside_BFJC = relation_tokens(x_BFJC, self.families_JJ)
        return x_BFJC


def bones(x_J3: Tensor) -> tuple[Tensor, Tensor]:
    """Unit directions (..., J - 1, 3) and lengths (..., J - 1, 1) of the bones of poses (..., J, 3), joint 1's on."""
    bone = x_J3[..., 1:, :] - x_J3[..., PARENTS[1:], :]
    length = torch.linalg.vector_norm(bone, dim=-1, keepdim=True)
    return bone / length.clamp_min(TINY), length


class Lifter(d3dp.Lifter):
    """Lifts 2D poses to 3D by denoising bones; what each method promises stands in the contract."""

    network = DDHPose
    resting = 1  # the root's state

    def state_of(self, x_J3: Tensor) -> Tensor:
        direction, length = bones(x_J3)
        # a scaled pose has scaled lengths already
        return nnf.pad(torch.cat([direction * self.config.scale, length], dim=-1), (0, 0, 1, 0))

    def error(self, x0_BFJ3: Tensor, x3d_BFJ3: Tensor) -> Tensor:
        """MPJPE + the squared error of each bone's mean length over the window + that of its direction."""
        x0_BFJ3 = x0_BFJ3.to(x3d_BFJ3)  # differences of joints in half precision would be of few digits
        direction, length = bones(x0_BFJ3)
        true_direction, true_length = bones(x3d_BFJ3)
        lengths = (length.mean(1) - true_length.mean(1)).square().mean()
        directions = (direction - true_direction).square().sum(-1).mean()
        return super().error(x0_BFJ3, x3d_BFJ3) + lengths + directions
