"""TempMe as a model that is loaded: its authors' numbers, plans, masks, adapters."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import vidskim
from vidskim.errors import CheckpointError, SettingsError
from vidskim.evaluate.ranking import score_retrieval
from vidskim.models.adapter import ADAPTER_FILE, Adapter, save_adapter
from vidskim.models.checkpoint import read_checkpoint
from vidskim.models.cost import vit_macs
from vidskim.models.lora import LowRank
from vidskim.pipeline.load import load_encoder, load_text_encoder
from vidskim.pipeline.retrieval import RetrievalEncoder
from vidskim.synth.vocabulary import ACTIONS, Split
from vidskim.train.losses import contrastive_loss
from vidskim.train.pairs import held_out_rendered
from vidskim.video.clip import Clip, Health
from vidskim.video.prepare import normalise, prepare_frames

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tempme"
PLAN = {"frames": 12, "joins": {2: 2, 3: 2, 4: 3}, "r": 1, "across": 0.3, "within": 0.1}


def load(source: Path = FIXTURE, **options: Any) -> RetrievalEncoder:
    given = {"method": "tempme", "plan": PLAN, "device": "cpu", "dtype": "float32", **options}
    model = vidskim.load_model(source, **given)
    assert isinstance(model, RetrievalEncoder)
    return model


@pytest.fixture(scope="module")
def videos() -> Tensor:
    return torch.stack([load_file(FIXTURE / f"video-{number}.safetensors")["video"] for number in range(2)])


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return load_file(FIXTURE / "expected.safetensors")


@pytest.mark.parametrize("faithful", [True, False])
def test_the_authors_numbers(videos: Tensor, expected: dict[str, Tensor], faithful: bool) -> None:
    """Features of frames, videos and texts, and their loss, within 1e-5."""
    model = load(faithful=faithful)
    vectors, trace = model.encode_video(videos, torch.ones(2, 12), trace=True)
    torch.testing.assert_close(trace.frames, expected["frame_feats"], atol=1e-5, rtol=0)
    torch.testing.assert_close(trace.mean, expected["video_feat"], atol=1e-5, rtol=0)
    assert torch.equal(vectors, model.encode_video(videos))
    assert model.text is not None
    with torch.inference_mode():
        texts = model.text(expected["text_ids"])
    torch.testing.assert_close(texts, expected["text_feat"], atol=1e-5, rtol=0)
    scale = read_checkpoint(FIXTURE).logit_scale
    assert scale is not None
    units = texts / texts.norm(dim=1, keepdim=True)
    factor = torch.tensor(scale).exp()
    torch.testing.assert_close(
        factor * units @ vectors.T, expected["logits"], atol=2e-4, rtol=0
    )  # 1e-5 of cosines
    torch.testing.assert_close(contrastive_loss(vectors, units, factor), expected["loss"], atol=1e-4, rtol=0)


def test_the_authors_merges(videos: Tensor, expected: dict[str, Tensor]) -> None:
    """Which token goes into which, and which stay, exactly, in all 9 merges of both videos."""
    merged = load(faithful=True).encode_video(videos, trace=True)[1].merged
    assert [(m.layer, m.stage) for m in merged[:4]] == [
        (0, "within"),
        (1, "within"),
        (2, "across"),
        (2, "within"),
    ]
    assert len(merged) == 9
    seen: dict[int, int] = {}
    for each in merged:
        number = seen[each.layer] = seen.get(each.layer, -1) + 1
        names = ("src", "dst", "unm")
        stem = f"layers/{each.layer}/merges/{number}"
        source, target, stays = (expected[f"{stem}/{name}_idx"].long() for name in names)
        places = torch.arange(each.frames, each.slots.shape[1])
        even, odd = places[places % 2 == 0], places[places % 2 == 1]
        assert torch.equal(each.slots.gather(1, even[source]), each.slots.gather(1, odd[target]))
        kept = each.slots.gather(1, even[stays].sort(dim=1).values)  # the surviving tokens keep their order
        assert torch.equal(kept, each.frames + torch.arange(stays.shape[1]).expand_as(kept))
        rest = each.slots[:, odd]
        assert torch.equal(rest, each.frames + stays.shape[1] + torch.arange(len(odd)).expand_as(rest))


def test_an_authors_checkpoint_as_a_frame_model(videos: Tensor) -> None:
    """Its LoRA is inside the weights; without joins it is the frames' mean."""
    encoder = load_encoder(FIXTURE, device="cpu", dtype="float32")
    frames = encoder.encode_pixels(videos[0]).vectors
    alone = load(plan={"frames": 12, "joins": []})
    torch.testing.assert_close(
        alone.encode_video(videos[:1], trace=True)[1].frames[0], frames, atol=1e-5, rtol=0
    )


def test_plan_states_tokens_and_cost() -> None:
    model = load()
    table = model.plan()
    assert [block.leaving for block in table.blocks] == [16, 15, 19, 25, 48, 44]
    assert table.macs == model.method.macs(model.trunk.config)
    assert table.full_macs == 12 * vit_macs(model.trunk.config)
    lines = str(table).splitlines()
    assert lines[3].split() == ["2", "6", "2", "15", "30", "21", "19"]
    assert lines[-1] == "12 frames, 0.15 GMAC, 64% of the frames alone"
    assert json.loads(json.dumps(table.to_json()))["blocks"][2]["across"] == 9
    assert "b32" not in repr(model)
    assert "ClipPlan(frames=12" in repr(model)


def test_settings_are_in_the_fingerprint() -> None:
    prints = [
        load(**options).fingerprint
        for options in ({}, {"split": "clip"}, {"merge": False}, {"faithful": True})
    ]
    assert len({each.digest for each in prints}) == 4
    assert prints[0].settings["plan"] == {**PLAN, "joins": [[2, 2], [3, 2], [4, 3]]}
    assert prints[2].settings["plan"]["r"] == 0  # type: ignore[index]
    assert {each.weights for each in prints} == {read_checkpoint(FIXTURE).weights_hash}


def test_padded_frames_and_many_videos(videos: Tensor) -> None:
    model = load()
    mask = torch.arange(12).expand(2, 12) < torch.tensor([[12], [7]])
    both = model.encode_video(videos, mask)
    other = videos.clone()
    other[1, 7:] = 9
    assert torch.equal(model.encode_video(other, mask.int()), both)
    assert not torch.equal(
        load(faithful=True).encode_video(other, mask), load(faithful=True).encode_video(videos, mask)
    )
    many = model.encode_video(videos.repeat(9, 1, 1, 1, 1), mask.repeat(9, 1))  # in more than one batch
    torch.testing.assert_close(many, both.repeat(9, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(many.norm(dim=1), torch.ones(18))
    assert model.encode_video(videos[:0]).shape == (0, 32)


def test_a_clip_is_as_many_of_its_frames(generator: torch.Generator) -> None:
    model = load()
    frames = torch.randint(0, 256, (30, 40, 50, 3), generator=generator, dtype=torch.uint8).numpy()
    clip = Clip(frames, np.arange(30) / 3.0, None, Health("straight"))
    rows = [0, 2, 5, 7, 10, 13, 15, 18, 21, 23, 26, 29]
    wanted = model.encode_video(prepare_frames(frames[rows], model.preparation)[None])[0]
    assert torch.equal(model.encode(clip), wanted)
    assert model.encode(clip[:5]).shape == (32,)
    with pytest.raises(SettingsError, match="encode takes a Clip, as read_video gives; received ndarray"):
        model.encode(frames)  # type: ignore[arg-type]


def test_an_adapter_beside_a_plain_clip(
    clip_folder: Path, tmp_path: Path, videos: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    """From its file, found in the folder by its name, and refused beside other weights."""
    base = tmp_path / "base"
    shutil.copytree(clip_folder, base)
    plain = read_checkpoint(base)
    vision = plain.vision
    plan = {"frames": 4, "joins": {1: 2}, "r": 1, "across": 0.3, "within": 0.1}
    generator = torch.Generator().manual_seed(0)
    pairs = {
        n: LowRank(
            0.1 * torch.randn(2, vision.width, generator=generator),
            torch.randn(3 * vision.width, 2, generator=generator),
        )
        for n in range(vision.layers)
    }
    adapter = Adapter(pairs, {}, {1: torch.randn(4, vision.width, generator=generator)}, {"plan": plan})
    file = tmp_path / "elsewhere.safetensors"
    save_adapter(file, adapter, backbone=plain.backbone)
    pixels = torch.randn(1, 4, 3, vision.image, vision.image, generator=generator)
    given = load(base, plan=None, adapter=file)
    assert given.frames == 4
    bare = load(base, plan=plan).encode_video(pixels)
    shutil.copy(file, base / ADAPTER_FILE)
    assert torch.equal(load(base, plan=None).encode_video(pixels), given.encode_video(pixels))
    assert not torch.allclose(bare, given.encode_video(pixels), atol=1e-3)
    frames = load_encoder(base, device="cpu", dtype="float32")  # frame methods take one only when told to
    assert frames.fingerprint.weights == plain.weights_hash
    tuned = load_encoder(base, device="cpu", dtype="float32", adapter=file)
    assert tuned.fingerprint.weights == given.fingerprint.weights
    with pytest.raises(SettingsError, match=r"clip positions of block 1 are .* which is of another plan"):
        load(base, adapter=file, plan={"frames": 8, "joins": {1: 2}})
    assert torch.equal(load(base, plan=plan).encode_video(pixels), given.encode_video(pixels))
    assert not caplog.messages
    other = load(
        base, plan={"frames": 8, "joins": {1: 2}}
    ).fingerprint.weights  # and what it does not fit, without it
    assert other == plain.weights_hash
    assert caplog.messages == [
        f"{base / ADAPTER_FILE} is left out: its clip positions are of 4 frames and joins [[1, 2]]"
    ]
    with pytest.raises(CheckpointError, match="this adapter was trained beside another model"):
        load(FIXTURE.parent / "residualvit_weights.safetensors", adapter=file, config={"heads": 4})


def test_texts_are_cut_as_in_the_adapters_training(clip_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    plan = {"frames": 4, "joins": []}
    adapter = Adapter({}, {}, settings={"plan": plan}, words=5)
    save_adapter(file, adapter, backbone=read_checkpoint(clip_folder).backbone)
    cut, plain = load(clip_folder, plan=None, adapter=file), load(clip_folder, plan=plan)
    long, short = "a cat on a mat and a dog", "a cat on"  # start and end are tokens too
    assert (cut.texts.context, plain.texts.context) == (5, plain.text.config.context)
    one, other = cut.encode_text([long, short])
    torch.testing.assert_close(one, other)
    assert not torch.allclose(plain.encode_text([long])[0], other, atol=1e-3)
    texts = load_text_encoder(clip_folder, method="tempme", adapter=file, device="cpu", dtype="float32")
    torch.testing.assert_close(texts.encode_text([long])[0], one)
    assert texts.count_tokens([long]) == 5


def test_what_needs_frames_of_their_own_is_refused() -> None:
    with pytest.raises(SettingsError, match="method='tempme' gives one vector a video"):
        load_encoder(FIXTURE, method="tempme", plan=PLAN)


def test_the_bundled_adapter_knows_what_single_frames_do_not() -> None:
    """Five actors that no training has seen so, each in every action."""
    exam = held_out_rendered(frames=8, side=112, split=Split.TEST, looks=5, each=len(ACTIONS))
    own = vidskim.load_model("demo", method="tempme", dtype="float32")
    alone = vidskim.load_model("demo", method="tempme", plan={"frames": 8, "joins": []}, dtype="float32")
    clips = torch.stack([normalise(exam.read(number), own.preparation) for number in range(exam.count)])
    sums = []
    for model, pixels in ((own, clips), (own, clips.flip(1)), (alone, clips), (alone, clips.flip(1))):
        similarity = model.encode_text(exam.sentences) @ model.encode_video(pixels).T
        to_video, to_text = score_retrieval(similarity.numpy(), exam.owners)
        sums.append(to_video.r_sum + to_text.r_sum)
    joined, backwards, frames, frames_backwards = sums
    assert joined > frames + 30
    assert joined > backwards + 30  # it is the order in time that it has learnt
    assert abs(frames - frames_backwards) < 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plan": "b32-12f"}, "joins clips in block 10, and the model's blocks are 0 to 5"),
        ({"plan": None}, "no plan is published for models of 6 blocks and patches of 16 pixels"),
        ({"keep": 0.5}, "unknown setting of method='tempme', 'keep'; allowed: faithful, merge, plan, split"),
        ({"merge": 1}, "merge is True or False; received 1"),
    ],
)
def test_settings_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(**options)


def test_videos_that_do_not_fit_are_named(videos: Tensor) -> None:
    model = load()
    with pytest.raises(SettingsError, match=r"expected pixels \[b, 12, 3, y, x\]"):
        model.encode_video(videos[:, :8])
    with pytest.raises(SettingsError, match=r"normalised floats, received torch.uint8"):
        model.encode_video(videos.to(torch.uint8))
    with pytest.raises(SettingsError, match=r"a mask \[b, t\] = \[2, 12\], received \[12\]"):
        model.encode_video(videos, torch.ones(12))
    with pytest.raises(SettingsError, match=r"the mask hides all of \[1\]"):
        model.encode_video(videos, torch.tensor([[1.0] * 12, [0.0] * 12]))
    with pytest.raises(CheckpointError, match="came without tokenizer files"):
        model.encode_text(["a dog"])
