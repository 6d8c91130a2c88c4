import pytest

from robolearn.agents.sac.config import (
    ActorConfig,
    BcConfig,
    CriticConfig,
    EncoderConfig,
    SacConfig,
    TemperatureConfig,
)
from robolearn.core.errors import ConfigError

BAD = [
    (SacConfig, {"observe": "image"}, "images"),
    (SacConfig, {"device": "gpu"}, "cpu"),
    (SacConfig, {"discount": 1.5}, "discount"),
    (SacConfig, {"demo_share": -0.1}, "demo_share"),
    (SacConfig, {"updates_per_step": 0.0}, "updates_per_step"),
    (SacConfig, {"warmup_steps": 0}, "warmup_steps"),
    (EncoderConfig, {"kind": "patches"}, "did you mean patch"),
    (EncoderConfig, {"freeze": "no"}, "none"),
    (EncoderConfig, {"channels": []}, "channels"),
    (EncoderConfig, {"shift": -1}, "shift"),
    (EncoderConfig, {"kind": "pretrained"}, "TorchScript"),
    (CriticConfig, {"ensemble": 1}, "2 to 10"),
    (CriticConfig, {"ensemble": 4, "subset": 5}, "subset"),
    (CriticConfig, {"tau": 0.0}, "tau"),
    (CriticConfig, {"activation": "rely"}, "did you mean relu"),
    (ActorConfig, {"log_std_start": 3.0}, "log_std_start"),
    (ActorConfig, {"every": 0}, "every"),
    (BcConfig, {"lr": 0.0}, "lr"),
    (TemperatureConfig, {"start": 0.0}, "start"),
]


@pytest.mark.parametrize(("config", "values", "message"), BAD)
def test_bad_values_are_refused_by_name(config, values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_a_misspelt_field_is_refused():
    with pytest.raises((TypeError, AttributeError)):
        SacConfig().discont = 0.9


def test_configs_survive_omegaconf():
    omegaconf = pytest.importorskip("omegaconf")
    cfg = omegaconf.OmegaConf.structured(SacConfig)
    cfg = omegaconf.OmegaConf.merge(cfg, {"encoder": {"channels": [8, 8], "freeze": "none"}, "critic": {"subset": 1}})
    built = omegaconf.OmegaConf.to_object(cfg)
    assert isinstance(built, SacConfig)
    assert built.encoder.channels == [8, 8]
    with pytest.raises(ConfigError, match="subset"):
        omegaconf.OmegaConf.to_object(omegaconf.OmegaConf.merge(cfg, {"critic": {"subset": 3}}))
