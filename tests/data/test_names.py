"""Class names are what is written in the data yaml, or an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdpipe.data import data_yaml
from kdpipe.errors import DataError
from tests.params.test_yaml_text import BOMB


def names(text: str, folder: Path) -> list[str]:
    (folder / "data.yaml").write_text(f"train: images\n{text}\n", encoding="utf-8")
    return data_yaml.header(folder / "data.yaml")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: [cat, dog]", ["cat", "dog"]),
        ("names: {0: cat, 1: dog}", ["cat", "dog"]),
        ("names: [0, 1, 10]", ["0", "1", "10"]),
        ("names: ['yes', \"no\", '01', '1.10', 'null']", ["yes", "no", "01", "1.10", "null"]),
        ("names: ['${', 'a${b}', 'a|b', 猫]", ["${", "a${b}", "a|b", "猫"]),
        ("names:\n- traffic light\n- y\n- n", ["traffic light", "y", "n"]),
        ("names: {00: cat, 01: dog}", ["cat", "dog"]),
    ],
)
def test_names_are_what_is_written(text: str, expected: list[str], tmp_path: Path) -> None:
    assert names(text, tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [yes, no]", "names: YAML reads yes as True, no as False; write quotes: 'yes', 'no'"),
        ("names: {0: cat, 1: NO}", "names: YAML reads NO as False; write quotes: 'NO'"),
        ("names: [01, 010]", "names: YAML reads 01 as 1, 010 as 8; write quotes: '01', '010'"),
        ("names: [1.10, cat]", "names: YAML reads 1.10 as 1.1; write quotes: '1.10'"),
        ("names: [null, cat]", "names: YAML reads null as None; write quotes: 'null'"),
        ("names: {0: , 1: cat}", "names: YAML reads nothing as None; write quotes: a name"),
        ("names: [2024-01-01]", "names: YAML reads 2024-01-01 as a date; write quotes: '2024-01-01'"),
        ("names: [1:30, 1e3, .5, 0x1F]", "1:30 as 90, 1e3 as 1000.0, .5 as 0.5 and 1 more; write quotes"),
        ("names: ['', cat]", "names: a class has an empty name"),
        ("names: [[cat], dog]", "names: ['cat'] is no name; write one text per class"),
        ("names: [cat]\nkpt_shape: [017, 3]", "kpt_shape[0]: YAML reads 017 as 15; write 17 or 15"),
        ("names: [cat]\nnames: [dog]", "the key names is written twice; keep one"),
        (f"names: [cat]\n{BOMB}", "aliases (*name) stand for more than 200000 values"),
        ("names: &a [*a]", "an alias (*name) stands for a value that contains it"),
    ],
)
def test_names_that_yaml_reads_as_something_else(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        names(text, tmp_path)
    assert message in str(error.value)
