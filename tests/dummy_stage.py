"""What the stages of a made-up pipeline run: some ticks, which an interrupted one does not do again.

    python dummy_stage.py OUT TICKS MARKS

MARKS is a folder outside the pipeline, in which it is noted what happened. While it has a file STAGE.hold,
that stage does its first tick only.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

TICK = 0.1


def main(out: Path, ticks: int, marks: Path) -> int:
    name = os.environ["DVC_STAGE"]
    sys.stdout.reconfigure(line_buffering=True)
    with (
        (marks / f"{name}.marks").open("a", buffering=1) as noted,
        (marks / f"{name}.lock").open("w") as lock,
    ):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            noted.write("twice at once\n")
            return 1
        done = Path(noted.name).read_text().splitlines().count("tick")
        noted.write(f"start {os.environ.get('OMP_NUM_THREADS')} {os.environ.get('CUDA_VISIBLE_DEVICES')}\n")
        try:
            for tick in range(done, ticks):
                while tick and (marks / f"{name}.hold").exists():
                    time.sleep(TICK)
                time.sleep(TICK)
                noted.write("tick\n")
                sys.stdout.write(f"epoch {tick + 1}/{ticks} mAP50-95 0.{tick}\n")
        except KeyboardInterrupt:
            noted.write("interrupted\n")
            return 130
        if name == os.environ.get("KDPIPE_TEST_FAILS"):
            sys.stderr.write("there is no such teacher\n")
            return 3
        noted.write("end\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(f"{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
