"""What a result was made with: code version, packages and machine."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import robolearn

PACKAGES = (
    "robolearn", "numpy", "torch", "mujoco", "gymnasium", "h5py", "msgspec", "opencv-python", "safetensors", "av",
    "hydra-core", "robosuite", "dm-control",
)  # fmt: skip


def run_info() -> dict[str, object]:
    """Return code version, package versions and machine as JSON values; names neither user nor host."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": git_version(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _package(name))},
        "machine": {
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gib": _memory_gib(),
            "gpu": _gpu(),
            "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        },
    }


def git_version() -> dict[str, object] | None:
    """Return commit and whether the tree had changes; None outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "modified": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def _git(*arguments: str) -> str | None:
    folder = Path(robolearn.__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _gpu() -> str | None:
    """Return the GPU that torch sees; a process that has not loaded torch does not load it for this."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(0))
