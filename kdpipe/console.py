"""Terminal output: the shared consoles, and the one place where errors are printed."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from rich.console import Console
from rich.markup import escape

from kdpipe.errors import KdpipeError

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(
        errors="replace"
    )  # where a terminal is not UTF-8, a question mark, not a traceback

# Bound to the original streams, because stdout is redirected to a log file while Ultralytics runs.
console = Console(file=sys.stdout, soft_wrap=True)
errors = Console(file=sys.stderr, soft_wrap=True)

FAILED = 1
USAGE_ERROR = 2
INTERRUPTED = 130
UTF_8 = "utf-8"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)

Arguments = ParamSpec("Arguments")


def reporting_mistakes(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Decorate a command so that it prints expected errors as one message and exits with a fixed code.

    Exit codes: 2 for a user's error, 1 for a disk that is full or not writable, 130 for Ctrl-C.
    """

    @wraps(function)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except KdpipeError as error:
            errors.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
            sys.exit(USAGE_ERROR)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                said = escape(f"{error}; the name of a file or folder has at most 255 bytes")
                errors.print(f"[bold red]error:[/] {said}", highlight=False)
                sys.exit(USAGE_ERROR)
            if error.errno not in (*FULL, *CLOSED):
                raise
            remedy = (
                "make room there"
                if error.errno in FULL
                else "kdpipe must be able to write there, and to read"
            )
            said = escape(f"{error}; {remedy}; nothing that was finished is lost")
            errors.print(f"[bold red]error:[/] {said}")
            sys.exit(FAILED)
        except UnicodeEncodeError as error:
            encoding = sys.getfilesystemencoding()
            if encoding == UTF_8:
                raise
            said = escape(
                f"{error.object!a} cannot be the name of a file in this locale, which is {encoding}"
            )
            errors.print(f"[bold red]error:[/] {said}; run `export PYTHONUTF8=1`, then this again")
            sys.exit(USAGE_ERROR)
        except KeyboardInterrupt:
            errors.print("[yellow]interrupted;[/] the next `dvc repro` continues from the last whole epoch")
            sys.exit(INTERRUPTED)

    return wrapped
