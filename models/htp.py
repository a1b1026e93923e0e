"""Hierarchical temporal pruning (arXiv 2508.21363; stages after our own design, their equations are not public).

Changes from any host:
- once a window, ``select`` chooses frames from the clean 2D input (TCEP, and by default MGPTP), for all hypotheses,
  denoising steps and both flips; where a schedule changes their count, once for each count;
- inside the network, ``Passage`` drops the other frames before the configured pairs, limits temporal attention to what
  was kept (SFT), and recovers all frames before the head. What is to be chosen by tokens (HoT's clustering, CVPR 2024,
  in TCEP's place, or MGPTP's) it chooses in every pass; one policy merges frames where the others drop them.
Nothing else: the blocks, the sampler and the loss are the host's, and so are the weights but for learned recovery.

Legend: B windows, H hypotheses, F frames, N kept by TCEP, M kept by MGPTP, D dropped, J joints, C channels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from models.device import sent
from models.layers import Block
from models.pruning import merge, mgptp, recover, sft
from models.pruning.attention import received
from models.pruning.config import MGPTP, POLICIES, TCEP, ByTokens, Pruning, by_tokens
from models.pruning.schedule import at_steps
from models.pruning.tcep import Graph


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was decided once a window, ready for any pass; ``None`` where a stage has nothing to say.

    ``tcep_BN``, ``mgptp_BM``: frames that TCEP and MGPTP keep (None if they are chosen by tokens).
    ``guidance_BF``: TCEP's score, for clustering tokens. ``rank_BFF``: neighbours in the graph, for focused attention.
    """

    pruning: Pruning
    frames: int
    tcep_BN: Tensor | None = None
    mgptp_BM: Tensor | None = None
    guidance_BF: Tensor | None = None
    rank_BFF: Tensor | None = None

    def to(self, device: torch.device | str) -> "Selection":
        """The same decisions on ``device`` (``meta`` keeps their shapes: enough to count a pass)."""
        return self._each(lambda tensor: sent(tensor, device))

    def of(self, windows: slice) -> "Selection":
        """What was decided of some windows."""
        return self._each(lambda tensor: tensor[windows])

    def repeated(self, times: int) -> "Selection":
        """For windows x hypotheses in one batch: each window's decisions ``times`` over."""
        if times == 1:
            return self
        return self._each(lambda tensor: tensor.repeat_interleave(times, 0))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Selection":
        changed: dict[str, Any] = {k: change(v) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **changed)


def select(x2d_BFJ2: Tensor, pruning: Pruning) -> Selection | None:
    """Frames from clean 2D poses; None when nothing would change. Float64 on the CPU: the same on every device."""
    return scheduled(x2d_BFJ2, pruning, 1)[0]


def scheduled(
    x2d_BFJ2: Tensor, pruning: Pruning, steps: int, device: torch.device | str = "cpu"
) -> tuple[Selection | None, ...]:
    """As ``select`` chooses, for each denoising step, on ``device``.

    Steps that keep as many frames share a selection, and all share the graph of the configured counts: how alike two
    frames are is a matter of the window, not of the step.
    """
    frames = x2d_BFJ2.shape[1]
    kept, clusters = pruning.kept(frames)
    if _keeps_everything(pruning, frames):
        return (None,) * steps
    stride = frames / (kept if kept < frames else clusters)
    graph = Graph(x2d_BFJ2.detach().to("cpu", torch.float64), stride, pruning.tcep or TCEP())
    each = at_steps(pruning, frames, steps)
    focuses = pruning.sft is not None and pruning.sft.focus is not None
    rank_BFF = sft.neighbour_ranks(graph.similarity_BFF) if focuses else None
    made = {step: _selection(graph, step, rank_BFF, device) for step in dict.fromkeys(each)}
    return tuple(made[step] for step in each)


def _keeps_everything(pruning: Pruning, frames: int) -> bool:
    focus = None if pruning.sft is None else pruning.sft.focus
    return pruning.kept(frames)[1] == frames and focus is None and not pruning.recovers_by_attention


def _selection(graph: Graph, pruning: Pruning, rank_BFF: Tensor | None, device: torch.device | str) -> Selection | None:
    """What one step prunes."""
    frames = graph.frames
    if _keeps_everything(pruning, frames):
        return None
    kept, clusters = pruning.kept(frames)
    policy = POLICIES[graph.tcep.policy]
    tcep_BN = None if kept == frames or isinstance(policy, ByTokens) else policy(graph, kept)
    by_tokens = pruning.mgptp is not None and pruning.mgptp.compares_tokens
    return Selection(
        pruning=pruning,
        frames=frames,
        tcep_BN=tcep_BN,
        mgptp_BM=_cluster_descriptors(graph, tcep_BN, pruning.mgptp, clusters)
        if pruning.mgptp is not None and clusters < kept and not by_tokens
        else None,
        guidance_BF=graph.guidance_BF.float() if clusters < kept and by_tokens else None,
        rank_BFF=rank_BFF,
    ).to(device)


def _cluster_descriptors(graph: Graph, tcep_BN: Tensor | None, stage: MGPTP, clusters: int) -> Tensor:
    """MGPTP on TCEP's descriptors: (B, M) frames of the window."""
    if tcep_BN is None:
        tcep_BN = torch.arange(graph.frames).expand(len(graph.x2d_BFJ2), -1)
    if stage.policy == "uniform":
        return tcep_BN.gather(1, mgptp.best_of_segments(torch.zeros(tcep_BN.shape), clusters))
    score_BN = mgptp.peak_scores(
        sft.among(graph.distance_BFF, tcep_BN),
        tcep_BN,
        graph.guidance_BF.gather(1, tcep_BN),
        stride=graph.frames / clusters,
        clusters=clusters,
        neighbours=stage.neighbours,
    )
    return tcep_BN.gather(1, mgptp.best_of_segments(score_BN, clusters))


class Passage:
    """One pass's tokens on their way through the pairs: which frames are still there, and what was frozen.

    ``frames_BN``: frames of the window that are left (None: all). ``context_BDJC``: dropped frames as they were, which
    kept ones still see where SFT is absent. ``mask_BNN``: who sees whom, where SFT focuses; or, where frames were
    merged, what is added to attention's logits (float), and ``frames_BN`` is the first frame of each group.
    ``before_BFJC``: all tokens as they were before the first stage that drops, where recovery asks with them.
    ``received_BF``: the attention that each frame received, where TCEP's policy sees it. ``beside_BFJC``: further
    tokens of all frames, where the host has some; ``beside`` gives those that temporal attention sees. Without a
    selection every method hands its tokens back untouched.
    """

    def __init__(self, selection: Selection | None, hypotheses: int) -> None:
        self.selection = None if selection is None else selection.repeated(hypotheses)
        self.frames_BN: Tensor | None = None
        self.context_BDJC: Tensor | None = None
        self.context_frames_BD: Tensor | None = None
        self.mask_BNN: Tensor | None = None
        self.before_BFJC: Tensor | None = None
        self.received_BF: Tensor | None = None
        self.beside_BFJC: Tensor | None = None

    def prune(self, pair: int, x_BFJC: Tensor, places_NC: Tensor | None = None) -> Tensor:
        """Drops the frames that the stages before ``pair`` drop; ``places_NC`` embeds the places of what TCEP keeps."""
        if self.selection is None:
            return x_BFJC
        stages = self.selection.pruning
        tcep = stages.tcep
        if tcep is not None and pair == tcep.before_pair:
            self._remember(x_BFJC)
            if tcep.count(self.selection.frames) < self.selection.frames:
                drop = self._merge if stages.merges else self._keep
                x_BFJC = drop(x_BFJC, self._chosen(x_BFJC, tcep))
                if tcep.embed_places:
                    assert places_NC is not None  # the lifter has checked
                    x_BFJC = x_BFJC + places_NC[:, None]
        if stages.mgptp is not None and pair == stages.mgptp.before_pair:
            self._remember(x_BFJC)
            x_BFJC = self._cluster(x_BFJC, stages.mgptp)
        if stages.sft is not None and stages.sft.focus is not None and pair in stages.pairs:
            self._focus(x_BFJC, stages.sft.focus)
        return x_BFJC

    def embed(self, x_BNJC: Tensor, embedding_FC: Tensor) -> Tensor:
        """Adds each frame's learned embedding, also to those that were dropped before they met it."""
        if self.before_BFJC is not None:
            self.before_BFJC = self.before_BFJC + embedding_FC[:, None]
        if self.frames_BN is None:
            return x_BNJC + embedding_FC[:, None]
        if self.context_BDJC is not None and self.context_frames_BD is not None:
            self.context_BDJC = self.context_BDJC + embedding_FC[self.context_frames_BD][:, :, None]
        if self.selection is not None and self.selection.pruning.merges:
            embeddings_BFJC = embedding_FC[None, :, None].expand(len(x_BNJC), -1, -1, -1)
            return x_BNJC + merge.means(embeddings_BFJC, self.frames_BN)
        return x_BNJC + embedding_FC[self.frames_BN][:, :, None]

    def beside(self) -> Tensor:
        """(B, S, J, C) of ``beside_BFJC``: the frames that are left, then the frozen ones, as attention sees them; and
        of merged frames the mean, as of their tokens."""
        assert self.beside_BFJC is not None  # the host has set it
        if self.frames_BN is None:
            return self.beside_BFJC
        if self.selection is not None and self.selection.pruning.merges:
            return merge.means(self.beside_BFJC, self.frames_BN)
        frozen = [] if self.context_frames_BD is None else [self.context_frames_BD]
        return sft.gather(self.beside_BFJC, torch.cat([self.frames_BN, *frozen], dim=1))

    def watch(self, pair: int, temporal: nn.Module, x_BFJC: Tensor, keys_BFJC: Tensor | None = None) -> None:
        """Notes what ``pair``'s temporal block looks at in the tokens that it is about to get, where TCEP asks next;
        ``keys_BFJC``: the block's second keys."""
        tcep = None if self.selection is None else self.selection.pruning.tcep
        if self.selection is None or tcep is None or pair != tcep.before_pair - 1:
            return
        policy = by_tokens(tcep.policy)
        if policy is None or policy.sees != "attention" or tcep.count(self.selection.frames) == x_BFJC.shape[1]:
            return
        assert isinstance(temporal, Block)  # a host with other layers along time has to say what they look at
        with torch.no_grad():
            self.received_BF = received(temporal.norm1(x_BFJC), temporal.attn.qkv, temporal.attn.heads, keys_BFJC)

    def recover(self, x_BNJC: Tensor, attention: recover.CrossAttention | None) -> Tensor:
        """All frames again."""
        if self.selection is None:
            return x_BNJC
        if self.selection.pruning.recovers_by_attention:
            assert attention is not None  # the lifter has checked
            # without a stage that drops, there is nothing before it
            recovered: Tensor = attention(x_BNJC, x_BNJC if self.before_BFJC is None else self.before_BFJC)
            return recovered
        if self.frames_BN is None:
            return x_BNJC
        again = merge.unmerge if self.selection.pruning.merges else recover.interpolate
        return again(x_BNJC, self.frames_BN, self.selection.frames)

    def _chosen(self, x_BFJC: Tensor, stage: TCEP) -> Tensor:
        assert self.selection is not None
        if self.selection.tcep_BN is not None:
            return self.selection.tcep_BN
        policy = POLICIES[stage.policy]
        assert isinstance(policy, ByTokens)  # the others have chosen before the pass
        seen = x_BFJC if policy.sees == "tokens" else self.received_BF
        assert seen is not None  # watched in the pair before
        return policy.choose(seen, stage.count(self.selection.frames))

    def _cluster(self, x_BNJC: Tensor, stage: MGPTP) -> Tensor:
        assert self.selection is not None
        frames, count = self.selection.frames, x_BNJC.shape[1]
        clusters = stage.count(frames)
        if clusters == count:
            return x_BNJC
        if self.selection.mgptp_BM is not None:
            chosen = self.selection.mgptp_BM
            return self._keep(x_BNJC, chosen if self.frames_BN is None else torch.searchsorted(self.frames_BN, chosen))
        assert self.selection.guidance_BF is not None
        left_BN = self.frames_BN
        if left_BN is None:
            left_BN = torch.arange(frames, device=x_BNJC.device).expand(len(x_BNJC), -1)
        score_BN = mgptp.peak_scores(
            mgptp.squared_distances(x_BNJC.mean(2)),
            left_BN,
            self.selection.guidance_BF.gather(1, left_BN),
            stride=frames / clusters,
            clusters=clusters,
            neighbours=stage.neighbours,
        )
        return self._keep(x_BNJC, mgptp.best_of_segments(score_BN, clusters))

    def _keep(self, x_BNJC: Tensor, positions_BM: Tensor) -> Tensor:
        assert self.selection is not None
        count = x_BNJC.shape[1]
        if self.selection.pruning.sft is None:
            dropped_BD = sft.others(positions_BM, count)
            frozen, frozen_frames = [sft.gather(x_BNJC, dropped_BD)], [self._numbers(dropped_BD)]
            if self.context_BDJC is not None and self.context_frames_BD is not None:
                frozen, frozen_frames = [self.context_BDJC, *frozen], [self.context_frames_BD, *frozen_frames]
            self.context_BDJC, self.context_frames_BD = torch.cat(frozen, dim=1), torch.cat(frozen_frames, dim=1)
        self.frames_BN = self._numbers(positions_BM)
        return sft.gather(x_BNJC, positions_BM)

    def _merge(self, x_BFJC: Tensor, firsts_BN: Tensor) -> Tensor:
        self.frames_BN = firsts_BN
        self.mask_BNN = merge.size_bias(firsts_BN, x_BFJC.shape[1])
        return merge.means(x_BFJC, firsts_BN)

    def _remember(self, x_BNJC: Tensor) -> None:
        """Keeps the tokens of before the first stage where recovery asks with them, having learned no queries; also at
        full counts, or weights that serve several would be asked by two kinds of token."""
        assert self.selection is not None
        stages = self.selection.pruning
        if self.before_BFJC is None and stages.recovers_by_attention and not stages.queries(self.selection.frames):
            self.before_BFJC = x_BNJC

    def _numbers(self, positions_BM: Tensor) -> Tensor:
        """Positions among the frames that are left -> frames of the window."""
        return positions_BM if self.frames_BN is None else self.frames_BN.gather(1, positions_BM)

    def _focus(self, x_BNJC: Tensor, focus: int) -> None:
        assert self.selection is not None
        rank_BNN = self.selection.rank_BFF
        assert rank_BNN is not None
        if self.frames_BN is not None:
            rank_BNN = sft.among(rank_BNN, self.frames_BN)
        self.mask_BNN = sft.focus_mask(rank_BNN, focus) if focus < x_BNJC.shape[1] else None
