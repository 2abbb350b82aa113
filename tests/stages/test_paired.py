"""A teacher with a training per seed, with real `dvc repro`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdpipe.cells.record import load_record
from kdpipe.params.load import load
from kdpipe.paths import digest_of
from tests.conftest import forget_others
from tests.project import TINY_STUDENT, Project, copy_of
from tests.test_pipeline import stages, tracked

pytestmark = pytest.mark.slow
TRAININGS = ("teacher", "paired_teacher", "baseline", "distill", "confirm_")


def trained(said: str) -> list[str]:
    return sorted(name for name in stages(said) if name.startswith(TRAININGS))


@pytest.fixture(scope="module")
def paired(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project with two seeds, a paired teacher and a student that starts from it; what its run said."""
    project = copy_of(first_run, tmp_path_factory.mktemp("paired") / "clone")
    project.edit("students.yolo26n", {"model": TINY_STUDENT["model"], "init": {"from": "yolo26s"}})
    project.edit("sweep.seeds", [0, 1])
    project.edit("sweep.paired", ["yolo26s"])
    with pytest.MonkeyPatch.context() as patch:
        forget_others(patch)
        return project, project.run("dvc", "repro").stdout


def test_the_student_of_a_seed_has_the_teacher_of_that_seed(paired: tuple[Project, str]) -> None:
    project, said = paired
    assert trained(said) == [
        *(f"baseline@yolo26n-{seed}" for seed in (0, 1)),
        *(f"distill@n-s-1.0-{seed}" for seed in (0, 1)),
        *(f"paired_teacher@yolo26s-{seed}" for seed in (0, 1)),
    ]
    taught, alone = [], []
    for seed in (0, 1):
        teacher = load_record(project.folder / f"models/teachers/yolo26s@{seed}")
        assert (teacher.identity.kind, teacher.identity.seed) == ("paired_teacher", seed)
        distilled = load_record(project.folder / f"runs/distill/n-s/1.0/{seed}/train").identity
        baseline = load_record(project.folder / f"runs/baseline/yolo26n/{seed}/train").identity
        assert distilled.teacher_digest == teacher.weights_digest
        assert distilled.init_digest == baseline.init_digest
        start = project.folder / f"models/starts/yolo26n/{seed}/start.pt"
        assert distilled.init_digest == digest_of(start)
        taught.append(distilled.teacher_digest)
        alone.append(baseline.init_digest)
    assert len(set(taught)) == len(set(alone)) == 2


def test_the_report_says_that_intervals_cover_teachers(paired: tuple[Project, str]) -> None:
    project, _ = paired
    table = (project.folder / "reports/benchmark.md").read_text()
    assert "with other trainings of the teacher" in " ".join(table.split())
    assert "not with another training" not in " ".join(table.split())
    section = table.split("## Teachers")[1].split("## ")[0]
    names = [line.split("|")[1].strip() for line in section.splitlines() if "yolo26s" in line]
    assert names == ["yolo26s", "yolo26s, 2 seeds"]
    comparisons = json.loads((project.folder / "reports/benchmark.json").read_text())["comparisons"]
    against = [one for one in comparisons if one["kind"] == "student - teacher" and one["head"] == "e2e"]
    assert {one["before"] for one in against} == {"yolo26s paired teacher"}
    for one in against:
        assert set(one["before_summary"]["per_seed"]) == {"0", "1"}
    runs = tracked(project)
    assert runs.loc["paired_teacher/yolo26s/1", "tags.stage"] == "paired_teacher"
    assert (project.folder / "reports/index.html").stat().st_size > 0


def test_another_seed_trains_its_own_and_no_other(paired: tuple[Project, str]) -> None:
    project, _ = paired
    text = (project.folder / "params.yaml").read_text()
    try:
        project.edit("sweep.seeds", [0, 1, 2])
        assert "3 trainings to run" in project.run("kdpipe", "check").stdout
        assert trained(project.run("dvc", "repro").stdout) == [
            "baseline@yolo26n-2",
            "distill@n-s-1.0-2",
            "paired_teacher@yolo26s-2",
        ]
    finally:
        (project.folder / "params.yaml").write_text(text)


@pytest.mark.nightly
def test_new_seeds_have_new_teachers(paired: tuple[Project, str]) -> None:
    project, _ = paired
    project.run("kdpipe", "confirm", "n-s", "--max-seeds", "4", "--jobs", "2")
    assert load(project.folder / "params.yaml").confirm.paired == ["yolo26s"]
    seeds = range(2, 6)
    digests = {
        load_record(project.folder / f"runs/distill/n-s/confirm/{seed}/train").identity.teacher_digest
        for seed in seeds
    }
    teachers = {load_record(project.folder / f"models/teachers/yolo26s@{s}").weights_digest for s in seeds}
    assert digests == teachers
    assert len(teachers) == 4
    assert "up to date" in project.run("dvc", "repro").stdout
