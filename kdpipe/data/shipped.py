"""Data sets with a yaml in the Ultralytics package (`coco8.yaml`), which Ultralytics downloads."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from kdpipe.paths import downloads_dir


def find(name: str) -> Path | None:
    """Find the shipped yaml of that name, with or without suffix; None if there is none, or a local file."""
    spec = find_spec("ultralytics")
    if spec is None or not spec.submodule_search_locations or Path(name).exists():
        return None
    yaml = Path(spec.submodule_search_locations[0]) / "cfg" / "datasets" / name
    yaml = yaml.with_suffix(".yaml")
    return yaml if yaml.is_file() and Path(name).name == name else None


def download(yaml: Path) -> Path:
    """Download the data set of a shipped yaml, if it is missing.

    Returns:
        The folder that the `path` of the yaml is relative to.

    Raises:
        DataError: if the download fails.
    """
    if not folder_of(yaml).is_dir():
        from kdpipe.yolo.datasets import download_dataset

        download_dataset(yaml)
    return downloads_dir()


def folder_of(yaml: Path) -> Path:
    """The folder of the data set of a shipped yaml."""
    content = OmegaConf.load(yaml)
    assert isinstance(content, DictConfig)
    return downloads_dir() / str(content.get("path"))
