"""State-dict layouts of the reference programs, mapped onto this zoo: names and shapes only, no file is read here."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

# D3DP's own noise schedule travels in its checkpoints; ours is a function of the config
_SCHEDULE = {
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
}
_MIXSTE = {
    "Spatial_patch_to_embedding": "embed",
    "Spatial_pos_embed": "joint_embedding",
    "Temporal_pos_embed": "frame_embedding",
    "STEblocks": "spatial",
    "TTEblocks": "temporal",
    "Spatial_norm": "spatial_norm",
    "Temporal_norm": "temporal_norm",
    "head.0": "head_norm",
    "head.1": "head",
}
_D3DP = {
    **{f"pose_estimator.{theirs}": ours for theirs, ours in _MIXSTE.items()},
    "pose_estimator.time_mlp.1": "time.fc1",
    "pose_estimator.time_mlp.3": "time.fc2",
}
_DDHPOSE = {
    "dir_bone_estimator.STEblocks.attn.qkv_xc": "spatial_relation",  # longer names come first
    "dir_bone_estimator.TTEblocks.attn.qkv_xc": "relation",
    **{f"dir_bone_estimator.{theirs}": ours for theirs, ours in _MIXSTE.items() if not theirs.startswith("head")},
    "dir_bone_estimator.group": "level_embedding",
    "dir_bone_estimator.time_mlp.1": "time.fc1",
    "dir_bone_estimator.time_mlp.3": "time.fc2",
    "dir_bone_estimator.head_pose.0": "head_norm",
    "dir_bone_estimator.head_pose.1": "head",
}
_HOT = {
    **_MIXSTE,
    "pos_embed_token": "place_embedding",
    "x_token": "recover.query_FC",
    "cross_attention.linear_q": "recover.q",
    "cross_attention.linear_k": "recover.k",
    "cross_attention.linear_v": "recover.v",
    "cross_attention.proj": "recover.proj",
}
# stored with an axis for the windows in front
_WIDENED = ("_embedding", "query_FC")


def from_mixste(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MixSTE's state dict (with or without ``module.``) under the names of ``models.build("mixste")``.

    Raises ValueError naming every key that it doesn't know.
    """
    return _mapped(state, _MIXSTE, "MixSTE")


def from_d3dp(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """D3DP's state dict (with or without ``module.``) under the names of ``models.build("d3dp")``.

    Raises ValueError naming every key that it doesn't know; the schedule's buffers are the only ones left out.
    """
    return _mapped({k: v for k, v in state.items() if k.removeprefix("module.") not in _SCHEDULE}, _D3DP, "D3DP")


def from_hot(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of HoT on MixSTE (with or without ``module.``) under the names of ``models.build("hot")``.

    Raises ValueError naming every key that it doesn't know.
    """
    return _mapped(state, _HOT, "HoT")


def from_ddhpose(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DDHPose's state dict (with or without ``module.``) under the names of ``models.build("ddhpose")``.

    Its first pair has lists of its own and becomes pair 0; the layers of relation tokens leave their blocks. Raises
    ValueError naming every key that it doesn't know; the schedule's buffers are the only ones left out.
    """
    kept = {k: v for k, v in state.items() if k.removeprefix("module.") not in _SCHEDULE}
    return _mapped(kept, _DDHPOSE, "DDHPose", _ddhpose_key)


def _ddhpose_key(key: str) -> str:
    """A key of DDHPose's as if it numbered all pairs together, and its layers of relation tokens by themselves."""
    key = re.sub(r"(TEblocks)\.(\d+)\.(attn\.qkv_xc)", r"\1.\3.\2", key)
    key = re.sub(r"(?<=TEblocks\.)\d+", lambda number: str(int(number[0]) + 1), key)
    return key.replace("TEblocks_0.0.", "TEblocks.0.")


def _mapped(
    state: Mapping[str, Tensor], names: Mapping[str, str], whose: str, spelt: Callable[[str], str] = str
) -> dict[str, Tensor]:
    """``state`` with each layer under our name for it, and nothing left over; ``names`` are those of ``spelt`` keys."""
    known = re.compile(rf"(?:module\.)?({'|'.join(map(re.escape, names))})(\..+)?")
    matches = {key: known.fullmatch(spelt(key)) for key in state}
    if unknown := [key for key, match in matches.items() if match is None]:
        raise ValueError(f"not keys of a {whose} checkpoint: {', '.join(unknown)}")
    found = {f"denoiser.{names[m[1]]}{m[2] or ''}": state[key] for key, m in matches.items() if m is not None}
    return {name: tensor.squeeze(0) if name.endswith(_WIDENED) else tensor for name, tensor in found.items()}


_KTPFORMER = {
    "STEblocks": "spatial",
    "TTEblocks": "temporal",
    "kpattention": "spatial.0",
    "kpattention.attn.norm1": "spatial.0.norm1",
    "kpattention.attn.Spatial_pos_embed": "joint_embedding",
    "kpattention.attn.kpa": "embed",
    "tpattention": "temporal.0",
    "tpattention.attn.norm1": "temporal.0.norm1",
    "tpattention.attn.Temporal_pos_embed": "frame_embedding",
    "tpattention.attn.tpa.gconv1": "trajectory.first",
    "tpattention.attn.tpa.gconv2": "trajectory.second",
    "Spatial_norm": "spatial_norm",
    "Temporal_norm": "temporal_norm",
    "head.0": "head_norm",
    "head.1": "head",
}
_KTPFORMER_KEY = re.compile(rf"({'|'.join(map(re.escape, sorted(_KTPFORMER, key=len, reverse=True)))})(?:\.(.+))?")
_GRAPH = {
    "gconv.W": "weight",
    "gconv.M": "modulation_NC",
    "gconv.adj2": "links_NN",
    "gconv.bias": "bias",
    "bn.weight": "scale",
    "bn.bias": "shift",
    "bn.running_mean": "mean_C",
    "bn.running_var": "variance_C",
}


def from_ktpformer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """KTPFormer's state dict (with or without ``module.``) under the names of ``models.build("ktpformer")``.

    The prior pair becomes pair 0. The bias of a graph convolution moves into the mean that its batch norm takes away,
    and how many batches that has seen is left out, for nothing depends on it. Raises ValueError naming every key that
    it doesn't know.
    """
    mapped: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state.items():
        shifted = re.sub(r"(?<=TEblocks\.)\d+", lambda number: str(int(number[0]) + 1), key.removeprefix("module."))
        match = _KTPFORMER_KEY.fullmatch(shifted)
        if match is None:
            unknown.append(key)
        elif match[2] != "bn.num_batches_tracked":
            rest = [_GRAPH.get(match[2], match[2])] if match[2] else []
            name = ".".join(["denoiser", _KTPFORMER[match[1]], *rest])
            mapped[name] = tensor.squeeze(0) if name.endswith("_embedding") else tensor
    if unknown:
        raise ValueError(f"not keys of a KTPFormer checkpoint: {', '.join(unknown)}")
    for layer in ("denoiser.embed", "denoiser.trajectory.first", "denoiser.trajectory.second"):
        if {f"{layer}.bias", f"{layer}.mean_C"} <= mapped.keys():
            mapped[f"{layer}.mean_C"] = mapped[f"{layer}.mean_C"] - mapped.pop(f"{layer}.bias")
    return mapped
