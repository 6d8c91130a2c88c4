"""Pictures drawn again from recorded states."""

from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import pytest

from robolearn.assembly.demos import record
from robolearn.core.errors import DataError, SpecError
from robolearn.core.types import STATES
from robolearn.data import open_demos, read_demos, rerender, write_demos
from robolearn.envs.adapters.config import RobosuiteConfig
from robolearn.envs.build import build_env
from robolearn.envs.dress import recall
from robolearn.envs.tasks.drawer import DrawerConfig
from robolearn.envs.tasks.push import PushConfig

TASKS = {"push": PushConfig(image_size=48), "drawer": DrawerConfig(image_size=48)}


@pytest.fixture(params=sorted(TASKS))
def recorded(request, tmp_path):
    cfg = TASKS[request.param]
    path = tmp_path / "demos.hdf5"
    env = build_env(cfg)
    write_demos(path, env.env_spec, record(cfg, 2, 0, 0.2, states=True))
    yield cfg, path
    env.close()


def test_the_same_cameras_draw_the_same_pictures(recorded):
    cfg, path = recorded
    env = build_env(cfg)
    source = rerender(path, env.env_spec, partial(recall, env))
    assert (source.count, source.spec) == (2, env.env_spec)
    for before, after in zip(read_demos(path), source.episodes, strict=True):
        for old, new in zip(before, after, strict=True):
            assert old.obs.keys() == new.obs.keys()
            for key, value in old.obs.items():
                np.testing.assert_array_equal(value, new.obs[key], err_msg=key)
            np.testing.assert_array_equal(old.action, new.action)
            assert (old.rewards, old.success, old.is_terminal) == (new.rewards, new.success, new.is_terminal)
    env.close()


def test_other_cameras_draw_larger_pictures_and_the_rest_stays(recorded):
    cfg, path = recorded
    env = build_env(replace(cfg, image_size=96, cameras=["front"]))
    source = rerender(path, env.env_spec, partial(recall, env))
    assert source.spec.pixel_keys == ("pixels/front",)
    large, small = next(source.episodes), next(read_demos(path))
    for old, new in zip(small, large, strict=True):
        assert new.obs["pixels/front"].shape == (96, 96, 3)
        shrunk = new.obs["pixels/front"].reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
        assert np.abs(shrunk - old.obs["pixels/front"]).mean() < 6.0
        np.testing.assert_array_equal(old.obs["proprio/arm.position"], new.obs["proprio/arm.position"])
    env.close()


def test_a_file_of_another_task_or_without_states_is_one_clear_error(recorded, tmp_path):
    cfg, path = recorded
    other = build_env(TASKS["drawer" if isinstance(cfg, PushConfig) else "push"])
    with pytest.raises(SpecError, match=r"state: expected .* elsewhere"):
        next(rerender(path, other.env_spec, partial(recall, other)).episodes)
    env = build_env(cfg)
    episodes = [[replace(step, extra={}) for step in episode] for episode in read_demos(path)]
    bare = write_demos(tmp_path / "bare.hdf5", env.env_spec, episodes)
    with pytest.raises(DataError, match="states of the simulation"):
        next(rerender(bare, env.env_spec, partial(recall, env)).episodes)
    with h5py.File(path, "r+") as file:
        del file["data/demo_1/last_states"]
    with pytest.raises(DataError, match=r"demo_1.*last_states"):
        list(read_demos(path))
    for each in (other, env):
        each.close()


def test_training_takes_files_with_states(recorded):
    cfg, path = recorded
    env = build_env(cfg)
    (first, *_) = open_demos(path, env.env_spec).episodes
    assert first[0].extra[STATES].shape == first[-1].extra[STATES].shape
    assert not np.array_equal(first[0].extra[STATES], first[-1].extra[STATES])
    env.close()


def raw_robosuite(path, sim, episodes=2, steps=6):
    """Record as robosuite's own collection does: states before each action, and the model; no observations."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}'
        frames = []
        for i in range(episodes):
            sim.reset(seed=i)
            suite = sim.simulation.robosuite
            demo = data.create_group(f"demo_{i}")
            demo.attrs["model_file"] = suite.sim.model.get_xml()
            actions, states = np.random.default_rng(i).uniform(-1, 1, (steps, 7)), []
            for action in actions:
                states.append(suite.sim.get_state().flatten())
                suite.sim.forward()  # robosuite shows where things were before its last physics step
                frames.append(sim.observe()["pixels/agentview"])
                sim.step(action.astype(np.float32))
            demo["states"], demo["actions"] = np.array(states), actions * np.array([1, 1, 1, 1, 1, 1, -1])
    return np.array(frames).reshape(episodes, steps, *frames[0].shape)


def test_robosuites_own_recordings_are_observed_anew(tmp_path):
    env = build_env(RobosuiteConfig(task="Lift", image_size=48, cameras=["agentview"]))
    path = tmp_path / "raw.hdf5"
    frames = raw_robosuite(path, env)
    with pytest.raises(DataError, match=r"env=robosuite"):
        open_demos(path)
    source = rerender(path, env.env_spec, partial(recall, env))
    assert (source.count, source.kind) == (2, "robomimic")
    for episode, seen in zip(source.episodes, frames, strict=True):
        assert len(episode) == len(seen)
        drawn = np.stack([step.obs["pixels/agentview"] for step in episode])
        assert (drawn != seen).any(axis=-1).mean() < 0.001
        env.env_spec.validate_obs(episode[0].obs)
        assert episode[-1].is_truncated
    env.close()
