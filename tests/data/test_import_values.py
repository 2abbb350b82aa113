"""Values, encodings and archives that tools or downloads spoil: right numbers, or one clear sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from kdpipe.data.importing import ImportResult, import_data
from kdpipe.errors import DataError
from tests.data.exports import coco_and_yolo, xml_tools
from tests.data.exports.truth import written
from tests.data.test_exports import expected, objects, same


def imported(source: Path, out: Path, task: str = "detect") -> ImportResult:
    return import_data(source, out, task, images=None, groups=None, seed=0)


def packed(folder: Path, to: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    coco_and_yolo.label_studio_yolo(folder)
    with zipfile.ZipFile(to, "w", method) as file:
        for path in sorted(folder.rglob("*.*")):
            file.write(path, path.relative_to(folder))
    return to


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("spoil", [255, 6])
def test_a_zip_with_damaged_bytes(method: int, spoil: int, tmp_path: Path) -> None:
    source = packed(tmp_path / "set", tmp_path / "set.zip", method)
    with zipfile.ZipFile(source) as file:
        largest = max(file.infolist(), key=lambda one: one.compress_size)
    content = bytearray(source.read_bytes())
    start = largest.header_offset + 30 + len(largest.filename)
    content[start + 10 : start + 200] = bytes([spoil]) * 190
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.zip(: a broken zip \(.*; download| cannot be unpacked \(Inv)"):
        imported(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((f"{'n' * 300}.txt",), f"set.zip cannot be unpacked ({'n' * 60}: File name too long); unpack it"),
        (("a", "a/b.txt"), "set.zip cannot be unpacked (a/b.txt: Not a directory); unpack it yourself"),
        (("a/b/c.txt", "a/b"), "set.zip cannot be unpacked (a/b: Is a directory); unpack it yourself"),
    ],
)
def test_a_zip_with_names_that_a_disk_cannot_have(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    source = packed(tmp_path / "set", tmp_path / "set.zip")
    with zipfile.ZipFile(source, "a") as file:
        for name in names:
            file.writestr(name, "text")
    with pytest.raises(DataError) as error:
        imported(source, tmp_path / "out")
    assert message in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


def test_a_zip_with_names_that_are_no_utf8(tmp_path: Path) -> None:
    source = packed(tmp_path / "set", tmp_path / "set.zip")
    with zipfile.ZipFile(source, "a") as file:
        file.writestr("größe.txt", "text")
    source.write_bytes(source.read_bytes().replace("größe".encode(), b"gr\xff\xfe\xff\xfee"))
    with pytest.raises(DataError, match=r"set\.zip: a broken zip \(.*codec can't decode"):
        imported(source, tmp_path / "out")


def declared(folder: Path, encoding: str, written_as: str, name: str) -> Path:
    """Pascal VOC whose dogs have another name, in some encoding."""
    xml_tools.voc(folder)
    for path in (folder / "Annotations").iterdir():
        text = path.read_text().replace("<name>dog", f"<name>{name}")
        written(path, f'<?xml version="1.0" encoding="{encoding}"?>\n{text}', encoding=written_as)
    return folder


@pytest.mark.parametrize(
    ("encoding", "written_as", "name"),
    [
        ("GB2312", "gb18030", "狗"),
        ("gb2312", "gb18030", "朱镕基"),  # whose second character is not in GB 2312
        ("GBK", "gb18030", "狗"),
        ("Shift_JIS", "shift_jis", "犬"),
        ("EUC-KR", "euc_kr", "개"),
        ("windows-1252", "cp1252", "größe"),
        ("UTF-16", "utf-16", "狗"),
        ("GB2312", "utf-8-sig", "狗"),  # saved again by an editor
        ("utf-8", "utf-8", "狗"),
    ],
)
def test_xml_is_read_in_the_encoding_that_it_declares(
    encoding: str, written_as: str, name: str, tmp_path: Path
) -> None:
    done = imported(declared(tmp_path / "theirs", encoding, written_as, name), tmp_path / "out")
    names = ["cat", name]
    assert done.objects["train"].keys() == set(names)
    for label in (tmp_path / "out/labels").rglob("*.txt"):
        wanted = [(name if one == "dog" else one, box) for one, box in expected(label.stem, "detect")]
        assert same(objects(label, names, "detect"), wanted)


@pytest.mark.parametrize(
    ("encoding", "written_as", "message"),
    [
        ("klingon", "utf-8", r"photo0\.xml, line 1: the encoding klingon is not known; save it as UTF-8"),
        ("hex", "utf-8", r"photo0\.xml, line 1: the encoding hex is not known"),
        ("undefined", "utf-8", r"photo0\.xml is no text in undefined, which its first line says; save it"),
        ("euc_jp", "gb18030", r"photo\d\.xml is no text in euc_jp, which its first line says; save it"),
    ],
)
def test_xml_of_an_encoding_that_is_not_known_is_refused(
    encoding: str, written_as: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        imported(declared(tmp_path / "theirs", encoding, written_as, "镕€"), tmp_path / "out")
