"""Configuration: Hydra composes YAML values over typed schemas, and plain dataclasses come out.

This and `scripts/` are the only places that know Hydra. A config group's YAML names its schema in `defaults`
(`<name>_schema`); `SCHEMAS` says which dataclass that is. A saved `config.yaml` carries the chosen schemas under
`choices`, so that `load` finds the classes again, and the `id` of its run.
"""

import dataclasses
import importlib
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from robolearn.core.errors import ConfigError, nearest

ConfigT = TypeVar("ConfigT")

SCHEMAS: dict[str, str] = {
    "train": "robolearn.run.config:TrainConfig",
    "learner": "robolearn.run.config:LearnerConfig",
    "actor": "robolearn.assembly.config:ActorConfig",
    "evaluate": "robolearn.run.config:EvaluateConfig",
    "record": "robolearn.run.config:RecordConfig",
    "convert": "robolearn.run.config:ConvertConfig",
    "bench": "robolearn.bench.config:BenchConfig",
    "show": "robolearn.bench.config:ShowConfig",
    "robot_server": "robolearn.hardware.config:RobotServerConfig",
    "camera_server": "robolearn.hardware.config:CameraProcessConfig",
    "deploy": "robolearn.hardware.config:DeployConfig",
    "clear": "robolearn.hardware.config:ClearConfig",
    "keys": "robolearn.hardware.config:KeysConfig",
    "doctor": "robolearn.hardware.doctor:DoctorConfig",
    "chaos": "robolearn.hardware.bridge.chaos:ProxyConfig",
    "robot/twin": "robolearn.hardware.config:TwinConfig",
    "robot/franka": "robolearn.hardware.arms.franka:FrankaConfig",
    "robot/ur": "robolearn.hardware.arms.ur:UrConfig",
    "robot/mock": "robolearn.hardware.arms.mock:MockConfig",
    "robot/lerobot": "robolearn.hardware.arms.lerobot:LeRobotConfig",
    "human/keyboard": "robolearn.hardware.human.keyboard:KeyboardConfig",
    "human/spacemouse": "robolearn.hardware.human.spacemouse:SpaceMouseConfig",
    "camera/opencv": "robolearn.hardware.cameras.opencv:OpenCVConfig",
    "camera/realsense": "robolearn.hardware.cameras.realsense:RealSenseConfig",
    "camera/lerobot": "robolearn.hardware.cameras.lerobot:LeRobotCameraConfig",
    "camera/synthetic": "robolearn.hardware.cameras.synthetic:SyntheticConfig",
    "env/reach": "robolearn.envs.tasks.reach:ReachConfig",
    "env/pick_cube": "robolearn.envs.tasks.pick_cube:PickCubeConfig",
    "env/lever": "robolearn.envs.tasks.lever:LeverConfig",
    "env/drawer": "robolearn.envs.tasks.drawer:DrawerConfig",
    "env/peg": "robolearn.envs.tasks.peg:PegConfig",
    "env/place": "robolearn.envs.tasks.place:PlaceConfig",
    "env/stack": "robolearn.envs.tasks.stack:StackConfig",
    "env/stow": "robolearn.envs.tasks.stow:StowConfig",
    "env/push": "robolearn.envs.tasks.push:PushConfig",
    "env/slide": "robolearn.envs.tasks.slide:SlideConfig",
    "env/lift": "robolearn.envs.tasks.lift:LiftConfig",
    "env/handover": "robolearn.envs.tasks.handover:HandoverConfig",
    "env/robosuite": "robolearn.envs.adapters.config:RobosuiteConfig",
    "env/dm_control": "robolearn.envs.adapters.config:DmControlConfig",
    "env/gymnasium": "robolearn.envs.adapters.config:GymnasiumConfig",
    "agent/sac": "robolearn.agents.sac.config:SacConfig",
}
"""Schema name -> `module:class`; the part before the last slash is the config group."""


def compose(verb: str, overrides: Sequence[str]) -> Any:  # noqa: ANN401  (the dataclass that SCHEMAS names for the verb)
    """Compose `configs/<verb>.yaml` with Hydra `overrides` into the verb's dataclass.

    Raises:
        ConfigError: If an override is misspelt, has the wrong type, or a value is refused by its dataclass.
    """
    _register_schemas()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module("robolearn.configs", version_base="1.3"):
            return OmegaConf.to_object(hydra_compose(verb, overrides=list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise _explain(verb, error) from error


def describe(verb: str) -> str:
    """Return every key of a verb with its default, as YAML; empty for a verb without a configuration."""
    return OmegaConf.to_yaml(OmegaConf.structured(compose(verb, []))) if verb in SCHEMAS else ""


def save(config: object, path: Path) -> None:
    """Write the config dataclass of a new run as YAML, with an `id` and the `choices` that `load` needs."""
    values = cast("dict[str, object]", OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True))
    known = {"id": secrets.token_hex(8), "choices": choices(config)}
    path.write_text(OmegaConf.to_yaml(OmegaConf.create({**known, **values})))


def run_id(text: str) -> str:
    """Return what tells a run from all others, 16 hexadecimal digits, from the content of its config.yaml.

    Raises:
        ConfigError: If it is not there.
    """
    found = re.search(r"^id: (['\"]?)([0-9a-f]{16})\1$", text, re.MULTILINE)
    if found is None:
        raise ConfigError(
            "id in the config.yaml of a run", expected="16 hexadecimal digits", got="none", fix="start a new run"
        )
    return found[2]


def keys(path: Path) -> set[str]:
    """Return the top-level keys of what `save` wrote.

    Raises:
        ConfigError: If the file is missing or is not YAML of ours.
    """
    return {str(key) for key in _stored(path)}


def choices(config: object) -> dict[str, str]:
    """Return the name of the component chosen from each group, such as `{"env": "pick_cube", "agent": "sac"}`."""
    return {field: _schema_of(type(value)) for field, value in _components(config).items()}


def load(path: Path, config_class: type[ConfigT], overrides: Sequence[str] = ()) -> ConfigT:
    """Read back what `save` wrote, with dotlist `overrides` on top.

    Raises:
        ConfigError: If the file is missing, is not YAML of ours, or does not fit the schema any more.
    """
    stored = _stored(path)
    try:
        stored.pop("id", None)
        chosen = cast("Mapping[str, str]", OmegaConf.to_container(stored.pop("choices")))
        schema = OmegaConf.structured(config_class)
        for field, name in chosen.items():
            schema[field] = OmegaConf.structured(_import_schema(f"{field}/{name}"))
        merged = OmegaConf.merge(schema, stored, OmegaConf.from_dotlist(list(overrides)))
        return cast("ConfigT", OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise _explain(str(path), error) from error


def _stored(path: Path) -> DictConfig:
    if not path.is_file():
        raise ConfigError(str(path), expected="the config.yaml of a run", got="no such file")
    try:
        stored = OmegaConf.load(path)
    except YAMLError as error:
        raise ConfigError(str(path), expected="YAML", got=str(error).replace("\n", " ")) from error
    except OmegaConfBaseException as error:
        raise _explain(str(path), error) from error
    if not isinstance(stored, DictConfig) or "choices" not in stored:
        raise ConfigError(str(path), expected="a mapping with 'choices'", got="something else")
    return stored


def _components(config: object) -> dict[str, object]:
    """Return the fields of a config that hold a component from a config group (`env`, `agent`)."""
    groups = {name.rsplit("/", 1)[0] for name in SCHEMAS if "/" in name}
    fields = {f.name for f in dataclasses.fields(cast("Any", config))}
    return {name: getattr(config, name) for name in sorted(fields & groups)}


def _schema_of(config_class: type) -> str:
    path = f"{config_class.__module__}:{config_class.__name__}"
    known = {target: name.rsplit("/", 1)[-1] for name, target in SCHEMAS.items()}
    if path not in known:
        raise ConfigError("config.SCHEMAS", expected=f"an entry for {path}", got="none")
    return known[path]


def _import_schema(name: str) -> type:
    if name not in SCHEMAS:
        raise ConfigError("config", expected="a known component", got=name, fix=nearest(name, SCHEMAS))
    module, _, attribute = SCHEMAS[name].partition(":")
    return cast("type", getattr(importlib.import_module(module), attribute))


@cache
def _register_schemas() -> None:
    """Put every schema whose optional dependencies are installed into Hydra's store."""
    store = ConfigStore.instance()
    for name in SCHEMAS:
        group, _, leaf = name.rpartition("/")
        try:
            node = _import_schema(name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("robolearn"):
                raise
            continue  # an extra that is not installed; choosing it fails in compose, which names the schema
        store.store(name=f"{leaf}_schema", node=node, group=group or None)


def _explain(where: str, error: Exception) -> ConfigError:
    """Turn Hydra's error into ours: the key, what was wrong, and names that would have worked."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, ConfigError):
        return cause
    if isinstance(cause, MissingConfigException):
        group, _, name = (cause.missing_cfg_file or where).rpartition("/")
        known = [option for option in cause.options or () if not option.endswith("_schema")]
        return ConfigError(group or where, expected="a known one", got=f"'{name}'", fix=nearest(name, known))
    text = str(cause).strip().splitlines()
    key = str(getattr(cause, "full_key", None) or where)
    parent = getattr(cause, "object_type", None)
    names = [f.name for f in dataclasses.fields(parent)] if dataclasses.is_dataclass(parent) else []
    hint = nearest(key.rsplit(".", 1)[-1], names) if names else "\n".join(str(error).strip().splitlines()[1:6])
    return ConfigError(key, expected="a value that fits the schema", got=text[0] if text else repr(cause), fix=hint)
