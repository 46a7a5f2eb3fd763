"""One file, encoded block by block."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from vidskim.errors import NoFramesError, SettingsError, VideoError
from vidskim.pipeline.load import load_model
from vidskim.pipeline.single import encode_file
from vidskim.video.clip import Clip
from vidskim.video.read import iter_video, read_video
from vidskim.video.write import write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    ramp = np.linspace(0, 200, 40, dtype=np.uint8)[None, :, None]
    frames = (np.broadcast_to(ramp + 2 * number, (32, 40, 3)).astype(np.uint8) for number in range(20))
    write_video(tmp_path / "video.mp4", frames, 10.0)
    return tmp_path / "video.mp4"


@pytest.mark.parametrize("method", ["full", "reuse"])
def test_blocks_give_the_vectors_of_the_whole_clip(video: Path, clip_folder: Path, method: str) -> None:
    encoder = load_model(clip_folder, method=method, dtype="float32")
    whole = encoder.encode(read_video(video, fps=5.0))
    parts = encode_file(video, encoder, fps=5.0, read=partial(iter_video, block=3))
    assert len(parts) == 10
    np.testing.assert_array_equal(parts.times_s, whole.times_s)
    torch.testing.assert_close(parts.vectors, whole.vectors, atol=1e-5, rtol=0)


def test_what_cannot_be_read_says_so(tmp_path: Path, clip_folder: Path) -> None:
    encoder = load_model(clip_folder)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError, match="not a readable video"):
        encode_file(tmp_path / "text.mp4", encoder)

    def nothing(path: Path, **_: object) -> Iterator[Clip]:
        return iter(())

    with pytest.raises(NoFramesError, match="not one frame"):
        encode_file(tmp_path / "text.mp4", encoder, read=nothing)
    with pytest.raises(SettingsError, match=r"fps must be above 0 .*, received 0"):
        encode_file(tmp_path / "text.mp4", encoder, fps=0)
