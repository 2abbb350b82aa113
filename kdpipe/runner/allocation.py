"""Where the memory of a step comes from on a CPU, and when it goes back."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # <malloc.h>


def keep_freed_memory() -> None:
    """Keep what a step has freed for the next one.

    glibc gives much of it back to the system after each step, and has it cleared page by page in the next
    (mallopt(3), M_TRIM_THRESHOLD and M_MMAP_MAX). Where there is no glibc this does nothing.
    """
    if has_glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_MAX, 0)


def give_back_freed_memory() -> None:
    """Give back what is free: a training and its validation want pieces of other sizes (malloc_trim(3))."""
    if has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def has_glibc() -> bool:
    """Whether memory comes from glibc's malloc."""
    return platform.libc_ver()[0] == "glibc"
