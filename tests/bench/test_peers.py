import sys
from pathlib import Path

import pytest

from robolearn.bench import peers
from robolearn.bench.config import BenchConfig
from robolearn.bench.peers import PEER_PYTHON, run_peer
from robolearn.bench.sb3 import bench_sb3
from robolearn.core.errors import ConfigError, RobolearnError

needs_peers = pytest.mark.skipif(not PEER_PYTHON.is_file(), reason="no .venv-peers; make bench-setup makes it")


def test_a_peer_that_is_not_installed_gives_none_and_says_how_to_get_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(peers, "PEER_PYTHON", tmp_path / "python")
    assert run_peer("sb3_sac") is None
    assert "make bench-setup" in caplog.text


def test_an_unknown_peer_is_named_with_the_known_ones():
    with pytest.raises(RobolearnError, match="did you mean sb3_sac"):
        run_peer("sb3_sacc")


def test_a_peer_that_fails_gives_the_end_of_its_stderr(monkeypatch):
    monkeypatch.setattr(peers, "PEER_PYTHON", Path(sys.executable))
    with pytest.raises(RobolearnError, match="No module named 'gym_hil'"):
        run_peer("gym_hil_pick")


def test_a_peer_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(peers, "PEER_PYTHON", Path(sys.executable))
    with pytest.raises(RobolearnError, match=r"an end within 0 s"):
        run_peer("sb3_sac", timeout_s=0.001)


@needs_peers
@pytest.mark.slow
@pytest.mark.parametrize(("name", "figure"), [("robosuite_lift", "steps_per_s"), ("gym_hil_pick", "steps_per_s")])
def test_simulators_of_others_render_and_step(name, figure):
    figures = run_peer(name, blocks=2, block=2)
    assert figures is not None
    assert 0.0 < figures[figure] < 100.0


@needs_peers
@pytest.mark.slow
def test_an_sb3_update_is_timed():
    figures = run_peer("sb3_sac", batch=8, size=36, updates=2)
    assert figures is not None
    assert figures["update_s"] > 0.0


@needs_peers
@pytest.mark.slow
def test_sb3_trains_on_pick_cube_through_gymnasium():
    figures = run_peer("sb3_train", steps=200, batch=8, threads=1)
    assert figures is not None
    assert (figures["steps"], figures["updates"]) == (200, 100)
    assert figures["critic_loss"] >= 0.0


@needs_peers
@pytest.mark.slow
def test_sb3_is_trained_and_evaluated_with_both_rewards(tmp_path):
    results = bench_sb3(BenchConfig(what="sb3", only="reach/3", out=str(tmp_path)), steps=600, episodes=4)
    assert set(results) == {"reach/dense/3", "reach/sparse/3"}
    for result in results.values():
        assert [steps for steps, _ in result["curve"]] == [120, 240, 360, 480, 600]
        assert result["success"] == result["curve"][-1][1] in (0.0, 0.25, 0.5, 0.75, 1.0)
        assert (result["env_steps"], result["episodes"], result["updates"]) == (600, 4, 500)


def test_sb3_names_the_tasks_that_it_knows():
    with pytest.raises(ConfigError, match="did you mean drawer"):
        bench_sb3(BenchConfig(what="sb3", only="drawr/0"))
