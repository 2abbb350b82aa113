"""Students that start from a teacher, beside students of the same model that train from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kdpipe.params.schema import FROM, SCRATCH
from kdpipe.report.fairness import comparable
from kdpipe.report.results import Line, Results, Setting

DIFFERENT = {"epochs", "start weights"}  # between a student and one from scratch
PREFIX = f"{FROM} "  # of the `init` of such a student, before the teacher's name


@dataclass(frozen=True)
class Started:
    """A student that starts from a teacher.

    Attributes:
        student: Its name.
        teacher: The teacher's name.
        epochs: Epochs of the student.
        teacher_epochs: Epochs of the teacher; 0 if it is used as it is.
        scratch: Students of the same model from scratch that train for as many epochs as both, with the same
            other arguments and on the same images, which are those of the teacher too; none if the teacher's
            epochs are not known.
    """

    student: str
    teacher: str
    epochs: int
    teacher_epochs: int
    scratch: tuple[str, ...]

    @property
    def baseline(self) -> Setting:
        """The student trained alone."""
        return Setting("baseline", self.student)


def started_students(results: Results) -> Iterator[Started]:
    """Yield the students that start from a teacher."""
    students = {str(line["student"]): line for line in _one_each(results, "baseline")}
    teachers = {str(line["cell"]): line for line in _one_each(results, "teacher")}
    for name, line in students.items():
        if not str(line["init"]).startswith(PREFIX):
            continue
        teacher = str(line["init"]).removeprefix(PREFIX)
        its = teachers[f"teacher/{teacher}"]
        its_epochs, epochs = int(its["epochs"]), int(line["epochs"])
        wanted = (SCRATCH, line["model"], its_epochs + epochs)
        scratch = tuple(
            other
            for other, found in students.items()
            if (found["init"], found["model"], int(found["epochs"])) == wanted
            and _alike(results, name, other)
        )
        same_images = its_epochs and _images(results, its) == _images(results, line)
        yield Started(name, teacher, epochs, its_epochs, scratch if same_images else ())


def _alike(results: Results, student: str, other: str) -> bool:
    """Whether two students differ in start weights and epochs only, with every seed that both have."""
    own, others = (
        {line["seed"]: comparable(results.files[line["cell"]].record) for line in results.cells(of)}
        for of in (Setting("baseline", student), Setting("baseline", other))
    )
    return all(
        own[seed].get(name) == others[seed].get(name)
        for seed in own.keys() & others.keys()
        for name in (own[seed].keys() | others[seed].keys()) - DIFFERENT
    )


def _images(results: Results, line: Line) -> tuple[str, object]:
    """Return what says which images a training saw."""
    record = results.files[line["cell"]].record
    return record.identity.data_digest, record.arguments.get("fraction")


def _one_each(results: Results, kind: str) -> Iterable[Line]:
    """A row of each training of a kind."""
    rows = results.lines(kind=kind, split=results.split).drop_duplicates("cell")
    return rows[["cell", "student", "init", "model", "epochs"]].to_dict("records")
