"""Names of Video Swin: mmaction2 (its authors' files follow it too) and torchvision; and what the shapes tell."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from vidskim.models.layouts.layout import Layout, stored_names
from vidskim.models.layouts.measure import count_blocks
from vidskim.models.swin_variants import Size

STAGES = 4
TABLE = "relative_position_bias_table"
INDEX = "relative_position_index"  # a buffer that says nothing new


def _names(
    *, patch: str, blocks: list[str], merges: list[str], mlp: tuple[str, str], last: str, head: str
) -> dict[str, str | tuple[str, ...]]:
    """The trunk's names; `blocks` and `merges` are where those of each stage are stored."""
    names: dict[str, str | tuple[str, ...]] = {
        "patch.*": f"{patch}.proj.*",
        "patch_norm.*": f"{patch}.norm.*",
    }
    for stage, stored in enumerate(blocks):
        ours, theirs = f"stages.{stage}.blocks.{{n}}", f"{stored}.{{n}}"
        names |= {
            f"{ours}.norm1.*": f"{theirs}.norm1.*",
            f"{ours}.attention.qkv.*": f"{theirs}.attn.qkv.*",
            f"{ours}.attention.out.*": f"{theirs}.attn.proj.*",
            f"{ours}.attention.bias_table": f"{theirs}.attn.{TABLE}",
            f"{ours}.norm2.*": f"{theirs}.norm2.*",
            f"{ours}.mlp.fc1.*": f"{theirs}.mlp.{mlp[0]}.*",
            f"{ours}.mlp.fc2.*": f"{theirs}.mlp.{mlp[1]}.*",
        }
    for stage, stored in enumerate(merges):
        names |= {f"stages.{stage}.merge.{part}.*": f"{stored}.{part}.*" for part in ("norm", "reduction")}
    return {**names, "norm.*": f"{last}.*", "head.*": f"{head}.*"}


MMACTION_SWIN = Layout(
    name="mmaction2 Video Swin",
    family="swin",
    signature="backbone.layers.0.blocks.0.attn.qkv.weight",
    vision=_names(
        patch="backbone.patch_embed",
        blocks=[f"backbone.layers.{stage}.blocks" for stage in range(STAGES)],
        merges=[f"backbone.layers.{stage}.downsample" for stage in range(STAGES - 1)],
        mlp=("fc1", "fc2"),
        last="backbone.norm",
        head="cls_head.fc_cls",
    ),
    ignored=(f"*.{INDEX}", "data_preprocessor.*"),
    # mmaction2 1.x has a norm for each stage that it may return
    renamed={f"backbone.norm3.{kind}": f"backbone.norm.{kind}" for kind in ("weight", "bias")},
    tower="backbone.",
    defaults={"eps": 1e-5, "resize": 224},
)

TORCHVISION_SWIN = Layout(
    name="torchvision swin3d",
    family="swin",
    signature="features.0.0.attn.qkv.weight",
    vision=_names(
        patch="patch_embed",
        blocks=[f"features.{2 * stage}" for stage in range(STAGES)],
        merges=[f"features.{2 * stage + 1}" for stage in range(STAGES - 1)],
        mlp=("0", "3"),
        last="norm",
        head="head",
    ),
    ignored=(f"*.{INDEX}",),
    defaults={"eps": 1e-5, "resize": 256},
)


def measure_swin(state: Mapping[str, Tensor], layout: Layout) -> dict[str, object]:
    """`SwinConfig` fields that shapes and key names give, the window apart; what cannot be told is left out."""
    names, found = layout.vision, dict[str, object]()

    def shape(target: str) -> tuple[int, ...]:
        (stored,) = stored_names(names, target)
        return tuple(state[stored].shape) if stored in state else ()

    if len(patch := shape("patch.weight")) == 5:
        found["width"], found["patch"] = patch[0], patch[2:]
        if hidden := shape("stages.0.blocks.0.mlp.fc1.weight"):
            found["expansion"] = hidden[0] // patch[0]
    depths = tuple(count_blocks(state, names, under=f"stages.{stage}.") for stage in range(STAGES))
    tables = [shape(f"stages.{stage}.blocks.0.attention.bias_table") for stage in range(STAGES)]
    if all(depths) and all(tables):
        found["depths"], found["heads"] = depths, tuple(table[-1] for table in tables)
    head = shape("head.weight")
    return {**found, "classes": head[0] if head else None}


def windows_of(rows: int, places: int | None) -> list[Size]:
    """Windows, square in space, whose bias table has so many rows; the likeliest first.

    Args:
        rows: (2 t - 1) (2 y - 1) (2 x - 1).
        places: t y x, if it is known.
    """
    fits = []
    for side in range(1, rows + 1):
        slices, rest = divmod(rows, (2 * side - 1) ** 2)
        if not slices:
            break
        window = ((slices + 1) // 2, side, side)
        if not rest and slices % 2 and places in (None, window[0] * side**2):
            fits.append(window)
    # every published one has sides of 7
    return sorted(fits, key=lambda window: (window[1] != 7, -window[1]))


def position_indexes(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The stored buffers of bias table rows, by their names."""
    return ((name, value) for name, value in state.items() if name.endswith(f".{INDEX}"))
