"""The campaign of kills, a sample of it; `robolearn bench actors` runs all of it."""

import pytest

from robolearn.bench.actors import bench_actors


@pytest.mark.slow
def test_whoever_is_killed_steps_and_images_arrive_once_and_every_update_is_made():
    result = bench_actors(kills=3)
    assert result["passed"], result
