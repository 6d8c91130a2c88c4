"""Wrappers that change what is observed: what they show, on exact numbers, and that snapshots carry what they remember."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError, SpecError
from robolearn.envs.build import build_env
from robolearn.envs.config import WrappersConfig
from robolearn.envs.dress import make_env
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.envs.wrappers import History, Reframe, Select


def plain():
    return build_env(ReachConfig(image_size=32, cameras=["front"]))


def actions(steps: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1.0, 1.0, (steps, 3)).astype(np.float32)


def test_history_shows_the_last_moments_newest_last_and_the_first_one_before_there_are_as_many():
    bare, env = plain(), History(plain(), frames=3, vectors=2)
    first, seen = bare.reset(seed=1)[0], env.reset(seed=1)[0]
    assert env.env_spec.obs["pixels/front"].shape == (32, 32, 9)
    frames, positions = [first["pixels/front"]] * 3, [first["proprio/arm.position"]] * 2
    for action in [None, *actions(4)]:
        if action is not None:
            obs, seen = bare.step(action)[0], env.step(action)[0]
            frames, positions = [*frames[1:], obs["pixels/front"]], [*positions[1:], obs["proprio/arm.position"]]
        np.testing.assert_array_equal(seen["pixels/front"], np.concatenate(frames, axis=2))
        np.testing.assert_array_equal(seen["proprio/arm.position"], np.concatenate(positions))
        assert env.observation_space.contains(seen)
        env.env_spec.validate_obs(seen)


def test_a_snapshot_carries_the_history_into_another_env():
    env, other = History(plain(), frames=2), History(plain(), frames=2)
    env.reset(seed=1)
    plan = actions(6)
    for action in plan[:3]:
        env.step(action)
    saved = env.save()
    expected = [env.step(action)[0] for action in plan[3:]]
    other.reset(seed=5)
    other.snapshot = saved
    for action, obs in zip(plan[3:], expected, strict=True):
        np.testing.assert_array_equal(other.step(action)[0]["pixels/front"], obs["pixels/front"])
    with pytest.raises(SpecError, match="wrapper/history"):
        other.restore({name: part for name, part in saved.items() if name != "wrapper/history"})


def test_reframe_cuts_out_the_part_asked_for_and_resizes_it():
    bare, env = plain(), Reframe(plain(), "front", size=16, crop=(0.25, 0.5, 0.5, 0.5))
    first, seen = bare.reset(seed=1)[0], env.reset(seed=1)[0]
    np.testing.assert_array_equal(seen["pixels/front"], first["pixels/front"][8:24, 16:32])
    small = Reframe(plain(), "front", size=8)
    shown = small.reset(seed=1)[0]["pixels/front"]
    blocks = first["pixels/front"].astype(float).reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shown, blocks, atol=0.51)


def test_select_keeps_the_keys_asked_for():
    env = Select(plain(), ["proprio/arm.position"])
    assert set(env.reset(seed=1)[0]) == set(env.env_spec.obs) == {"proprio/arm.position"}


@pytest.mark.parametrize(
    ("wrap", "hint"),
    [
        (lambda env: History(env, frames=0), "1 moment or more"),
        (lambda env: Reframe(env, "wrist", 16), "did you mean pixels/front"),
        (lambda env: Reframe(env, "front", 16, (0.6, 0.0, 0.5, 1.0)), "a part of the picture"),
        (lambda env: Select(env, ["proprio/arm.positio"]), "did you mean proprio/arm.position"),
        (lambda env: Select(env, []), "at least one key"),
    ],
)
def test_what_does_not_fit_is_refused(wrap, hint):
    with pytest.raises(ConfigError, match=hint):
        wrap(plain())


def test_a_config_puts_them_around_the_env():
    cfg = ReachConfig(image_size=32, cameras=["front"], wrappers=WrappersConfig(frames=2, keys=["pixels/front"]))
    env = make_env(cfg)
    assert {key: value.shape for key, value in env.reset(seed=1)[0].items()} == {"pixels/front": (32, 32, 6)}
    env.close()


def test_a_part_of_a_picture_is_shown_at_the_size_of_the_whole():
    whole, part = (
        make_env(ReachConfig(image_size=64, cameras=["front", "wrist"], wrappers=wrappers))
        for wrappers in (WrappersConfig(), WrappersConfig(crop={"front": [0.25, 0.0, 0.5, 0.5]}))
    )
    before, after = whole.reset(seed=0)[0], part.reset(seed=0)[0]
    shrunk = after["pixels/front"].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - before["pixels/front"][16:48, :32]).mean() < 2.0
    np.testing.assert_array_equal(before["pixels/wrist"], after["pixels/wrist"])
    for env in (whole, part):
        env.close()
    with pytest.raises(ConfigError, match=r"crop\.front.*top, left"):
        WrappersConfig(crop={"front": [0.5]})
