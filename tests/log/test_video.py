"""Videos: decoded again, they show what was put in."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from robolearn.core.errors import DataError, SpecError
from robolearn.core.types import Step
from robolearn.log.video import BACKGROUND, BORDER, FAILURE, GAP, SUCCESS, VideoRecorder, tile, write_video


def decode(path: Path) -> tuple[np.ndarray, dict[str, object]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        about = {"codec": stream.codec_context.name, "format": stream.codec_context.pix_fmt, "fps": stream.average_rate}
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]), about


def flat(value: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*shape, 3), value, np.uint8)


def test_a_browser_can_play_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "deep" / "v.mp4", (flat(20 * i) for i in range(10)), fps=10)
    frames, about = decode(path)
    assert about == {"codec": "h264", "format": "yuv420p", "fps": 10}
    assert frames.shape == (10, 48, 64, 3)
    assert np.abs(frames.mean((1, 2, 3)) - 20 * np.arange(10)).max() < 4
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert [p.name for p in path.parent.iterdir()] == ["v.mp4"]


def test_odd_sizes_and_rates(tmp_path: Path) -> None:
    frames, about = decode(write_video(tmp_path / "v.mp4", [flat(100, (47, 63))] * 3, fps=12.5))
    assert frames.shape == (3, 48, 64, 3)
    assert about["fps"] == 12.5


def test_bad_frames_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one frame"):
        write_video(tmp_path / "v.mp4", [], fps=10)
    with pytest.raises(SpecError, match=r"v\.mp4, frame: expected uint8 \(48, 64, 3\), got uint8 \(48, 65, 3\)"):
        write_video(tmp_path / "v.mp4", [flat(0), flat(0, (48, 65))], fps=10)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="room to write"):
        write_video(tmp_path / "file" / "v.mp4", [flat(0)], fps=10)


def test_tile_borders_and_holds_the_last_frame() -> None:
    films = [[flat(10), flat(20)], [flat(30)], []]
    frames = list(tile(films, [True, False, True], columns=2))
    assert len(frames) == 2
    cell = 64 + 2 * BORDER + GAP
    assert frames[0].shape == (48 + 2 * BORDER, 2 * cell - GAP, 3)
    assert tuple(frames[0][0, 0]) == SUCCESS
    assert tuple(frames[0][0, cell]) == FAILURE
    assert tuple(frames[0][0, cell - 1]) == BACKGROUND
    assert frames[0][BORDER, BORDER, 0] == 10
    assert frames[1][BORDER, BORDER, 0] == 20
    assert frames[1][BORDER, cell + BORDER, 0] == 30


def test_tile_without_verdicts_is_the_picture_alone() -> None:
    (frame,) = tile([[flat(10)]])
    np.testing.assert_array_equal(frame, flat(10))
    assert list(tile([])) == []
    with pytest.raises(SpecError, match="episode 1"):
        list(tile([[flat(1)], [flat(1, (48, 65))]]))


def step(value: int) -> Step:
    obs = {"pixels/a": flat(value), "pixels/b": flat(value, (24, 32)), "proprio/q": np.zeros(3, np.float32)}
    return Step(obs=obs, action=np.zeros(2, np.float32), rewards={"task": 0.0}, is_first=False)


def test_recorder_films_cameras_side_by_side(tmp_path: Path) -> None:
    recorder = VideoRecorder(tmp_path / "v.mp4", fps=10, episodes=2)
    for episode in range(3):
        for t in range(episode + 2):
            frames = {"view": flat(40 * t, (48, 96))} if episode == 1 else None
            recorder.on_step(step(40 * t), frames)
        recorder.on_episode(episode == 0, episode + 2)
    recorder.close()
    recorder.close()
    frames, _ = decode(tmp_path / "v.mp4")
    assert frames.shape[0] == 3
    assert frames.shape[1] * frames.shape[2] >= 2 * (48 + 2 * BORDER) * (96 + 2 * BORDER)
    VideoRecorder(tmp_path / "none.mp4", fps=10).close()
    assert not (tmp_path / "none.mp4").exists()


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nimport numpy as np\nfrom pathlib import Path\n"
        "from robolearn.core.errors import DataError\nfrom robolearn.log.video import write_video\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\nrng = np.random.default_rng(0)\n"
        "try:\n    write_video(Path('v.mp4'), (rng.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(20)), 10)\n"
        "except DataError as error:\n    sys.exit('room to write' not in str(error))\nsys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
