"""The network of every host here: MixSTE (Zhang et al., CVPR 2022), and what D3DP (ICCV 2023) adds to denoise with it.

Legend: B windows, H hypotheses, F frames, J joints, A values of a joint that are diffused, C channels, N kept frames,
L pairs, S the longest sequence of a block.
"""

from contextlib import nullcontext

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from models.config import JOINTS, Host
from models.htp import Passage, Selection
from models.layers import Block, TimeEmbedding
from models.pruning.config import Pruning
from models.pruning.recover import CrossAttention


class MixSTE(nn.Module):
    """Pairs of a spatial and a temporal block over tokens that stay (B x H, F, J, C).

    Where nothing is diffused (A = 0) it is MixSTE itself. Otherwise the noisy state joins the input, and the diffusion
    time the tokens, as in D3DP. A host with layers of its own overrides ``own_layers``, ``known``, ``tokens``,
    ``along_time`` or ``in_time``.
    """

    def __init__(self, config: Host) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.config = config
        self.embed = nn.Linear(2 + config.channels, width)
        self.joint_embedding = nn.Parameter(torch.zeros(JOINTS, width))
        self.frame_embedding = nn.Parameter(torch.zeros(config.frames, width))
        if config.init == "warm":
            nn.init.normal_(self.joint_embedding, std=0.5)
            nn.init.normal_(self.frame_embedding, std=0.1)
        self.time = TimeEmbedding(width) if config.channels else None
        self.spatial = nn.ModuleList(Block(width, config.heads, hidden, "joints") for _ in range(config.depth))
        self.temporal = nn.ModuleList(Block(width, config.heads, hidden, "frames") for _ in range(config.depth))
        self.spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.temporal_norm = nn.LayerNorm(width, eps=1e-6)
        self.head_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)
        self.own_layers()
        # drawn last, so that a seed gives the host the same weights with and without it
        pruning = config.pruning or Pruning()
        queries = pruning.queries(config.frames)
        self.recover = CrossAttention(queries, width, config.heads) if pruning.recovers_by_attention else None
        places = pruning.places(config.frames)
        self.place_embedding = nn.Parameter(torch.zeros(places, width)) if places else None

    def own_layers(self) -> None:
        """Makes what a host has in place of these layers, or beside them."""

    def forward(
        self,
        x2d_BFJ2: Tensor,
        xt_BHFJA: Tensor,
        t_B: Tensor,
        selection: Selection | None = None,
        keep_LBS: Tensor | None = None,
    ) -> Tensor:
        """(B, H, F, J, 3) clean poses in metres from 2D poses, the noisy state and the diffusion times.

        Raises ValueError for windows of another length than the config's.

        ``keep_LBS``: stochastic depth's factors of every branch, from ``drop_path``; None keeps all.
        """
        return self.denoised(self.known(x2d_BFJ2), xt_BHFJA, self.at(t_B), selection, keep_LBS)

    def denoised(
        self,
        known_BFJC: Tensor,
        xt_BHFJA: Tensor,
        time_BC: Tensor | None,
        selection: Selection | None = None,
        keep_LBS: Tensor | None = None,
        *,
        half: bool = False,
    ) -> Tensor:
        """As ``forward``, from ``known`` of the windows and ``at`` of the times, or of one time for all windows.

        ``half``: the pairs multiply in bfloat16. Embedding and head don't: they are a thousandth of the products, and
        poses would be rounded to millimetres.
        """
        x = self.tokens(known_BFJC, xt_BHFJA, time_BC)
        with torch.autocast(x.device.type, torch.bfloat16) if half else nullcontext():
            x = self._through_pairs(x, Passage(selection, hypotheses=xt_BHFJA.shape[1]), keep_LBS)
        x0: Tensor = self.head(self.head_norm(x))
        return x0.view(*xt_BHFJA.shape[:-1], 3)

    def _through_pairs(self, x: Tensor, passage: Passage, keep_LBS: Tensor | None) -> Tensor:
        """Tokens of all frames through the pairs, and of all frames again."""
        for pair, spatial in enumerate(self.spatial):
            x = passage.prune(pair, x, self.place_embedding)
            x = self.spatial_norm(spatial(x, keep=self._keep(keep_LBS, pair, 0, x)))
            if pair == 0:
                x = self.along_time(x, passage)
            x = self.in_time(pair, x, passage, self._keep(keep_LBS, pair, 1, x))
        return passage.recover(x, self.recover)

    def known(self, x2d_BFJ2: Tensor) -> Tensor:
        """(B, F, J, C): the part of the embedding that is the same for all hypotheses, steps and states.

        Raises ValueError for windows of another length than the config's.
        """
        # W [x2d; xt] = W2 x2d + W3 xt
        known_BFJC: Tensor = nnf.linear(self._scaled(x2d_BFJ2), self.embed.weight[:, :2], self.embed.bias)
        return known_BFJC

    def at(self, t_B: Tensor) -> Tensor | None:
        """(B, C) of diffusion times; None where nothing is diffused."""
        if self.time is None:
            return None
        time_BC: Tensor = self.time(t_B)
        return time_BC

    def tokens(self, known_BFJC: Tensor, xt_BHFJA: Tensor, time_BC: Tensor | None) -> Tensor:
        """(B x H, F, J, C) of what comes in, each joint with its embedding; one row of ``time_BC`` serves all."""
        if time_BC is None:
            return known_BFJC + self.joint_embedding
        known_BFJC = known_BFJC + (self.joint_embedding + time_BC[:, None, None])
        return (nnf.linear(xt_BHFJA, self.embed.weight[:, 2:]) + known_BFJC[:, None]).flatten(0, 1)

    def along_time(self, x_BNJC: Tensor, passage: Passage) -> Tensor:
        """Tokens as the first temporal block gets them: each frame with its embedding."""
        return passage.embed(x_BNJC, self.frame_embedding)

    def in_time(
        self,
        pair: int,
        x_BNJC: Tensor,
        passage: Passage,
        keep: tuple[Tensor, Tensor] | None,
        keys_BSJC: Tensor | None = None,
    ) -> Tensor:
        """``pair``'s temporal block and the norm after it; ``keys_BSJC``: second keys, where it asks for some."""
        temporal = self.temporal[pair]
        passage.watch(pair, temporal, x_BNJC, keys_BSJC)
        context, mask = passage.context_BDJC, passage.mask_BNN
        x: Tensor = temporal(x_BNJC, context_BDJC=context, mask_BFF=mask, keep=keep, keys_BSJC=keys_BSJC)
        x = self.temporal_norm(x)
        return x

    def drop_path(self, windows: int, generator: torch.Generator) -> Tensor | None:
        """Draws stochastic depth's factors for a batch, (4 L, B, S), on the CPU; None where its rate is 0.

        As in D3DP the rate rises linearly over the pairs, and each sequence of a block (a frame in spatial, a joint in
        temporal ones) is a draw of its own.
        """
        config = self.config
        if config.drop_path == 0:
            return None
        rate_L = torch.linspace(0, config.drop_path, config.depth).repeat_interleave(4)[:, None, None]
        shape = (4 * config.depth, windows, max(config.frames, JOINTS))
        kept = torch.rand(shape, generator=generator) >= rate_L
        return kept / (1 - rate_L)

    def _keep(self, keep_LBS: Tensor | None, pair: int, block: int, x_BFJC: Tensor) -> tuple[Tensor, Tensor] | None:
        """The factors of one block's two branches, as wide as its sequences."""
        if keep_LBS is None:
            return None
        first, second = keep_LBS[4 * pair + 2 * block], keep_LBS[4 * pair + 2 * block + 1]
        if block == 0:
            frames = x_BFJC.shape[1]
            return first[:, :frames, None, None], second[:, :frames, None, None]
        return first[:, None, :JOINTS, None], second[:, None, :JOINTS, None]

    def _scaled(self, x2d_BFJ2: Tensor) -> Tensor:
        """2D poses, checked, as the config's ``input`` wants them."""
        if x2d_BFJ2.shape[1:] != (self.config.frames, JOINTS, 2):
            wanted = f"(B, {self.config.frames}, {JOINTS}, 2)"
            raise ValueError(f"2D windows must be {wanted}, got {tuple(x2d_BFJ2.shape)}")
        if self.config.input == "absolute":
            return x2d_BFJ2
        root, rest = x2d_BFJ2[:, :, :1], x2d_BFJ2[:, :, 1:]
        return torch.cat([root, (rest - root) * 5], dim=2)
