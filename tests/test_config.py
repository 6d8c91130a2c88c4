"""Composing, saving and loading configurations; every mistake gets one error that names the key."""

from pathlib import Path

import pytest

from robolearn import config
from robolearn.agents.sac.config import SacConfig
from robolearn.core.errors import ConfigError
from robolearn.envs.tasks.pick_cube import PickCubeConfig
from robolearn.run.config import TrainConfig

CONFIGS = Path(config.__file__).parents[1] / "configs"


def test_overrides_reach_typed_components():
    cfg = config.compose("train", ["seed=3", "env.yaw=0.4", "agent.critic.tau=0.5", "evaluation.episodes=7"])
    assert isinstance(cfg, TrainConfig)
    assert isinstance(cfg.env, PickCubeConfig)
    assert isinstance(cfg.agent, SacConfig)
    assert (cfg.seed, cfg.env.yaw, cfg.agent.critic.tau, cfg.evaluation.episodes) == (3, 0.4, 0.5, 7)


@pytest.mark.parametrize("group", ["env", "agent", "experiment"])
def test_every_yaml_composes(group):
    needed = {"gymnasium": ["env.id=Pendulum-v1"]}
    for path in sorted((CONFIGS / group).glob("*.yaml")):
        assert config.compose("train", [f"{group}={path.stem}", *needed.get(path.stem, [])])


@pytest.mark.parametrize(
    ("override", "key", "hint"),
    [
        ("agent.critc.tau=0.1", "agent.critc", "critic"),
        ("agent.discont=0.9", "agent.discont", "discount"),
        ("env.yawn=0.4", "env.yawn", "yaw"),
        ("seed=three", "seed", "three"),
        ("env=pick_cub", "pick_cub", "pick_cube"),
        ("agent.critic.tau=2", "agent.critic.tau", "(0, 1]"),
        ("resume_mode=exakt", "resume_mode", "did you mean exact"),
        ("evaluation.threshold=0", "evaluation.threshold", "(0, 1]"),
    ],
)
def test_a_bad_override_is_one_error_that_names_the_key(override, key, hint):
    with pytest.raises(ConfigError) as caught:
        config.compose("train", [override])
    assert key in str(caught.value)
    assert hint in str(caught.value)


def test_save_and_load_round_trip(tmp_path):
    cfg = config.compose("train", ["seed=3", "env.yaw=0.4", "agent.encoder.kind=conv"])
    config.save(cfg, tmp_path / "config.yaml")
    assert config.load(tmp_path / "config.yaml", TrainConfig) == cfg
    changed = config.load(tmp_path / "config.yaml", TrainConfig, ["max_env_steps=9"])
    assert changed.max_env_steps == 9


def test_every_saved_config_has_an_id_of_its_own(tmp_path):
    path, cfg, texts = tmp_path / "config.yaml", config.compose("train", []), []
    for _ in range(30):
        config.save(cfg, path)
        texts.append(path.read_text())
    assert len({config.run_id(text) for text in texts}) == 30
    name = config.run_id(texts[0])
    for mark in ("", "'", '"'):
        assert config.run_id(f"a: 1\nid: {mark}{name}{mark}\nb: 2\n") == name


@pytest.mark.parametrize("text", ["seed: 1\n", "id: ../../elsewhere\n", "env:\n  id: 0123456789abcdef\n", "id: 0123\n"])
def test_what_is_no_id_is_none(text):
    with pytest.raises(ConfigError, match="16 hexadecimal digits"):
        config.run_id(text)


def test_load_names_what_is_wrong(tmp_path):
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError, match="no such file"):
        config.load(path, TrainConfig)
    path.write_text("seed: 1\n")
    with pytest.raises(ConfigError, match="choices"):
        config.load(path, TrainConfig)
    path.write_text("choices: {env: pick_cub}\nseed: 1\n")
    with pytest.raises(ConfigError, match="did you mean env/pick_cube"):
        config.load(path, TrainConfig)
    path.write_text("choices: {}\nsed: 1\n")
    with pytest.raises(ConfigError, match="seed"):
        config.load(path, TrainConfig)
    path.write_text("{[")
    with pytest.raises(ConfigError, match="YAML"):
        config.load(path, TrainConfig)
