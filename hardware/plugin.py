"""Classes of other people's libraries, by their names: they need not be installed where they are not used."""

import importlib
from typing import Any

from robolearn.core.errors import ConfigError


def named(path: str, key: str) -> Any:  # noqa: ANN401  (whatever is there)
    """Return what `path`, `module:name`, stands for.

    Args:
        path: Such as `lerobot.robots.so_follower.so_follower:SOFollower`.
        key: Of the configuration that names it.

    Raises:
        ConfigError: If there is no such module, or nothing of that name in it.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        fix = f"pip install {module.partition('.')[0] or 'it'}, with the extra for the device"
        raise ConfigError(key, expected=path, got=str(error), fix=fix) from error
    except (AttributeError, ValueError) as error:
        raise ConfigError(key, expected="module:class", got=f"'{path}'", fix=str(error)) from error
