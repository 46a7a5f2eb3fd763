"""Pre-trained VideoMAE models get a head; what they had for filling in what is hidden goes."""

from pathlib import Path

import pytest
import torch
import transformers

from vidskim.models.pretrained import is_pretrained, put_head
from vidskim.models.recognition import build_video, read_video_checkpoint
from vidskim.models.reduction import Reduction
from vidskim.models.weights import read_weights

SIZES = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80}
SHAPE = {"image_size": 24, "patch_size": 8, "num_frames": 8}
DECODER = {"decoder_hidden_size": 32, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = transformers.VideoMAEForPreTraining(
        transformers.VideoMAEConfig(**SIZES, **SHAPE, **DECODER, decoder_intermediate_size=32)
    )
    model.save_pretrained(tmp_path)
    return tmp_path


def test_hugging_faces_encoder_is_kept(folder: Path, generator: torch.Generator) -> None:
    stored = read_weights(folder)
    assert is_pretrained(stored)
    state = put_head(stored, classes=5)
    assert not is_pretrained(state)
    trunk = build_video(read_video_checkpoint(folder, state=state))
    theirs = transformers.VideoMAEModel.from_pretrained(folder, use_mean_pooling=True).eval()
    pixels = torch.randn(2, 3, 8, 24, 24, generator=generator)
    x = trunk.embed(pixels)
    for layer, block in enumerate(trunk.blocks):
        x = block(x, layer=layer, reduction=Reduction())
    with torch.no_grad():
        assert torch.allclose(theirs(pixels.transpose(1, 2)).last_hidden_state, x, atol=1e-5)
    assert (trunk(trunk.embed(pixels)) == 0).all()  # the head knows nothing yet
    assert trunk.config.classes == 5


def test_the_authors_names_lose_their_encoder() -> None:
    names = ("patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.norm1.weight", "norm.weight")
    stored = {f"encoder.{name}": torch.ones(6, 6) for name in names}
    stored |= {
        "decoder.head.weight": torch.ones(2),
        "mask_token": torch.ones(1),
        "encoder_to_decoder.weight": torch.ones(1),
    }
    assert is_pretrained(stored)
    assert set(put_head(stored, classes=3)) == {
        *names[:3],
        "fc_norm.weight",
        "fc_norm.bias",
        "head.weight",
        "head.bias",
    }


def test_a_fine_tuned_model_is_none_of_these() -> None:
    assert not is_pretrained({"blocks.0.attn.qkv.weight": torch.ones(1)})
    assert not is_pretrained({"decoder.weight": torch.ones(1)})
