"""Pictures: what is seen, profiles, sizes, and the choice of an OpenGL backend."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import Pose, quat_from_rotvec
from robolearn.envs.build import build_env
from robolearn.envs.sim import gl
from robolearn.envs.sim.camera import SimCamera
from robolearn.envs.tasks.base import near_middle
from robolearn.envs.tasks.pick_cube import CENTRE, HALF, PickCube, PickCubeConfig


@pytest.fixture(scope="module")
def env():
    env = build_env(PickCubeConfig())
    yield env
    env.close()


def world_of(env):
    task = env.task
    assert isinstance(task, PickCube)
    return task.world


def red(pixels) -> np.ndarray:
    """Return the mask (H, W) of the cube's pixels."""
    r, g, b = (pixels[..., i].astype(int) for i in range(3))
    return (r > 100) & (g < 80) & (b < 80)


def test_the_front_camera_sees_the_whole_cube_wherever_it_may_start(env):
    env.reset(seed=0)
    world = world_of(env)
    for dx in (-0.1, 0.1):
        for dy in (-0.1, 0.1):
            position = np.array([CENTRE[0] + dx, CENTRE[1] + dy, HALF])
            world.place("cube", Pose(position, quat_from_rotvec(np.array([0.0, 0.0, 0.4]))))
            world.refresh()
            mask = red(world.render("front", 64, 64))
            assert mask.sum() >= 30
            edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
            assert not edges.any()


def test_the_wrist_camera_sees_the_cube_between_the_fingers(env):
    env.reset(seed=0)
    world, task = world_of(env), env.task
    task.arm.reset(task.arm.solve(Pose(np.array([*CENTRE, 0.08]), near_middle(np.random.default_rng(0)).quat_wxyz)))
    world.place("cube", Pose(np.array([*CENTRE, HALF]), np.array([1.0, 0.0, 0.0, 0.0])))
    world.refresh()
    mask = red(world.render("wrist", 64, 64))
    columns = np.flatnonzero(mask.any(axis=0))
    assert mask.sum() > 150
    assert 12 < columns.mean() < 52


def test_pictures_are_deterministic_and_owned_by_the_caller(env):
    env.reset(seed=1)
    world = world_of(env)
    first = world.render("front", 64, 64)
    kept = first.copy()
    np.testing.assert_array_equal(world.render("front", 64, 64), first)
    world.render("wrist", 64, 64)[:] = 0
    np.testing.assert_array_equal(first, kept)


def test_growing_and_shrinking_sizes_keep_the_picture(env):
    env.reset(seed=1)
    world = world_of(env)
    small = world.render("front", 64, 64)
    wide = world.render("front", 96, 160)
    assert wide.shape == (96, 160, 3)
    np.testing.assert_array_equal(world.render("front", 64, 64), small)


def test_a_picture_follows_the_world(env):
    env.reset(seed=1)
    world = world_of(env)
    before = world.render("front", 64, 64)
    env.step(np.array([0, 1, 0, 0, 1], np.float32))
    assert (world.render("front", 64, 64) != before).any()


def test_the_pretty_profile_has_shadows_and_a_sky(env):
    env.reset(seed=0)
    world = world_of(env)
    cheap, pretty = world.render("film", 120, 160), world.render("film", 120, 160, "pretty")
    assert cheap[:20].mean() < pretty[:20].mean()
    colours = [len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in (cheap, pretty)]
    assert colours[1] > 1.5 * colours[0]
    np.testing.assert_array_equal(world.render("film", 120, 160), cheap)


def test_two_worlds_in_one_process_do_not_mix(env):
    other = build_env(PickCubeConfig(image_size=32))
    mine, _ = env.reset(seed=5)
    theirs, _ = other.reset(seed=6)
    again, _ = env.reset(seed=5)
    np.testing.assert_array_equal(mine["pixels/front"], again["pixels/front"])
    assert theirs["pixels/front"].shape == (32, 32, 3)
    other.close()


def test_a_closed_world_renders_again(env):
    env.reset(seed=2)
    world = world_of(env)
    before = world.render("front", 64, 64)
    world.close()
    np.testing.assert_array_equal(world.render("front", 64, 64), before)


def test_another_thread_is_refused(env):
    env.reset(seed=2)
    world = world_of(env)
    world.render("front", 64, 64)
    errors: list[BaseException] = []

    def draw() -> None:
        try:
            world.render("front", 64, 64)
        except DriverError as error:
            errors.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert "another thread" in str(errors[0])


def test_unknown_cameras_profiles_and_sizes_are_refused(env):
    world = world_of(env)
    with pytest.raises(ConfigError, match="did you mean wrist"):
        world.render("writs", 64, 64)
    with pytest.raises(ConfigError, match="did you mean pretty"):
        world.render("front", 64, 64, "prety")
    with pytest.raises(ConfigError, match="16 to 1024"):
        SimCamera(world, "front", 8, 64)


def in_fresh_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    return subprocess.run(
        [sys.executable, "-c", code], env={**base, **environment}, capture_output=True, text=True, check=False
    )


CHOOSE = "import logging; logging.basicConfig(level='INFO'); from robolearn.envs.sim import gl; print(gl.backend())"


def test_the_backend_is_probed_once_remembered_and_named_in_the_log(tmp_path):
    first = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path))
    assert first.returncode == 0, first.stderr
    chosen = first.stdout.strip()
    assert chosen in gl.BACKENDS
    assert f"OpenGL backend {chosen}, probed" in first.stderr
    verdict = tmp_path / "robolearn" / "gl.json"
    assert json.loads(verdict.read_text())["backend"] == chosen
    second = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path))
    assert "remembered" in second.stderr
    verdict.write_text("{ damaged")
    third = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path))
    assert third.stdout.strip() == chosen
    assert "probed" in third.stderr


def test_the_environment_variable_decides(tmp_path):
    named = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path), MUJOCO_GL="glfw")
    assert named.stdout.strip() == "glfw"
    assert "from MUJOCO_GL" in named.stderr
    assert not list(tmp_path.iterdir())
    wrong = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path), MUJOCO_GL="elg")
    assert "did you mean egl" in wrong.stderr
    off = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path), MUJOCO_GL="off")
    assert "for images, got off" in off.stderr


def test_a_named_backend_that_is_missing_is_one_clear_error(tmp_path):
    done = in_fresh_process(CHOOSE, XDG_CACHE_HOME=str(tmp_path), MUJOCO_GL="osmesa")
    if done.returncode:
        assert "expected an installed backend, osmesa" in done.stderr
        assert "apt-get install" in done.stderr
    else:
        assert done.stdout.strip() == "osmesa"


def test_a_backend_that_cannot_render_is_one_clear_error(tmp_path):
    code = "from robolearn.envs.sim import gl; gl.works = lambda name: False; gl.backend()"
    failed = in_fresh_process(code, XDG_CACHE_HOME=str(tmp_path))
    assert "apt-get install" in failed.stderr
    assert "DriverError" in failed.stderr
    assert not gl.works("nonsense")


def test_importing_opens_nothing(tmp_path):
    code = (
        "import sys, robolearn.envs.build; assert not any(m.startswith('OpenGL') for m in sys.modules); print('quiet')"
    )
    done = in_fresh_process(code, XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.strip() == "quiet", done.stderr
    assert not list(tmp_path.iterdir())
