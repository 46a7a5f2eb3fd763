"""Rendered clips: deterministic, labelled with what they show, most of a video each."""

from dataclasses import replace

import torch

from vidskim.synth.actions import action_number, draw_action
from vidskim.synth.vocabulary import Split
from vidskim.train.actions import ActionClips

CLIPS = ActionClips(frames=4, side=24, batch=3)


def test_a_batch_is_the_same_each_time_and_no_other() -> None:
    first, again, other = CLIPS[2], CLIPS[2], CLIPS[3]
    assert first["clips"].shape == (3, 4, 24, 24, 3)
    assert first["clips"].dtype == torch.uint8
    assert torch.equal(first["clips"], again["clips"])
    assert not torch.equal(first["clips"], other["clips"])
    for changed in (replace(CLIPS, seed=1), replace(CLIPS, split=Split.VALIDATION)):
        assert not torch.equal(first["clips"], changed[2]["clips"])


def test_labels_are_of_the_videos_shown() -> None:
    labels = [action_number(draw_action("train", seed=0, number=number)) for number in range(6, 9)]
    assert CLIPS[2]["labels"].tolist() == labels
    larger = replace(CLIPS, batch=9)
    assert larger[0]["labels"].tolist()[6:] == labels  # which videos there are does not depend on the batch
