"""XML files with the lines that elements are in."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from kdpipe.errors import DataError

LINE = "kdpipe-line"  # attribute that no tool writes


def root_of(file: Path) -> ET.Element:
    """The tree of an XML file; `line_of` tells where an element begins.

    Entities of the file itself are refused, because they can stand for gigabytes or for other files.

    Raises:
        DataError: naming the line that is no XML.
    """
    parser, builder = expat.ParserCreate(), ET.TreeBuilder()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, {**attributes, LINE: str(parser.CurrentLineNumber)})

    def refuse(*_: object) -> None:
        raise DataError(f"{file}, line {parser.CurrentLineNumber}: XML with own entities is not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(file.read_bytes(), True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise DataError(f"{file}, line {error.lineno}: no valid xml ({said}); export it again") from None
    return builder.close()


def line_of(element: ET.Element) -> int:
    """The line of the file in which an element begins."""
    return int(element.get(LINE, "0"))


def text_in(element: ET.Element, path: str) -> str:
    """Text of an element below, without space around it; empty if there is none."""
    return (element.findtext(path) or "").strip()
