"""Stages that are forked from a process with their packages: as if they had been started."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kdpipe.parallel.warm import SERVER
from tests.processes import wait_for
from tests.project import REPOSITORY

WORK = """
import json, os, signal, sys, time
what = sys.argv[1]
if what == "tell":
    mask = os.umask(0)
    print(json.dumps({
        "warm": "torch" in sys.modules, "argv": sys.argv[1:], "cwd": os.getcwd(), "mask": mask,
        "given": os.environ.get("GIVEN"), "stage": os.environ.get("DVC_STAGE"), "name": __name__,
        "seekable": sys.stdout.seekable(), "terminal": sys.stdout.isatty(),
    }))
elif what == "code":
    sys.exit(int(sys.argv[2]))
elif what == "words":
    sys.exit("it went wrong")
elif what == "fault":
    raise ValueError("a fault")
elif what == "signal":
    os.kill(os.getpid(), int(sys.argv[2]))
else:
    try:
        print(os.getpid(), flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(7)
"""
CALL = "import sys; from kdpipe.parallel.warm import run_warm; run_warm('work', sys.argv[1:]); print('cold')"
LONGEST = 60.0  # seconds for a server to import everything

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


class Caller:
    """A folder with a module to run, and an own place for servers."""

    def __init__(self, folder: Path) -> None:
        (folder / "work.py").write_text(WORK)
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.environment = os.environ | {"TMPDIR": str(self.temporary), "PYTHONPATH": str(REPOSITORY)}

    def start(self, *given: str, **changed: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CALL, *given],
            cwd=self.folder,
            env=self.environment | changed,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *given: str, **changed: str) -> tuple[int, str, str]:
        process = self.start(*given, **changed)
        out, err = process.communicate(timeout=LONGEST)
        return process.returncode, out.strip(), err.strip()

    def servers(self) -> list[psutil.Process]:
        place = str(self.temporary)
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(SERVER) in (line := process.info["cmdline"] or []) and any(place in part for part in line)
        ]

    def warm_up(self) -> None:
        end = time.monotonic() + LONGEST
        while self.run("code", "0")[1] == "cold":
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    caller = Caller(tmp_path_factory.mktemp("warm"))
    caller.warm_up()
    yield caller
    for server in caller.servers():
        server.kill()


def test_the_module_runs_as_if_it_had_been_started(caller: Caller) -> None:
    code, out, _ = caller.run("tell", "a b", GIVEN="kept?")
    assert (code, out) == (0, "cold"), "another environment needs another server"
    before = os.umask(0o027)
    try:
        _, out, _ = caller.run("tell", "a b", DVC_STAGE="train")
    finally:
        os.umask(before)
    assert json.loads(out) == {
        "warm": True,
        "argv": ["tell", "a b"],
        "cwd": str(caller.folder),
        "mask": 0o027,
        "given": None,
        "stage": "train",
        "name": "__main__",
        "seekable": False,  # the log of the server is
        "terminal": False,
    }


def test_one_server_serves_one_environment(caller: Caller) -> None:
    caller.run("tell")
    caller.run("tell", DVC_STAGE="other")
    environments = [server.environ() for server in caller.servers()]
    assert len([found for found in environments if "GIVEN" not in found]) == 1


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("code", "0"), 0, ""),
        (("code", "3"), 3, ""),
        (("words",), 1, "it went wrong"),
        (("fault",), 1, "ValueError: a fault"),
        (("signal", "9"), -9, ""),
        (("signal", "15"), -15, ""),
    ],
)
def test_it_ends_as_the_module_does(caller: Caller, given: tuple[str, ...], code: int, words: str) -> None:
    found, out, err = caller.run(*given)
    assert (found, out) == (code, "")
    assert err.endswith(words)


def test_ctrl_c_reaches_the_module(caller: Caller) -> None:
    process = caller.start("sleep")
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=10)[0].strip() == "interrupted"
    assert process.returncode == 7


def test_the_module_does_not_outlive_the_process_that_asked(caller: Caller) -> None:
    process = caller.start("sleep")
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    process.kill()
    assert not psutil.wait_procs([child], timeout=10)[1]


def test_a_caller_that_dies_while_it_asks_leaves_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in caller.temporary.glob("kdpipe-*/*/socket"):
        monkeypatch.chdir(place.parent)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(place.name)
            socket.send_fds(connection, [(100).to_bytes(4, "big")], [0, 1, 2])
            connection.sendall(b"[")
    wait_for(lambda: not any(server.children() for server in caller.servers()), seconds=10)


def test_a_lock_that_is_passed_on_is_held_until_the_module_ends(caller: Caller, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock, (tmp_path / "lock").open("w") as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-c", CALL, "sleep"],
            cwd=caller.folder,
            env=caller.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        lock.close()
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()
        psutil.wait_procs([child], timeout=10)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.nightly
def test_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    caller = Caller(tmp_path)
    caller.warm_up()
    for server in caller.servers():
        server.kill()
        server.wait()
    assert caller.run("tell")[1] == "cold"
    caller.warm_up()
    for server in caller.servers():
        server.kill()


def test_a_server_with_nothing_to_do_ends_and_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from pathlib import Path\n"
        "from kdpipe.parallel.warm_server import serve\n"
        f"serve(Path({str(place / 'socket')!r}), lambda idle: idle < 0.2)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LONGEST)
    assert not place.exists()


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    caller = Caller(tmp_path)
    assert caller.run("tell", KDPIPE_WARM="0")[1] == "cold"
    assert not any(caller.temporary.iterdir())


def test_a_place_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    caller = Caller(tmp_path)
    place = caller.temporary / f"kdpipe-{os.getuid()}"
    place.mkdir()
    place.chmod(0o777)
    assert caller.run("tell")[1] == "cold"
    assert not any(place.iterdir())


@pytest.mark.nightly
def test_nothing_that_is_imported_touches_a_gpu() -> None:
    """CUDA cannot be used in a fork of a process that has used it."""
    code = f"""
import sys, torch
def refuse(*_):
    raise AssertionError("asked for a GPU")
for name in ("_cuda_getDeviceCount", "_cuda_init"):
    setattr(torch._C, name, refuse)
sys.path.insert(0, {str(REPOSITORY)!r})
from importlib import import_module
from kdpipe.parallel.warm_server import IMPORTED
for name in IMPORTED:
    import_module(name)
assert not torch.cuda.is_initialized()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LONGEST)
