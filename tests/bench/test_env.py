"""The bench of the env step runs, and compares like with like."""

import numpy as np

from robolearn.bench.env import RawWorld, bench_env
from robolearn.envs.build import build_env
from robolearn.envs.sim.gl import BACKENDS
from robolearn.envs.tasks.pick_cube import PickCubeConfig


def test_it_measures_every_key():
    result = bench_env(seconds=0.05, peers=False, workers=1)
    for name in ("steps_per_s", "steps_per_s_64", "steps_per_s_128", "step_ms", "raw_ms", "overhead"):
        value = result[name]
        assert isinstance(value, float)
        assert value > 0.0
    assert result["overhead"] == result["step_ms"] / result["raw_ms"]
    assert result["vs_robosuite"] is None
    assert result["vs_gym_hil"] is None
    assert list(result["vector_steps_per_s"]) == ["1"]
    assert result["gl"] in BACKENDS


def test_the_bare_model_goes_where_the_env_goes():
    cfg = PickCubeConfig(image_size=32)
    env, raw = build_env(cfg), RawWorld(cfg)
    env.reset(seed=0)
    raw.reset(env.save()["part/world"])
    action = np.array([0.3, -0.2, -0.1, 0.2, 1.0], np.float32)
    for _ in range(8):
        env.step(action)
        raw.step(action)
    measured = env.arms["arm"].state().q
    np.testing.assert_allclose(raw.q, measured, atol=0.05)
    env.close()
    raw.close()
