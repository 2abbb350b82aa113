"""Data sets that Ultralytics ships a yaml for, by name (`coco8.yaml`), downloaded by it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from kdpipe.paths import downloads_dir


def find(name: str) -> Path | None:
    """The shipped yaml of that name, with or without its suffix, or None; a local file wins."""
    spec = find_spec("ultralytics")
    if spec is None or not spec.submodule_search_locations or Path(name).exists():
        return None
    yaml = Path(spec.submodule_search_locations[0]) / "cfg" / "datasets" / name
    yaml = yaml.with_suffix(".yaml")
    return yaml if yaml.is_file() and Path(name).name == name else None


def download(yaml: Path) -> Path:
    """Have the data set of a shipped yaml on disk; returns the folder its `path` starts in.

    Raises:
        DataError: if it is not here and cannot be downloaded.
    """
    folder = downloads_dir()
    content = OmegaConf.load(yaml)
    assert isinstance(content, DictConfig)
    if not (folder / str(content.get("path"))).is_dir():
        from kdpipe.yolo.datasets import download_dataset

        download_dataset(yaml)
    return folder
