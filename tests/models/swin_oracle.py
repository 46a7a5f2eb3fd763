"""Video Swin once more, written differently: names of mmaction2, attention over all tokens of a map at once.

A mask forbids pairs that do not share a window after rolling, or that only the roll brought together; tokens are never
moved. Pruned tokens stay in the map and are hidden as keys.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from vidskim.models.swin import VideoSwin
from vidskim.models.swin_variants import SwinConfig

Size = tuple[int, int, int]


def random_swin(config: SwinConfig, generator: torch.Generator) -> VideoSwin:
    """Random values everywhere, or mistakes in norms and biases would hide."""
    model = VideoSwin(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 1.0 if "bias_table" in name else 0.3
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.copy_(centre + scale * torch.randn(parameter.shape, generator=generator))
    return model.eval().requires_grad_(False)


def mmaction_state(model: VideoSwin) -> dict[str, Tensor]:
    """The weights under mmaction2's names, written without the library's maps."""
    state = {}
    for name, value in model.state_dict().items():
        name = name.replace("stages.", "layers.").replace("attention.out.", "attn.proj.")
        name = name.replace("attention.bias_table", "attn.relative_position_bias_table")
        name = name.replace("attention.", "attn.").replace("merge.", "downsample.")
        name = name.replace("patch_norm.", "patch_embed.norm.")
        name = "patch_embed.proj." + name.removeprefix("patch.") if name.startswith("patch.") else name
        head = name.startswith("head.")
        state["cls_head.fc_cls." + name.removeprefix("head.") if head else "backbone." + name] = value.clone()
    return state


def stored_index(window: Size) -> Tensor:
    """relative_position_index as the published models store it [n, n]."""
    grid = torch.stack(torch.meshgrid(*(torch.arange(w) for w in window), indexing="ij")).flatten(1)
    difference = grid[:, :, None] - grid[:, None, :]
    for axis, w in enumerate(window):
        difference[axis] += w - 1
    a, b = 2 * window[1] - 1, 2 * window[2] - 1
    return difference[0] * a * b + difference[1] * b + difference[2]


def attention(
    x: Tensor, state: Mapping[str, Tensor], *, heads: int, window: Size, shifted: bool, alive: Tensor | None
) -> Tensor:
    """Normed maps [b, t, y, x, d] -> [b, t, y, x, d]; `alive` [b, t, y, x] are the keys that may be read."""
    b, *size, d = x.shape
    w = [min(a, c) for a, c in zip(size, window, strict=True)]
    shift = [c // 2 if shifted and a > c else 0 for a, c in zip(size, window, strict=True)]
    extra = [-a % c for a, c in zip(size, w, strict=True)]
    x = F.pad(x, (0, 0, 0, extra[2], 0, extra[1], 0, extra[0]))
    padded = list(x.shape[1:4])
    where = torch.stack(
        torch.meshgrid(*(torch.arange(length) for length in padded), indexing="ij"), dim=-1
    ).view(-1, 3)
    length, step, move = (torch.tensor(v) for v in (padded, w, shift))
    rolled = (where - move) % length
    window_id, inside = rolled // step, rolled % step
    region = (rolled >= length - step).long() + (rolled >= length - move).long()
    key = torch.cat([window_id, region], dim=1)
    together = (key[:, None] == key[None]).all(dim=2)
    number = (inside[:, 0] * w[1] + inside[:, 1]) * w[2] + inside[:, 2]
    table = state["relative_position_bias_table"]
    bias = table[stored_index(window)[number[:, None], number[None]]].permute(2, 0, 1)  # h n n

    qkv = F.linear(x.reshape(b, -1, d), state["qkv.weight"], state["qkv.bias"])
    q, k, v = qkv.view(b, -1, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    logits = q @ k.transpose(2, 3) * (d // heads) ** -0.5 + bias
    logits = logits.masked_fill(~together, -1e9)
    if alive is not None:
        seen = F.pad(alive, (0, extra[2], 0, extra[1], 0, extra[0]), value=True).reshape(b, 1, 1, -1)
        logits = logits.masked_fill(~seen, -1e9)
    out = (logits.softmax(-1) @ v).transpose(1, 2).reshape(b, *padded, d)
    out = out[:, : size[0], : size[1], : size[2]]
    return F.linear(out, state["proj.weight"], state["proj.bias"])


def run_block(
    x: Tensor,
    state: Mapping[str, Tensor],
    config: SwinConfig,
    *,
    stage: int,
    number: int,
    alive: Tensor | None,
) -> Tensor:
    """One block of a stage on maps [b, t, y, x, d]."""
    own = _under(state, f"backbone.layers.{stage}.blocks.{number}.")
    x = x + attention(
        _norm(x, own, "norm1", config.eps),
        _under(own, "attn."),
        heads=config.heads[stage],
        window=config.window,
        shifted=number % 2 == 1,
        alive=alive,
    )
    hidden = F.gelu(F.linear(_norm(x, own, "norm2", config.eps), own["mlp.fc1.weight"], own["mlp.fc1.bias"]))
    return x + F.linear(hidden, own["mlp.fc2.weight"], own["mlp.fc2.bias"])


def merge(x: Tensor, state: Mapping[str, Tensor], config: SwinConfig, *, stage: int) -> Tensor:
    """Patch merging after a stage, token by token."""
    own = _under(state, f"backbone.layers.{stage}.downsample.")
    b, t, rows, columns, d = x.shape
    out = x.new_zeros(b, t, (rows + 1) // 2, (columns + 1) // 2, 4 * d)
    for y in range(rows):
        for col in range(columns):
            quarter = y % 2 + 2 * (col % 2)
            out[:, :, y // 2, col // 2, quarter * d : (quarter + 1) * d] = x[:, :, y, col]
    return F.linear(_norm(out, own, "norm", config.eps), own["reduction.weight"])


def embed(pixels: Tensor, state: Mapping[str, Tensor], config: SwinConfig) -> Tensor:
    """Patches as a convolution: maps [b, t, y, x, d]."""
    missing = [-a % p for a, p in zip(pixels.shape[2:], config.patch, strict=True)]
    pixels = F.pad(pixels, (0, missing[2], 0, missing[1], 0, missing[0]))
    own = _under(state, "backbone.patch_embed.")
    x = F.conv3d(pixels, own["proj.weight"], own["proj.bias"], stride=config.patch).permute(0, 2, 3, 4, 1)
    return _norm(x, own, "norm", config.eps)


def logits(pixels: Tensor, state: Mapping[str, Tensor], config: SwinConfig) -> Tensor:
    """The whole model, nothing pruned."""
    x = embed(pixels, state, config)
    for stage, depth in enumerate(config.depths):
        for number in range(depth):
            x = run_block(x, state, config, stage=stage, number=number, alive=None)
        if stage < len(config.depths) - 1:
            x = merge(x, state, config, stage=stage)
    return pool(x.flatten(1, 3), state, config)


def pool(x: Tensor, state: Mapping[str, Tensor], config: SwinConfig) -> Tensor:
    """Norm, mean and head of tokens [b, n, d]."""
    pooled = _norm(x, _under(state, "backbone."), "norm", config.eps).mean(dim=1)
    return F.linear(pooled, state["cls_head.fc_cls.weight"], state["cls_head.fc_cls.bias"])


def _norm(x: Tensor, state: Mapping[str, Tensor], name: str, eps: float) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
