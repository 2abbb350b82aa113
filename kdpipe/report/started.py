"""Students that start from a teacher, beside students of the same model that train from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kdpipe.params.schema import FROM, SCRATCH
from kdpipe.report.results import Line, Results, Setting

PREFIX = f"{FROM} "  # of the `init` of such a student, before the teacher's name


@dataclass(frozen=True)
class Started:
    """A student that starts from a teacher.

    Attributes:
        student: Its name.
        teacher: The teacher's name.
        epochs: Epochs of the student.
        teacher_epochs: Epochs of the teacher; 0 if it is used as it is.
        scratch: Students of the same model from scratch that train for as many epochs as both; none if the
            teacher's are not known.
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
        its_epochs, epochs = int(teachers[f"teacher/{teacher}"]["epochs"]), int(line["epochs"])
        wanted = (SCRATCH, line["model"], its_epochs + epochs)
        scratch = tuple(
            other
            for other, found in students.items()
            if (found["init"], found["model"], int(found["epochs"])) == wanted
        )
        yield Started(name, teacher, epochs, its_epochs, scratch if its_epochs else ())


def _one_each(results: Results, kind: str) -> Iterable[Line]:
    """A row of each training of a kind."""
    rows = results.lines(kind=kind, split=results.split).drop_duplicates("cell")
    return rows[["cell", "student", "init", "model", "epochs"]].to_dict("records")
