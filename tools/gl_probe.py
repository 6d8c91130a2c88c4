"""Print the first OpenGL backend that can make a context without a screen: egl or osmesa. Standard library only.

`make setup` runs this before anything is installed, in a process of its own: a broken driver may abort instead of failing.
"""

import ctypes
import ctypes.util
import os
import subprocess
import sys

PLATFORM_DEVICE = 0x313F
OPENGL_API, OPENGL_BIT, PBUFFER_BIT = 0x30A2, 0x0008, 0x0001
SURFACE_TYPE, RENDERABLE_TYPE, NONE = 0x3033, 0x3040, 0x3038
OSMESA_RGBA = 0x1908


def egl() -> bool:
    """Make a desktop OpenGL context on the first EGL device that has one, as MuJoCo does."""
    lib = ctypes.CDLL("libEGL.so.1")
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    lib.eglGetProcAddress.restype = pointer
    lib.eglCreateContext.restype = pointer
    lib.eglCreateContext.argtypes = [pointer, pointer, pointer, pointer]
    lib.eglInitialize.argtypes = [pointer, pointer, pointer]
    lib.eglChooseConfig.argtypes = [pointer, pointer, pointer, integer, pointer]
    query, display_of = (lib.eglGetProcAddress(n) for n in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT"))
    if not query or not display_of:
        return False
    devices, count = (pointer * 16)(), integer()
    ctypes.CFUNCTYPE(integer, integer, pointer, pointer)(query)(16, devices, ctypes.addressof(count))
    get_display = ctypes.CFUNCTYPE(pointer, integer, pointer, pointer)(display_of)
    return any(_egl_context(lib, get_display(PLATFORM_DEVICE, device, None)) for device in devices[: count.value])


def _egl_context(lib: ctypes.CDLL, display: int | None) -> bool:
    if not display or not lib.eglInitialize(display, None, None):
        return False
    wanted = (ctypes.c_int * 5)(SURFACE_TYPE, PBUFFER_BIT, RENDERABLE_TYPE, OPENGL_BIT, NONE)
    config, found = ctypes.c_void_p(), ctypes.c_int()
    lib.eglChooseConfig(display, wanted, ctypes.byref(config), 1, ctypes.byref(found))
    lib.eglBindAPI(OPENGL_API)
    return found.value > 0 and bool(lib.eglCreateContext(display, config, None, None))


def osmesa() -> bool:
    """Make an off-screen software context."""
    lib = ctypes.CDLL(ctypes.util.find_library("OSMesa") or "libOSMesa.so.8")
    lib.OSMesaCreateContext.restype = ctypes.c_void_p
    return bool(lib.OSMesaCreateContext(OSMESA_RGBA, None))


PROBES = {"egl": egl, "osmesa": osmesa}


def main() -> int:
    """Try each backend in a child process; print the first that works."""
    if len(sys.argv) > 1:
        return 0 if PROBES[sys.argv[1]]() else 1
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    for name in [wanted] if wanted in PROBES else PROBES:
        child = subprocess.run([sys.executable, __file__, name], capture_output=True, check=False)
        if child.returncode == 0:
            print(name)
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
