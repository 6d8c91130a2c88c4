"""The bench of tasks runs, and sees contacts that misbehave."""

import numpy as np
import pytest

from robolearn.bench.config import BenchConfig
from robolearn.bench.tasks import bench_tasks, reset_ranges, run_expert, step_rate, task_name
from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.envs.build import TASKS
from robolearn.envs.tasks.pick_cube import PickCube, PickCubeConfig
from robolearn.envs.tasks.reach import ReachConfig


def test_one_task_is_measured_and_joins_those_on_disk(tmp_path):
    first = bench_tasks(BenchConfig(what="tasks", only="reach", episodes=3, out=str(tmp_path)), 0.1)
    assert first["reach"]["episodes"] == 3
    assert first["reach"]["expert"] == 1.0
    assert (first["reach"]["ejected"], first["reach"]["faulted"]) == (0, 0)
    both = bench_tasks(BenchConfig(what="tasks", only="pick_cube", episodes=2, out=str(tmp_path)), 0.1)
    assert list(both) == ["pick_cube", "reach"]
    assert 0.0 < both["pick_cube"]["penetration_mm"] < 1.5
    with pytest.raises(ConfigError, match="did you mean reach"):
        bench_tasks(BenchConfig(what="tasks", only="reech", out=str(tmp_path)), 0.1)


def test_a_rate_is_of_steps_with_two_cameras():
    assert step_rate(ReachConfig(), seconds=0.1) > 20.0


def test_a_cube_that_starts_in_the_air_beyond_the_table_is_counted_as_lost(monkeypatch):
    def throw(task, rng, options):
        task.world.place("cube", Pose(np.array([0.5, 0.9, 0.2]), np.array([1.0, 0.0, 0.0, 0.0])))

    monkeypatch.setattr(PickCube, "place", throw)
    result = run_expert(PickCubeConfig(), 1)
    assert result["ejected"] == 1
    assert result["expert"] == 0.0


def test_every_task_has_a_name_of_its_own_and_names_its_ranges():
    names = [task_name(kind) for kind in TASKS]
    assert len(set(names)) == len(names)
    assert {"reach", "pick_cube", "lift"} <= set(names)
    assert reset_ranges(PickCubeConfig()).keys() == {"cube_range", "yaw", "lift_height"}
