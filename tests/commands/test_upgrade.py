"""A project after an upgrade of kdpipe: what is written, what is kept, what becomes stale."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from kdpipe.checks.preflight import preflight
from kdpipe.commands import template
from kdpipe.commands.init import tell
from kdpipe.errors import KdpipeError
from kdpipe.paths import template_dir
from tests.commands.test_init import made


@pytest.fixture(autouse=True)
def _stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kdpipe in which the pipeline and a number of the recipe are newer than in the project `old`."""
    made(tmp_path / "old")
    theirs = tmp_path / "theirs"
    for name in ("dvc.yaml", ".dvcignore", "pipelines", ".dvc/plots"):
        source, target = template_dir() / name, theirs / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    for name, old, new in (
        ("dvc.yaml", "stages:", "# newer\nstages:"),
        ("pipelines/train.py", "def main", "# newer\ndef main"),
        ("pipelines/recipe.yaml", "TRAINING: 1", "TRAINING: 2"),
    ):
        text = (theirs / name).read_text()
        assert old in text
        (theirs / name).write_text(text.replace(old, new, 1))
    template.recipe.installed.cache_clear()
    for module in ("kdpipe.commands.template", "kdpipe.cells.recipe"):
        monkeypatch.setattr(f"{module}.template_dir", lambda: theirs)
    yield theirs
    template.recipe.installed.cache_clear()


def test_an_upgrade_says_what_becomes_stale(newer: Path, tmp_path: Path) -> None:
    with pytest.raises(KdpipeError, match=r"another version .*\(TRAINING\); run `kdpipe init --upgrade`"):
        preflight()
    done = template.upgrade(tmp_path / "old")
    assert done.written == ["dvc.yaml", "pipelines/recipe.yaml", "pipelines/train.py"]
    assert done.kept == []
    (number, stages), *others = done.stale.items()
    assert (number, others) == ("TRAINING 1 -> 2", [])
    assert stages[:4] == ["teacher", "paired_teacher", "baseline", "distill"]
    assert {stage.removeprefix("confirm_") for stage in stages[4:]} == set(stages[1:4])
    for name in done.written:
        assert (tmp_path / "old" / name).read_bytes() == (newer / name).read_bytes()
    preflight()
    console = Console(width=500)
    with console.capture() as said:
        tell(done, console)
        tell(template.upgrade(tmp_path / "old"), console)
    assert "TRAINING 1 -> 2: teacher, paired_teacher, baseline, distill, " in said.get()
    assert "nothing to upgrade" in said.get()


def test_an_upgrade_keeps_edits(newer: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    for name in ("dvc.yaml", "pipelines/validate.py", "pipelines/recipe.yaml"):
        (old / name).write_text((old / name).read_text() + "\n# mine\n")
    done = template.upgrade(old)
    assert done.kept == ["dvc.yaml"]
    assert (old / "dvc.yaml").read_text().endswith("# mine\n")
    assert (old / "dvc.yaml.new").read_bytes() == (newer / "dvc.yaml").read_bytes()
    assert (old / "pipelines/validate.py").read_text().endswith("# mine\n")
    assert not (old / "pipelines/validate.py.new").exists()
    assert (old / "pipelines/recipe.yaml").read_bytes() == (newer / "pipelines/recipe.yaml").read_bytes()


@pytest.mark.usefixtures("newer")
def test_nothing_runs_before_an_edited_file_is_brought_up_to_date(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "dvc.yaml").write_text((old / "dvc.yaml").read_text() + "\n# mine\n")
    template.upgrade(old)
    with pytest.raises(
        KdpipeError, match=r"dvc.yaml.new came with an upgrade, and dvc.yaml is still the old one"
    ):
        preflight()
    (old / "dvc.yaml.new").replace(old / "dvc.yaml")
    preflight()


def test_an_upgrade_mends_what_is_gone_or_damaged(tmp_path: Path) -> None:
    made(tmp_path / "study")
    Path("pipelines/train.py").unlink()
    Path("pipelines/recipe.yaml").write_text("<<<<<<< HEAD\nDATA: 1\n")
    with pytest.raises(KdpipeError, match="has no numbers; `kdpipe init --upgrade` writes them again"):
        preflight()
    assert template.upgrade(Path()).written == ["pipelines/recipe.yaml", "pipelines/train.py"]
    preflight()
    Path("pipelines/recipe.yaml").unlink()
    assert template.upgrade(Path()).written == ["pipelines/recipe.yaml"]


def test_what_is_no_project_is_not_upgraded(tmp_path: Path) -> None:
    with pytest.raises(KdpipeError, match="is no project of kdpipe; `kdpipe init` makes one"):
        template.upgrade(tmp_path)
    with pytest.raises(KdpipeError, match="own repository; `git pull` upgrades it"):
        template.upgrade(template_dir())


@pytest.mark.usefixtures("newer")
def test_an_upgrade_names_what_params_yaml_lacks(tmp_path: Path) -> None:
    """Keys that the new dvc.yaml reads, of which DVC would only say that it cannot find them."""
    params = tmp_path / "old/params.yaml"
    before, _, after = params.read_text().partition("export:")
    params.write_text(f"{before}{after[after.index('tracking:') :]}")
    done = template.upgrade(tmp_path / "old")
    console = Console(width=500)
    with console.capture() as said:
        tell(done, console)
    assert "export: missing; DVC reads it from here, so write it out: export: {formats: []}" in said.get()
