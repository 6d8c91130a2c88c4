"""MuJoCo's bindings are compiled and carry no annotations; without this stub pyright calls every name unknown."""

from typing import Any

def __getattr__(name: str) -> Any: ...
