"""Training scenes: deterministic, of the right shapes, and never a combination kept back for testing."""

import numpy as np
import torch

from vidskim.models.tokenizer import Tokenizer
from vidskim.synth.captions import all_phrases
from vidskim.synth.vocabulary import Split, is_held_out
from vidskim.train.ranges import Ranges
from vidskim.train.scenes import Groups, Moments, draw_single_event, draw_visible


def moments(**changes: object) -> Moments:
    tokenizer = Tokenizer.learn(all_phrases(), merges=600)
    settings: dict[str, object] = {"image": 48, "context": 32, "batch": 6, **changes}
    return Moments(tokenizer=tokenizer, **settings)  # type: ignore[arg-type]


def test_a_batch_of_moments_is_the_same_each_time_and_no_other() -> None:
    first, again, other = moments()[3], moments()[3], moments()[4]
    assert first["pixels"].shape == (6, 48, 48, 3)
    assert first["pixels"].dtype == torch.uint8
    assert torch.equal(first["pixels"], again["pixels"])
    assert torch.equal(first["ids"], again["ids"])
    assert not torch.equal(first["pixels"], other["pixels"])
    assert not torch.equal(first["pixels"], moments(seed=1)[3]["pixels"])


def test_foreign_texts_come_after_the_captions_and_change_no_image() -> None:
    batch = moments(foreign=3)[0]
    assert batch["pixels"].shape[0] == 6
    assert batch["ids"].shape[0] == 9
    assert torch.equal(batch["pixels"], moments()[0]["pixels"])


def test_captions_are_cut_to_the_longest_and_all_end() -> None:
    batch = moments()
    ids = batch[0]["ids"]
    assert (ids[:, 0] == batch.tokenizer.start_id).all()
    ends = (ids == batch.tokenizer.end_id).int().argmax(dim=1)
    assert ends.max() == ids.shape[1] - 1
    assert (ends > 1).all()


def test_training_never_sees_what_is_held_out() -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        _, event = draw_single_event(generator, Split.TRAIN)
        assert not is_held_out(event.actor.look, str(event.actor.action))


def test_the_actor_can_be_seen_at_the_moment_drawn() -> None:
    generator = np.random.default_rng(0)
    actions = set()
    for _ in range(200):
        _, event = draw_single_event(generator, Split.TRAIN)
        actions.add(event.actor.action)
        t = draw_visible(event, generator)
        assert event.start_s <= t < event.end_s
        assert event.actor.pose(t - event.start_s, event.length_s).opacity > 0.4
    assert {"blinks", "appears", "disappears"} <= actions


def test_groups_are_neighbouring_frames_of_one_scene() -> None:
    source = Groups(image=48, ranges=Ranges((2, 2), (0.2, 0.2)), grid=6, batch=5)
    batch = source[0]
    frames = batch["frames"]
    assert frames.shape == (5, 3, 48, 48, 3)
    assert batch["kept"].shape == (5, 2, 7)
    assert torch.equal(frames, source[0]["frames"])
    within = (frames[:, 1].float() - frames[:, 0].float()).abs().mean()
    across = (frames[1:, 0].float() - frames[:-1, 0].float()).abs().mean()
    assert 0 < within < across / 3


def test_batches_that_ranks_see_together_have_groups_of_one_length() -> None:
    source = Groups(image=48, ranges=Ranges((1, 5), (0.1, 0.5)), grid=6, batch=1, together=2)
    shapes = [source[number]["kept"].shape for number in range(12)]
    assert shapes[::2] == shapes[1::2]
    assert len(set(shapes)) > 2
