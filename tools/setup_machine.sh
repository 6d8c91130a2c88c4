#!/usr/bin/env bash
# Check what this machine lacks for robolearn: Python with venv, the shared libraries that cv2 and MuJoCo load, and an
# OpenGL backend that works without a screen. As root on a machine with apt it installs what is missing; otherwise it
# prints the one line to run and stops.
#   usage: setup_machine.sh [python]     environment: ROBOLEARN_APT=never to check only
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-python3}

has_library() { "$python" -c "import ctypes, sys; ctypes.CDLL(sys.argv[1])" "$1" 2>/dev/null; }

# Print the apt packages that are missing, each once.
missing() {
    if ! "$python" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
        echo python3.11 python3.11-venv libegl1 libgl1 libgl1-mesa-dri libglib2.0-0
        return
    fi
    "$python" -c "import ensurepip, venv" 2>/dev/null ||
        echo "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    has_library libEGL.so.1 || echo libegl1
    has_library libGL.so.1 || echo libgl1
    has_library libgthread-2.0.so.0 || echo libglib2.0-0
    "$python" gl_probe.py >/dev/null || echo libegl1 libgl1-mesa-dri
}

packages=$(missing | tr ' ' '\n' | sort -u | xargs)
if [ -n "$packages" ]; then
    if [ "$(id -u)" != 0 ] || [ "${ROBOLEARN_APT:-}" = never ] || ! command -v apt-get >/dev/null; then
        echo "this machine lacks: $packages" >&2
        echo "run this, then make again:  sudo apt-get update && sudo apt-get install -y $packages" >&2
        exit 1
    fi
    echo "installing $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    # shellcheck disable=SC2086  (one word per package)
    apt-get install -y -qq --no-install-recommends $packages </dev/null >/dev/null
    if ! "$python" gl_probe.py >/dev/null; then # no EGL device even with Mesa: render in memory
        apt-get install -y -qq --no-install-recommends libosmesa6 </dev/null >/dev/null || true
    fi
fi

"$python" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || {
    echo "'$python' is not Python 3.11 or newer; name one:  make setup PYTHON=python3.12" >&2
    exit 1
}
backend=$("$python" gl_probe.py) || {
    echo "neither EGL nor OSMesa makes an OpenGL context here; is a display driver half installed?" >&2
    exit 1
}
echo "machine ready: $("$python" --version), OpenGL through $backend"
