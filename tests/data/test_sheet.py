"""Contact sheets: the frames are where they belong, and nothing is shown of files that are not sound."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from robolearn.core.errors import DataError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Step
from robolearn.data import contact_sheet, describe_demos, inspect_demos, write_demos
from robolearn.data.sheet import BREAK, GAP, HEADER, LABEL, MARGIN

SPEC = EnvSpec(
    obs={
        "pixels/front": ArraySpec((48, 64, 3), "uint8", 0, 255),
        "pixels/wrist": ArraySpec((48, 48, 3), "uint8", 0, 255),
    },
    action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.GRIPPER, size=1),)),
    rate_hz=10.0,
    max_steps=50,
)


def episode(length: int, success: bool, cameras: bool = True) -> list[Step]:
    rows = []
    for t in range(length + 1):
        value = 200 * t // length
        obs = {"pixels/front": np.full((48, 64, 3), value, np.uint8), "pixels/wrist": np.full((48, 48, 3), 255 - value, np.uint8)}  # fmt: skip
        rows.append(
            Step(
                obs=obs if cameras else {"state/q": np.zeros(2, np.float32)},
                action=np.zeros(1, np.float32),
                rewards={"task": 0.0},
                is_first=t == 0,
                is_last=t == length,
                success=success and t == length - 1,
            )
        )
    return rows


def test_frames_are_evenly_spaced_in_rows_of_cameras(tmp_path: Path) -> None:
    out = contact_sheet([episode(8, True), episode(20, False)], tmp_path / "deep" / "s.png", columns=5, size=96)
    image = cv2.imread(str(out))
    assert image is not None
    x, y = MARGIN + LABEL, MARGIN + HEADER
    height = 2 * (2 * (96 + GAP) + BREAK)
    assert image.shape == (y + height - BREAK + MARGIN, x + 5 * (128 + GAP) - GAP + MARGIN, 3)
    for column in range(5):
        assert np.ptp(image[y : y + 96, x + column * (128 + GAP) :][:, :128]) == 0
        assert image[y + 5, x + column * (128 + GAP), 0] == 50 * column
        assert image[y + 96 + GAP + 5, x + column * (96 + GAP), 0] == 255 - 50 * column
    label = image[y : y + 96, MARGIN : x - 12]
    assert (label.max(-1).astype(int) - label.min(-1)).max() > 60, "a coloured verdict is written"


def test_many_episodes_are_sampled(tmp_path: Path) -> None:
    one = cv2.imread(str(contact_sheet([episode(4, True)] * 3, tmp_path / "a.png", rows=3)))
    many = cv2.imread(str(contact_sheet([episode(4, True)] * 50, tmp_path / "b.png", rows=3)))
    assert one is not None
    assert many is not None
    assert one.shape == many.shape


def test_from_a_file_and_in_words(tmp_path: Path) -> None:
    path = write_demos(tmp_path / "d.hdf5", SPEC, [episode(10, True), episode(20, False)], env={"yaw": 0.4})
    assert contact_sheet(path, tmp_path / "s.png").stat().st_size > 1000
    text = describe_demos(inspect_demos(path))
    for part in (
        "2 episodes, 30 steps, 1 solved",
        "10 Hz",
        "arm.gripper[0:1]",
        "pixels/front",
        "(48, 64, 3)",
        "yaw: 0.4",
    ):
        assert part in text
    assert [line.split()[:3] for line in text.splitlines()[-2:]] == [["demo_0", "10", "yes"], ["demo_1", "20", "no"]]


def test_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one episode"):
        contact_sheet([], tmp_path / "s.png")
    with pytest.raises(DataError, match=r"expected a camera image, got obs \['state/q'\]"):
        contact_sheet([episode(3, True, cameras=False)], tmp_path / "s.png")
    (tmp_path / "d.hdf5").write_text("no")
    with pytest.raises(DataError, match="HDF5"):
        contact_sheet(tmp_path / "d.hdf5", tmp_path / "s.png")
    assert not (tmp_path / "s.png").exists()
