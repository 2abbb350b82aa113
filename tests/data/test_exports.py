"""Every export of a tool gives the boxes, classes and splits that are in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kdpipe.data.importing import import_data
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data
from tests.data.exports.cases import READ, REFUSED, SPLIT_OFF, Case, Refusal
from tests.data.exports.matrix import BETWEEN, PAGE, with_matrix
from tests.data.exports.truth import HEIGHT, SPLITS, WIDTH, boxes, outline

Object = tuple[str, list[float]]


def objects(label: Path, names: list[str], task: str) -> list[Object]:
    """Class and, in pixels, box or corners of each object of a label file; for pose, box and keypoint."""
    found = []
    for line in label.read_text().splitlines():
        number, *values = line.split()
        shares = [float(value) for value in values]
        if task in ("detect", "pose"):
            x, y, wide, high, *points = shares
            shares = [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2, *points[:2]]
        pixels = [value * (HEIGHT if index % 2 else WIDTH) for index, value in enumerate(shares)]
        found.append((names[int(number)], pixels))
    return found


def expected(stem: str, task: str) -> list[Object]:
    nose = [10.0, 12.0] if task == "pose" else []
    with_box = task in ("detect", "pose")
    return [(box[0], [*box[1:], *nose] if with_box else outline(box)) for box in boxes(stem)]


def same(found: list[Object], wanted: list[Object]) -> bool:
    """Whether they are the same objects; corners may begin with any of the four."""

    def plain(one: Object) -> tuple[str, list[tuple[float, float]]]:
        pairs = zip(one[1][::2], one[1][1::2], strict=True)
        return one[0], sorted((round(x, 2), round(y, 2)) for x, y in pairs)

    return sorted(map(plain, found)) == sorted(map(plain, wanted))


def id_of(case: Case | Refusal) -> str:
    return case.write.__name__ + (f"-{case.task}" if isinstance(case, Case) else "")


@pytest.mark.parametrize("case", READ, ids=id_of)
def test_what_a_tool_exports_is_read_right(case: Case, tmp_path: Path) -> None:
    source = case.write(tmp_path / "theirs")
    done = import_data(source, tmp_path / "out", case.task, images=None, groups=None, seed=0)
    assert dict(done.images) == dict(case.splits)
    names = yaml.safe_load(done.yaml.read_text())["names"]
    assert names == case.names
    seen = set()
    for label in sorted((tmp_path / "out/labels").rglob("*.txt")):
        [stem] = re.findall(r"photo\d", label.stem)
        assert same(objects(label, names, case.task), expected(stem, case.task)), label.read_text()
        seen.add(stem)
        if case.splits is not SPLIT_OFF:
            assert stem in SPLITS[label.parent.name]
    assert len(seen) == sum(case.splits.values())
    told = [line for line in done.warnings if not line.startswith("there was no val")]
    assert len(told) == len(case.told), told
    assert all(part in line for part, line in zip(case.told, told, strict=True)), told
    assert sum(counts.total() for counts in done.objects.values()) == sum(len(boxes(stem)) for stem in seen)
    prepare(Data(source=str(done.yaml), task=case.task), tmp_path / "dataset")


@pytest.mark.parametrize("case", REFUSED, ids=id_of)
def test_what_is_not_read_is_refused(case: Refusal, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        import_data(
            case.write(tmp_path / "theirs"), tmp_path / "out", "detect", images=None, groups=None, seed=0
        )
    assert case.message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_the_table_of_formats_is_what_is_tried() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert BETWEEN.search(page)
    assert page == with_matrix(page), "run: python -m tests.data.exports.matrix"
