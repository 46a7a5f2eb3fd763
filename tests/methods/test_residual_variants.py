"""ResidualViT's other P-frames: merged, smaller, without the token, through another tower; against plain versions."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.methods.conftest import CONFIG, segment
from tests.tokens.test_match import plain_match

from vidskim.errors import SettingsError
from vidskim.methods.baseline import Full
from vidskim.methods.registry import build_method, method_settings
from vidskim.methods.residual import Residual, ResidualTokenizer, Student, shrink
from vidskim.models.block import Block
from vidskim.models.cost import merged_macs, tokenizer_macs, vit_macs
from vidskim.models.vit import VisionTransformer, unit
from vidskim.video.motion import compensated_difference

STD = torch.full((3,), 0.5)


@pytest.fixture
def tokenizer() -> ResidualTokenizer:
    torch.manual_seed(0)
    return ResidualTokenizer(dim=16, width=32).requires_grad_(False)


def plain_block(block: Block, x: torch.Tensor, size: torch.Tensor, r: int, protected: int) -> tuple:
    """One frame through one block, written out: x [n, d], size [n]."""
    n, d = x.shape
    qkv = F.linear(block.norm1(x), block.attention.qkv.weight, block.attention.qkv.bias)
    q, k, v = qkv.view(n, 3, 2, d // 2).permute(1, 2, 0, 3)
    weights = (q @ k.mT / (d // 2) ** 0.5 + size.log()).softmax(dim=-1)
    x = x + block.attention.out((weights @ v).transpose(0, 1).reshape(n, d))
    slots = plain_match(k.mean(dim=0), r, protected)
    groups = [[i for i in range(n) if slots[i] == slot] for slot in range(max(slots) + 1)]
    x = torch.stack([sum(x[i] * size[i] for i in group) / sum(size[i] for i in group) for group in groups])
    size = torch.stack([sum(size[i] for i in group) for group in groups])
    return x + block.mlp(block.norm2(x)), size


@pytest.mark.parametrize("token", [True, False])
def test_merged_frames_are_those_of_a_plain_version(
    trunk: VisionTransformer, tokenizer: ResidualTokenizer, token: bool
) -> None:
    frames = segment(3)
    (encoded,) = Residual(tokenizer=tokenizer, std=STD, r=3, token=token).encode(trunk, [frames])
    anchor = Full().encode(trunk, [frames])[0].vectors[:1]
    for number in (1, 2):
        x = trunk.embed(frames.pixels[number : number + 1])[0]
        if token:
            x = torch.cat([x[:1], tokenizer(anchor), x[1:]])
        x, size = trunk.norm_pre(x), torch.ones(len(x))
        for block in trunk.blocks:  # the last one merges too, which the class token does not see
            assert isinstance(block, Block)
            x, size = plain_block(block, x, size, 3, protected=1 + token)
        expected = unit(trunk.project(x[:1]))
        torch.testing.assert_close(encoded.vectors[number : number + 1], expected, atol=1e-5, rtol=0)
    assert encoded.slots is not None
    assert encoded.slots.shape == (2, 3, 16)
    extra = int(token)
    own = 2 * merged_macs(CONFIG, r=3, extra=extra) + extra * tokenizer_macs(CONFIG)
    assert encoded.macs == vit_macs(CONFIG) + own


def test_merging_nothing_keeps_every_patch(trunk: VisionTransformer, tokenizer: ResidualTokenizer) -> None:
    (merged,) = Residual(tokenizer=tokenizer, std=STD, r=0).encode(trunk, [segment(5)])
    (whole,) = Residual(tokenizer=tokenizer, std=STD, keep=1.0).encode(trunk, [segment(5)])
    torch.testing.assert_close(merged.vectors, whole.vectors, atol=2e-6, rtol=0)
    assert merged.macs == whole.macs
    (bare,) = Residual(std=STD, r=0, token=False).encode(trunk, [segment(5)])
    (full,) = Full().encode(trunk, [segment(5)])
    torch.testing.assert_close(bare.vectors, full.vectors, atol=2e-6, rtol=0)
    assert bare.macs == full.macs


def test_smaller_frames_go_through_a_smaller_tower(
    trunk: VisionTransformer, tokenizer: ResidualTokenizer
) -> None:
    frames = segment(3)
    method = build_method("residual", {"resolution": 16}, {"std": STD, "tokenizer": tokenizer})
    (encoded,) = method.encode(trunk, [frames])
    small = VisionTransformer(replace(CONFIG, image=16)).eval().requires_grad_(False)
    state = trunk.state_dict()
    grid = state["positions"][1:].view(1, 4, 4, 32).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(2, 2), mode="bicubic", antialias=True, align_corners=False)
    state["positions"] = torch.cat([state["positions"][:1], grid.flatten(2)[0].T])
    small.load_state_dict(state)
    pixels = F.interpolate(frames.pixels[1:], size=(16, 16), mode="bilinear", align_corners=False)
    token = tokenizer(Full().encode(trunk, [frames])[0].vectors[:1]).expand(2, -1)
    x = small.embed(pixels)
    expected = unit(small(torch.cat([x[:, :1], token[:, None], x[:, 1:]], dim=1)))
    torch.testing.assert_close(encoded.vectors[1:], expected, atol=1e-5, rtol=0)
    assert encoded.kept is not None
    assert encoded.kept.sort().values.tolist() == [[0, 1, 2, 3]] * 2
    assert trunk.config.image == 32
    assert trunk.positions.shape == (17, 32)


def test_frames_are_shrunk_without_a_filter() -> None:
    pixels = torch.arange(16.0).view(1, 1, 4, 4).expand(-1, 3, -1, -1)
    assert shrink(pixels, 4) is pixels
    assert shrink(pixels, 2)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    stripes = torch.tensor([0.0, 1.0, 0.0]).repeat(3).expand(1, 3, 9, 9)
    assert shrink(stripes, 3)[0, 0].tolist() == [[1.0] * 3] * 3  # a filter would give a third


def test_residuals_are_measured_where_none_are_handed_in(
    trunk: VisionTransformer, tokenizer: ResidualTokenizer
) -> None:
    frames = segment(3)
    method = Residual(tokenizer=tokenizer, std=STD, select="residuals", keep=0.25)
    (encoded,) = method.encode(trunk, [frames])
    left = compensated_difference(frames.pixels[1:], frames.pixels[:1].expand(2, -1, -1, -1), std=STD, grid=4)
    assert encoded.kept is not None
    assert encoded.scores is not None
    torch.testing.assert_close(encoded.scores, left)
    assert encoded.kept.tolist() == left.topk(4).indices.tolist()
    (handed,) = method.encode(trunk, [replace(frames, motion=torch.arange(48.0).view(3, 4, 4))])
    assert handed.kept is not None
    assert handed.kept.tolist() == [[15, 14, 13, 12]] * 2


def test_a_student_encodes_p_frames_at_its_own_size(trunk: VisionTransformer) -> None:
    config = replace(CONFIG, width=48, heads=3, patch=4, image=16, layers=2)
    tower = VisionTransformer(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for parameter in tower.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    torch.manual_seed(0)
    tokenizer = ResidualTokenizer(dim=16, width=48).requires_grad_(False)
    student = Student(tower, model="small", weights="abc")
    method = Residual(tokenizer=tokenizer, std=STD, student=student, keep=1.0, select="uniform")
    frames = segment(3)
    (encoded,) = method.encode(trunk, [frames])
    (full,) = Full().encode(trunk, [frames])
    torch.testing.assert_close(encoded.vectors[0], full.vectors[0])
    x = tower.embed(shrink(frames.pixels[1:], 16))
    token = tokenizer(full.vectors[:1]).expand(2, -1)
    expected = unit(tower(torch.cat([x[:, :1], token[:, None], x[:, 1:]], dim=1)))
    torch.testing.assert_close(encoded.vectors[1:], expected, atol=1e-5, rtol=0)
    assert encoded.macs == vit_macs(CONFIG) + 2 * vit_macs(config, extra=1) + 16 * 48
    assert method_settings(method)["student"] == "small, weights abc"


def test_settings_not_in_force_are_no_part_of_the_fingerprint(tokenizer: ResidualTokenizer) -> None:
    parts = {"std": STD, "tokenizer": tokenizer}
    merged = method_settings(build_method("residual", {"r": 4}, parts))
    assert merged.keys() == {"interleave", "token", "r", "resolution", "tokenizer"}
    bare = method_settings(build_method("residual", {"token": False}, parts))
    assert bare["token"] is False
    assert "tokenizer" not in bare


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r": 4, "keep": 0.2}, r"give r .* or keep or threshold .* received r=4 and keep=0.2"),
        ({"r": 4, "threshold": 0.2, "select": "difference"}, r"received r=4 and threshold=0.2"),
        ({"r": -1}, "0 or more; received -1"),
        ({"r": 2.5}, "r is int or None; received 2.5"),
        ({"token": 1}, "token is bool; received 1"),
        ({"resolution": 20}, "image side 20 is not a multiple of the patch side 8"),
        ({"resolution": 40}, "P-frames of 40 pixels would be larger than I-frames of 32"),
        ({"resolution": 16, "select": "motion"}, "select='motion' needs P-frames as large as I-frames, 32"),
        ({"resolution": 16, "select": "motion-signed"}, 'received 16. Use select="difference"'),
    ],
)
def test_bad_settings(tokenizer: ResidualTokenizer, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_method("residual", settings, {"std": STD, "tokenizer": tokenizer}).between(CONFIG)


def test_a_token_needs_its_tokenizer() -> None:
    with pytest.raises(SettingsError, match="token=False does without"):
        Residual(std=STD)
