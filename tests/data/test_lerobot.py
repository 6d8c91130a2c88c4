"""LeRobot datasets: what goes in comes out, other people's are read too, and every kind of damage is one clear error."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from episodes import SPEC, episode, picture

from robolearn.core.errors import DataError
from robolearn.core.specs import ArraySpec
from robolearn.data import lerobot as layout
from robolearn.data.lerobot_reader import LeRobotReader
from robolearn.data.lerobot_writer import LeRobotWriter, write_lerobot

CODEC_ERROR = 6.0
"""Mean difference of a smooth picture's values after H.264, of 255."""


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_lerobot(tmp_path / "set", SPEC, [episode(i, 3 + 2 * i) for i in range(4)], task="lift the cube")


def test_a_round_trip_keeps_numbers_exactly_and_pictures_within_the_codecs_error(dataset):
    reader = LeRobotReader(dataset)
    assert (reader.spec, reader.episodes) == (SPEC, 4)
    for i, (back, true) in enumerate(zip(reader, (episode(i, 3 + 2 * i) for i in range(4)), strict=True)):
        assert len(back) == len(true), i
        for mine, other in zip(back, true, strict=True):
            np.testing.assert_array_equal(mine.action, other.action, strict=True)
            for key in ("proprio/arm.position", "proprio/arm.gripper", "state/cube"):
                np.testing.assert_array_equal(mine.obs[key], other.obs[key], strict=True)
            error = np.abs(mine.obs["pixels/front"].astype(float) - other.obs["pixels/front"]).mean()
            assert error < CODEC_ERROR
            names = ("rewards", "is_first", "is_last", "is_terminal", "intervened", "success")
            assert [getattr(mine, name) for name in names] == [getattr(other, name) for name in names]


def test_pictures_stay_with_their_steps(dataset):
    for back, i in zip(LeRobotReader(dataset), range(4), strict=True):
        for t, step in enumerate(back[:-1]):
            errors = [np.abs(step.obs["pixels/front"].astype(float) - picture(u, i)).mean() for u in range(len(back))]
            assert int(np.argmin(errors)) == t


def test_the_layout_is_lerobots(dataset):
    info = json.loads((dataset / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_frames"]) == ("v3.0", 10, 4, 24)
    assert info["features"]["observation.state"]["shape"] == [4]
    assert info["features"]["observation.state"]["names"] == ["arm.gripper.0", *(f"arm.position.{i}" for i in range(3))]
    assert info["features"]["observation.images.front"]["dtype"] == "video"
    assert not any("/" in name for name in info["features"])
    rows = pq.read_table(dataset / "data/chunk-000/file-000.parquet")
    assert set(rows.column_names) == {name for name, feature in info["features"].items() if feature["dtype"] != "video"}
    assert rows.column("frame_index").to_pylist()[:5] == [0, 1, 2, 0, 1]
    assert rows.column("index").to_pylist() == list(range(24))
    np.testing.assert_allclose(rows.column("timestamp").to_numpy()[:4], [0.0, 0.1, 0.2, 0.0], atol=1e-7)
    assert rows.schema.field("action").type == pa.list_(pa.float32(), 3)
    meta = pq.read_table(dataset / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(m["dataset_from_index"], m["dataset_to_index"]) for m in meta] == [(0, 3), (3, 8), (8, 15), (15, 24)]
    key = "videos/observation.images.front"
    assert [m[f"{key}/from_timestamp"] for m in meta] == pytest.approx([0.0, 0.3, 0.8, 1.5])
    stats = json.loads((dataset / "meta/stats.json").read_text())
    actions = np.concatenate([[s.action for s in episode(i, 3 + 2 * i)[:-1]] for i in range(4)])
    np.testing.assert_allclose(stats["action"]["mean"], actions.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(stats["action"]["std"], actions.std(axis=0), atol=1e-6)
    assert np.shape(stats["observation.images.front"]["max"]) == (3, 1, 1)
    assert stats["action"]["count"] == [24]
    tasks = pq.read_table(dataset / "meta/tasks.parquet")
    assert tasks.to_pylist() == [{"task_index": 0, "task": "lift the cube"}]


def test_a_dataset_of_others_is_read_with_actions_scaled_by_what_it_holds(dataset):
    shutil.rmtree(dataset / layout.OURS)
    stats = json.loads((dataset / layout.STATS).read_text())
    stats["action"]["min"], stats["action"]["max"] = [-2.0, -1.0, 0.0], [2.0, 1.0, 4.0]
    (dataset / layout.STATS).write_text(json.dumps(stats))
    reader = LeRobotReader(dataset)
    assert set(reader.spec.obs) == {"pixels/front", "proprio/robot.state", "state/environment_state"}
    first, true = next(iter(reader)), episode(0, 3)
    expected = (true[0].action - [0.0, 0.0, 2.0]) / [2.0, 1.0, 2.0]
    np.testing.assert_allclose(first[0].action, np.clip(expected, -1, 1), atol=1e-6)
    state = np.concatenate([true[0].obs["proprio/arm.gripper"], true[0].obs["proprio/arm.position"]])
    np.testing.assert_array_equal(first[0].obs["proprio/robot.state"], state)
    assert len(first) == 4
    assert first[-1].is_terminal


def test_an_interrupt_keeps_the_finished_episodes_and_an_empty_one_leaves_nothing(tmp_path):
    def interrupted():
        yield episode(0, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lerobot(tmp_path / "set", SPEC, interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["set.interrupted"]
    assert len(list(LeRobotReader(tmp_path / "set.interrupted"))) == 1
    with pytest.raises(DataError, match="at least one episode"):
        write_lerobot(tmp_path / "none", SPEC, [])
    assert [path.name for path in tmp_path.iterdir()] == ["set.interrupted"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {
    "no info": (lambda d: (d / layout.INFO).unlink(), "no such file"),
    "info cut short": (lambda d: cut(d / layout.INFO), "a JSON file"),
    "another version": (lambda d: (d / layout.INFO).write_text('{"codebase_version": "v2.1"}'), "convert it"),
    "rows cut short": (lambda d: cut(d / "data/chunk-000/file-000.parquet"), "episode 0"),
    "rows missing": (lambda d: shutil.rmtree(d / "data"), "rows are missing"),
    "video cut short": (lambda d: cut(next((d / "videos").rglob("*.mp4"))), "episode 0"),
    "video missing": (lambda d: next((d / "videos").rglob("*.mp4")).unlink(), "episode 0"),
    "episodes missing": (lambda d: shutil.rmtree(d / "meta/episodes"), "files are missing"),
    "episodes cut short": (lambda d: cut(d / "meta/episodes/chunk-000/file-000.parquet"), "meta/episodes"),
    "last observations missing": (lambda d: (d / layout.LAST).unlink(), "last_obs"),
    "spec cut short": (lambda d: cut(d / layout.SPEC), "spec.json"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_clear_error(dataset, case):
    damage, hint = DAMAGE[case]
    damage(dataset)
    with pytest.raises(DataError, match=hint):
        list(LeRobotReader(dataset))


def test_nan_and_shuffled_rows_are_refused(dataset):
    path = dataset / "data/chunk-000/file-000.parquet"
    whole = pq.read_table(path)
    rewards = whole.column("next.reward").to_numpy().copy()
    rewards[4] = np.nan
    column = whole.column_names.index("next.reward")
    pq.write_table(whole.set_column(column, "next.reward", pa.array(rewards, pa.float32())), path)
    with pytest.raises(DataError, match=r"episode 1, rewards.*NaN"):
        list(LeRobotReader(dataset))
    pq.write_table(pa.concat_tables([whole.slice(3), whole.slice(0, 3)]), path)
    with pytest.raises(DataError, match="episode 0"):
        list(LeRobotReader(dataset))


def test_what_the_format_cannot_hold_is_refused(tmp_path):
    import msgspec

    with pytest.raises(DataError, match="a whole number"):
        LeRobotWriter(tmp_path / "a", msgspec.structs.replace(SPEC, rate_hz=12.5))
    odd = {**SPEC.obs, "pixels/front": ArraySpec((31, 48, 3), "uint8", 0, 255)}
    with pytest.raises(DataError, match="even height and width"):
        LeRobotWriter(tmp_path / "b", msgspec.structs.replace(SPEC, obs=odd))
    assert list(tmp_path.iterdir()) == []
