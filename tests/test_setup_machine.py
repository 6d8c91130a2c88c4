"""The machine check names what is missing, in one line that can be run, and stops."""

import os
import subprocess
import sys

import pytest
from sources import ROOT

SCRIPT = ROOT / "tools" / "setup_machine.sh"


def check(python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the check without leave to install anything."""
    env = {**os.environ, "ROBOLEARN_APT": "never", **environment}
    return subprocess.run(["bash", SCRIPT, python], capture_output=True, text=True, check=False, env=env)


@pytest.fixture
def broken(tmp_path):
    """Return a function that hides a shared library behind an empty file."""

    def hide(library: str) -> str:
        (tmp_path / library).write_bytes(b"")
        return str(tmp_path)

    return hide


def test_a_complete_machine_is_ready_and_names_its_backend():
    done = check(sys.executable)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("machine ready: Python 3.")
    assert done.stdout.strip().endswith(("egl", "osmesa"))


@pytest.mark.parametrize(
    ("library", "package"),
    [("libGL.so.1", "libgl1"), ("libgthread-2.0.so.0", "libglib2.0-0"), ("libEGL.so.1", "libegl1")],
)
def test_a_missing_library_gives_one_apt_line(broken, library, package):
    done = check(sys.executable, LD_LIBRARY_PATH=broken(library))
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "apt-get install -y" in line]
    assert len(lines) == 1
    assert package in lines[0].split()


def test_an_old_or_missing_python_is_asked_for(tmp_path):
    done = check(str(tmp_path / "python3"))
    assert done.returncode == 1
    assert "python3.11-venv" in done.stderr
    assert "apt-get install" in done.stderr
