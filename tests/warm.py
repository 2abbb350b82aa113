"""Start stages in milliseconds: they are forked from a process that has imported torch, MLflow and DVC.

`folder()` gives a folder with commands `python`, `dvc` and `kdpipe` for the front of PATH. They run the same
code as the real ones, each call in a process of its own, as `kdpipe.parallel.warm` does it for stages. Here
DVC is imported already too, and one server serves all processes of a test session, and ends with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock

from kdpipe.parallel.warm import SERVER

REPOSITORY = Path(__file__).parents[1]
IMPORTED = ("dvc.cli", "dvc.repo", "dvc.repo.reproduce", "dvc.commands.repro", "dvc.stage.run")
MODULES = {"dvc": "dvc", "kdpipe": "kdpipe.cli"}

# Only the standard library, and of that little: this is what is started each time.
CLIENT = """#!{python} -SE
import os, socket, sys
name, given = os.path.basename(sys.argv[0]), sys.argv[1:]
module = {modules!r}.get(name)
if module is None and given[:1] == ["-m"] and given[1:2] and given[1].startswith("pipelines."):
    module, given = given[1], given[2:]
if module:
    sys.path.insert(0, {repository!r})
    from kdpipe.parallel.warm import ask
    server = socket.socket(socket.AF_UNIX)
    server.connect({address!r})
    ask(server, module, [name, *given])
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


def folder() -> Path:
    """The commands, and the server behind them, started if it is not there yet."""
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    base = Path(gettempdir()) / f"kdpipe-warm-{session}"
    base.mkdir(exist_ok=True)
    commands, address = base / "bin", base / "socket"
    with FileLock(base / "lock"):
        if not commands.exists():
            server = subprocess.Popen(
                [sys.executable, str(SERVER), str(address), str(session), *IMPORTED],
                cwd=base,
                env={
                    **os.environ,
                    "PYTHONDONTWRITEBYTECODE": "",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    "DVC_NO_ANALYTICS": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=(base / "log").open("w"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            while not address.exists():
                assert server.poll() is None, (base / "log").read_text()
                time.sleep(0.05)
            commands.mkdir()
            settings = {"python": sys.executable, "address": str(address), "repository": str(REPOSITORY)}
            for name in ("python", *MODULES):
                path = commands / name
                path.write_text(CLIENT.format(**settings, modules=MODULES))
                path.chmod(0o755)
    return commands
