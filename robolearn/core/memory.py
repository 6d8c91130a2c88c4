"""What a program does once about its memory, so that it holds no loop up later."""

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask glibc not to give large blocks back to the system; return whether it agreed.

    Activations of an update, and pictures on their way, are allocated and freed again all the time. By default each of them is
    mapped afresh, and touching new pages costs more than the arithmetic of a small convolution. This is a setting of the whole process, so
    it is for programs to make, once and early; the process then keeps its peak memory. Elsewhere than on glibc it does
    nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))


def spare_what_stays() -> None:
    """Take every object that there is now out of garbage collection; for programs, once they are set up.

    Going through all that large libraries have made takes tens of ms, again and again, in the midst of a control loop. What is made
    later is collected as ever.
    """
    gc.collect()
    gc.freeze()
