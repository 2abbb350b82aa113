"""Where the memory of a step comes from on a CPU."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # <malloc.h>


def keep_freed_memory() -> None:
    """Keep what a step has freed for the next one.

    glibc gives much of it back to the system after each step, and has it cleared page by page in the next
    (mallopt(3), M_TRIM_THRESHOLD and M_MMAP_MAX). Where there is no glibc this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_MAX, 0)
