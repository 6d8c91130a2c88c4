"""Off-screen OpenGL: which backend works on this machine, and the one context per thread that all renderers share."""

import atexit
import contextlib
import functools
import importlib
import importlib.metadata
import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from robolearn.core.errors import ConfigError, DriverError, nearest

BACKENDS = ("egl", "osmesa", "glfw")
APT_LINE = "apt-get install -y libegl1 libgl1-mesa-dri libosmesa6"
PROBE_TIMEOUT_S = 60.0
_UNDECIDED = ("", "1", "on", "true", "enable", "enabled")
_OFF = ("0", "off", "false", "disable", "disabled")
_PROBE = """
import importlib, sys, mujoco, numpy as np
context = importlib.import_module(f"mujoco.{sys.argv[1]}").GLContext(32, 32)
context.make_current()
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1' rgba='1 0 0 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
scene = mujoco.MjvScene(model, 10)
renderer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, renderer)
mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, mujoco.MjvCamera(), mujoco.mjtCatBit.mjCAT_ALL, scene)
view, pixels = mujoco.MjrRect(0, 0, 32, 32), np.zeros((32, 32, 3), np.uint8)
mujoco.mjr_render(view, scene, renderer)
mujoco.mjr_readPixels(pixels, None, view, renderer)
print("pixels", int(pixels[..., 0].max()), flush=True)
renderer.free()
"""
_log = logging.getLogger(__name__)


class GlContext(Protocol):
    """What the backends of the MuJoCo bindings have in common."""

    def make_current(self) -> None:
        """Bind the context to the calling thread."""
        ...

    def free(self) -> None:
        """Release it."""
        ...


class Closable(Protocol):
    """A user of a shared context, to be closed before the context is."""

    def close(self) -> None:
        """Free what lives in the context."""
        ...


class SharedContext:
    """One OpenGL context with the renderers that live in it; `active` is the one whose framebuffer is bound."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.active: object = None
        self.users: weakref.WeakSet[Closable] = weakref.WeakSet()
        context: GlContext = importlib.import_module(f"mujoco.{backend}").GLContext(64, 64)
        context.make_current()
        self._context = context
        atexit.register(self.close)

    def reclaim(self) -> None:
        """Bind the context to this thread again, after somebody else has drawn in a context of their own."""
        self._context.make_current()
        self.active = None

    def close(self) -> None:
        """Close all users, then the context."""
        for user in list(self.users):
            user.close()
        try:
            self._context.free()
        except Exception:  # noqa: BLE001  (each backend has errors of its own)
            vars(self._context)["_context"] = None  # another library has closed the display; nothing is left to free


def import_mujoco() -> None:
    """Import the bindings, which load the OpenGL library that `MUJOCO_GL` names.

    Raises:
        ConfigError: If `MUJOCO_GL` names no backend.
        DriverError: If it names one that is not installed.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted not in (*BACKENDS, *_UNDECIDED, *_OFF):
        raise ConfigError("MUJOCO_GL", expected=f"one of {BACKENDS}", got=wanted, fix=nearest(wanted, BACKENDS))
    try:
        importlib.import_module("mujoco")
    except (AttributeError, ImportError, OSError) as error:
        if wanted not in BACKENDS or isinstance(error, ModuleNotFoundError):
            raise
        fix = f"install it ({APT_LINE}) or unset MUJOCO_GL to have one chosen"
        raise DriverError("MUJOCO_GL", expected=f"an installed backend, {wanted}", got=error, fix=fix) from error


def backend() -> str:
    """Return the name of a working backend; chosen once a process, and remembered on disk.

    `MUJOCO_GL` decides if it is set. Else the verdict of an earlier probe is used, else each backend renders a small
    picture in a process of its own, and the first that succeeds is taken.

    Raises:
        ConfigError: If `MUJOCO_GL` names no off-screen backend.
        DriverError: If no backend works.
    """
    return _choose()


def context() -> SharedContext:
    """Return the OpenGL context of this thread, made at the first call.

    Raises:
        DriverError: If no backend works.
    """
    found: SharedContext | None = getattr(_threads, "context", None)
    if found is None:
        found = SharedContext(backend())
        _threads.context = found
    return found


@contextlib.contextmanager
def drawn_elsewhere() -> Iterator[None]:
    """Let code that is not ours draw in an OpenGL context of its own, and take this thread back afterwards."""
    try:
        yield
    finally:
        found: SharedContext | None = getattr(_threads, "context", None)
        if found is not None:
            found.reclaim()


def works(name: str, timeout_s: float = PROBE_TIMEOUT_S) -> bool:
    """Return whether a process of its own can render with the backend; blocks for up to `timeout_s`."""
    environment = {**os.environ, "MUJOCO_GL": name}
    command = [sys.executable, "-c", _PROBE, name]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return False
    words = done.stdout.split()
    return len(words) == 2 and words[0] == "pixels" and int(words[1]) > 0


@functools.cache
def _choose() -> str:
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted not in _UNDECIDED:
        if wanted not in BACKENDS:
            raise ConfigError("MUJOCO_GL", expected=f"one of {BACKENDS} for images", got=wanted, fix="or unset it")
        _log.info("OpenGL backend %s, from MUJOCO_GL", wanted)
        return wanted
    known = _remembered()
    chosen = known or next((name for name in BACKENDS if works(name)), None)
    if chosen is None:
        raise DriverError(
            "off-screen rendering",
            expected=f"a working OpenGL backend among {BACKENDS}",
            got="none that renders",
            fix=f"install one ({APT_LINE}) or set MUJOCO_GL",
        )
    if known is None:
        _remember(chosen)
    os.environ["MUJOCO_GL"] = chosen  # worker processes inherit the verdict
    _log.info("OpenGL backend %s, %s", chosen, "remembered from an earlier probe" if known else "probed")
    return chosen


def _cache_file() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "robolearn" / "gl.json"


def _machine() -> dict[str, str]:
    """Return what a verdict depends on."""
    names = ("DISPLAY", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "MUJOCO_EGL_DEVICE_ID")
    facts = {name: os.environ.get(name, "") for name in names}
    return {
        **facts,
        "mujoco": importlib.metadata.version("mujoco"),
        "python": sys.executable,
        "node": os.uname().nodename,
    }


def _remembered() -> str | None:
    try:
        verdict = json.loads(_cache_file().read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(verdict, dict) or verdict.get("machine") != _machine():
        return None
    return verdict.get("backend") if verdict.get("backend") in BACKENDS else None


def _remember(chosen: str) -> None:
    path = _cache_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"backend": chosen, "machine": _machine()}))
        draft.replace(path)
    except OSError as error:
        _log.warning("the OpenGL verdict is not remembered: %s", error)


_threads = threading.local()
