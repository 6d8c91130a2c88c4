"""Demonstrations from any file that is understood, into any form that is written."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from episodes import SPEC, episode, robomimic_file

from robolearn.core.errors import DataError, SpecError
from robolearn.core.specs import ActionKind
from robolearn.data import convert, open_demos, read_demos, write_demos


def test_robomimics_files_come_out_under_our_names_and_conventions(tmp_path):
    path = robomimic_file(tmp_path / "lift.hdf5")
    source = open_demos(path)
    assert (source.kind, source.count, source.spec.rate_hz) == ("robomimic", 3, 20.0)
    kinds = [(part.arm, part.kind, part.size, part.scale) for part in source.spec.action.parts]
    assert kinds[1:] == [("robot0", ActionKind.ROTATION_DELTA, 3, 0.5), ("robot0", ActionKind.GRIPPER, 1, 1.0)]
    first = next(source.episodes)
    with h5py.File(path) as file:
        demo = file["data/demo_0"]
        for t in range(6):
            if t == 5:  # after the first success nothing counts; this is what the last action led to
                np.testing.assert_array_equal(first[t].obs["pixels/agentview"], demo["obs/agentview_image"][5])
                break
            np.testing.assert_allclose(first[t].action[:6], demo["actions"][t, :6], atol=1e-7)
            assert first[t].action[6] == pytest.approx(-demo["actions"][t, 6])
            x, y, z, w = demo["obs/robot0_eef_quat"][t]
            np.testing.assert_allclose(first[t].obs["proprio/robot0.quat_wxyz"], [w, x, y, z], atol=1e-6)
            np.testing.assert_array_equal(first[t].obs["pixels/agentview"], demo["obs/agentview_image"][t])
    assert len(first) == 6
    assert first[4].success
    assert first[5].is_terminal
    assert not any(step.success for step in first[:4])


def test_an_episode_that_fails_is_kept_whole_and_truncated(tmp_path):
    path = robomimic_file(tmp_path / "lift.hdf5", wins_at=None)
    first = next(open_demos(path).episodes)
    assert len(first) == 7
    assert first[-1].is_truncated
    with h5py.File(path) as file:
        np.testing.assert_array_equal(
            first[-1].obs["pixels/agentview"], file["data/demo_0/next_obs/agentview_image"][-1]
        )


def test_filter_keys_choose_episodes_and_unknown_ones_are_refused(tmp_path):
    path = robomimic_file(tmp_path / "lift.hdf5")
    source = open_demos(path, mask="train")
    assert source.count == len(list(source.episodes)) == 2
    with pytest.raises(DataError, match="did you mean train"):
        open_demos(path, mask="trian")


def test_only_what_an_env_observes_is_read_and_what_is_missing_is_named(tmp_path):
    path = robomimic_file(tmp_path / "lift.hdf5")
    whole = open_demos(path).spec
    keep = {key: whole.obs[key] for key in ("pixels/agentview", "proprio/robot0.position")}
    spec = type(whole)(obs=keep, action=whole.action, rate_hz=20.0, max_steps=200)
    assert set(next(open_demos(path, spec).episodes)[0].obs) == set(keep)
    other = type(whole)(
        obs={**keep, "pixels/wrist": keep["pixels/agentview"]}, action=whole.action, rate_hz=20.0, max_steps=9
    )
    with pytest.raises(SpecError, match=r"pixels/wrist.*robolearn convert"):
        open_demos(path, other)


def test_every_form_becomes_every_other_and_numbers_survive_exactly(tmp_path):
    true = [episode(i, 4) for i in range(3)]
    write_demos(tmp_path / "a.hdf5", SPEC, true)
    convert(open_demos(tmp_path / "a.hdf5"), tmp_path / "b", task="lift")
    back = convert(open_demos(tmp_path / "b"), tmp_path / "c.hdf5")
    for mine, other in zip(read_demos(back, SPEC), true, strict=True):
        for step, original in zip(mine, other, strict=True):
            np.testing.assert_array_equal(step.action, original.action)
            np.testing.assert_array_equal(step.obs["proprio/arm.position"], original.obs["proprio/arm.position"])
    path = robomimic_file(tmp_path / "lift.hdf5")
    ours = convert(open_demos(path), tmp_path / "ours.hdf5")
    for mine, other in zip(read_demos(ours), open_demos(path).episodes, strict=True):
        assert [step.action.tolist() for step in mine] == [step.action.tolist() for step in other]


def drop(name):
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file[name]

    return damage


def put(name, change):
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            values = file[name][()]
            del file[name]
            file[name] = change(values)

    return damage


def nan(values):
    values[1] = np.nan
    return values


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (drop("data/demo_1/actions"), "demo_1"),
        (drop("data/demo_1/obs/agentview_image"), "demo_1"),
        (put("data/demo_1/actions", lambda a: 3.0 * a), r"demo_1.*beyond \[-1, 1\]"),
        (put("data/demo_1/actions", nan), "demo_1.*NaN"),
        (put("data/demo_1/actions", lambda a: a[:, :6]), "demo_1"),
        (put("data/demo_1/rewards", lambda a: a[:3]), "demo_1"),
        (put("data/demo_1/obs/agentview_image", lambda a: a[:, :8]), "demo_1.*pixels/agentview"),
        (put("data/demo_1/obs/agentview_image", lambda a: a.astype(np.float32)), "demo_1.*uint8"),
        (put("data/demo_1/obs/robot0_eef_pos", nan), "demo_1.*NaN"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "file header|demo_"),
        (lambda path: path.write_bytes(b"nothing"), "an HDF5 file"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_damaged_foreign_files_are_one_clear_error(tmp_path, damage, hint):
    path = robomimic_file(tmp_path / "lift.hdf5")
    damage(path)
    with pytest.raises(DataError, match=hint):
        list(open_demos(path).episodes)


def test_empty_folders_and_unknown_forms_are_refused(tmp_path):
    with pytest.raises(DataError, match="a LeRobot dataset, or a file"):
        open_demos(tmp_path)
    write_demos(tmp_path / "a.hdf5", SPEC, [episode(0, 4)])
    with pytest.raises(DataError, match="the name of a folder"):
        convert(open_demos(tmp_path / "a.hdf5"), tmp_path / "b.zip")
