"""Whether DVC can give a training back: dvc.lock or the run cache names it, and the cache has all of it.

dvc.lock alone does not say so: DVC writes it even if its cache could not take the files, as on a full disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kdpipe.cells.lock_file import LOCK_FILE
from kdpipe.cells.record import RECORD_FILE
from kdpipe.paths import project_root

SLACK = 3600.0  # seconds that the clocks of two machines may differ
# Of a folder, as written in dvc.lock and in entries of the run cache. Unlike a YAML parser, this can read a
# file that is being written.
FOLDER_HASH = re.compile(r"md5: ([0-9a-f]{32}\.dir)")


def is_committed(folder: Path) -> bool:
    """Whether DVC has the training in a folder, which its `record.json` identifies."""
    cache = _cache()
    if cache is None:
        return False
    path = folder / RECORD_FILE
    record = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    for name in dict.fromkeys(_named(cache, path.stat().st_mtime - SLACK)):
        try:
            files = {
                entry["relpath"]: entry["md5"]
                for entry in json.loads(_object(cache, name).read_text(encoding="utf-8"))
            }
        except (FileNotFoundError, ValueError):
            continue
        if files.get(RECORD_FILE) == record:
            return all(_object(cache, content).exists() for content in files.values())
    return False


def _named(cache: Path, since: float) -> Iterator[str]:
    """Hashes of the folders in dvc.lock, here and in the repository, and in the run cache since a time."""
    for root in dict.fromkeys((Path.cwd(), project_root())):
        with suppress(FileNotFoundError):
            yield from FOLDER_HASH.findall((root / LOCK_FILE).read_text(encoding="utf-8"))
    for folder, _, names in os.walk(cache / "runs"):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # a temporary file of another process
                if path.stat().st_mtime >= since:
                    yield from FOLDER_HASH.findall(path.read_text(encoding="utf-8"))


def _object(cache: Path, name: str) -> Path:
    return cache / "files" / "md5" / name[:2] / name[2:]


def _cache() -> Path | None:
    """Folder of DVC's cache; None without DVC."""
    here = Path.cwd()
    found = next((path / ".dvc" for path in (here, *here.parents) if (path / ".dvc").is_dir()), None)
    if found is None:
        return None
    from dvc.config import Config  # takes a while, and is seldom needed

    return Path(Config(str(found))["cache"].get("dir") or found / "cache")
