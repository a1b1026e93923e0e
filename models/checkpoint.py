"""State-dict layouts of the reference programs, mapped onto this zoo: names and shapes only, no file is read here."""

import re
from collections.abc import Mapping

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
_D3DP = {
    "Spatial_patch_to_embedding": "embed",
    "Spatial_pos_embed": "joint_embedding",
    "Temporal_pos_embed": "frame_embedding",
    "time_mlp.1": "time.fc1",
    "time_mlp.3": "time.fc2",
    "STEblocks": "spatial",
    "TTEblocks": "temporal",
    "Spatial_norm": "spatial_norm",
    "Temporal_norm": "temporal_norm",
    "head.0": "head_norm",
    "head.1": "head",
}
_D3DP_KEY = re.compile(rf"(?:module\.)?pose_estimator\.({'|'.join(map(re.escape, _D3DP))})(\..+)?")


def from_d3dp(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """D3DP's state dict (with or without ``module.``) under the names of ``models.build("d3dp")``.

    Raises ValueError naming every key that it doesn't know; the schedule's buffers are the only ones left out.
    """
    mapped: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state.items():
        match = _D3DP_KEY.fullmatch(key)
        if match:
            name = f"denoiser.{_D3DP[match[1]]}{match[2] or ''}"
            mapped[name] = tensor[0] if name.endswith("_embedding") else tensor
        elif key.removeprefix("module.") not in _SCHEDULE:
            unknown.append(key)
    if unknown:
        raise ValueError(f"not keys of a D3DP checkpoint: {', '.join(unknown)}")
    return mapped
