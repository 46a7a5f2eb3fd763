"""A Video Swin as one record of numbers, and the published sizes."""

from dataclasses import dataclass

from vidskim.errors import SettingsError, unknown_name

Size = tuple[int, int, int]  # slices, rows, columns


@dataclass(frozen=True)
class SwinConfig:
    """Everything `VideoSwin` needs to be built.

    Args:
        width: token width d of the first stage; it doubles with each stage.
        depths: blocks of each stage.
        heads: attention heads of each stage; each divides its stage's width.
        window: frames' slices, rows and columns of a window, as constructed; a smaller map shrinks it.
        patch: frames, rows and columns of pixels in one token.
        expansion: width of the MLP's hidden layer over the token's.
        eps: LayerNorm's epsilon.
        classes: outputs of the head, or None where the pooled token is the feature.
        frames: frames of a clip as trained; others can be run, and images of any size.
    """

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: Size = (8, 7, 7)
    patch: Size = (2, 4, 4)
    expansion: int = 4
    eps: float = 1e-5
    classes: int | None = None
    frames: int = 32

    def __post_init__(self) -> None:
        if len(self.depths) != len(self.heads) or not self.depths:
            raise SettingsError(
                f"depths and heads must name the same stages, received {self.depths} and {self.heads}"
            )
        for stage, heads in enumerate(self.heads):
            if self.stage_width(stage) % heads:
                raise SettingsError(
                    f"width {self.stage_width(stage)} of stage {stage} is not divisible by {heads} heads"
                )

    def stage_width(self, stage: int) -> int:
        """Token width of a stage, the first being 0."""
        return self.width << stage

    @property
    def dim(self) -> int:
        """Width of the pooled feature."""
        return self.stage_width(len(self.depths) - 1)

    def stage_sizes(self, pixels: Size) -> list[Size]:
        """Slices, rows and columns of tokens in each stage, for clips of so many frames, rows and columns."""
        t, y, x = (-(-length // patch) for length, patch in zip(pixels, self.patch, strict=True))
        sizes = []
        for _ in self.depths:
            sizes.append((t, y, x))
            y, x = -(-y // 2), -(-x // 2)
        return sizes


def video_swin(name: str, *, classes: int | None = 400, window: Size = (8, 7, 7)) -> SwinConfig:
    """A published Video Swin by its size, "T", "S" or "B"; the one for Something-Something has window (16, 7, 7).

    Raises:
        SettingsError: no such size.

    Source: Liu et al., Video Swin Transformer, CVPR 2022, section 3.3.
    """
    sizes = {
        "T": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
        "S": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
        "B": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    }
    if name not in sizes:
        raise unknown_name("Video Swin size", name, sizes)
    width, depths, heads = sizes[name]
    return SwinConfig(width=width, depths=depths, heads=heads, window=window, classes=classes)
