"""XML files with the lines that elements are in."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from kdpipe.errors import DataError

LINE = "kdpipe-line"  # attribute that no tool writes
DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']""")
OF_EXPAT = ("utf-8", "utf-16")
WIDER = {"gb2312": "gb18030", "gbk": "gb18030"}  # tools name the narrow one and write the characters of all


def root_of(file: Path) -> ET.Element:
    """The tree of an XML file; `line_of` tells where an element begins.

    Entities of the file itself are refused, because they can stand for gigabytes or for other files.

    Raises:
        DataError: naming the line that is no XML, or the encoding that is not known.
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
        parser.Parse(_content(file), True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise DataError(f"{file}, line {error.lineno}: no valid xml ({said}); export it again") from None
    return builder.close()


def _content(file: Path) -> bytes | str:
    """Bytes in an encoding that expat reads, or else the text of the encoding that the file declares."""
    content = file.read_bytes()
    found = DECLARED.match(content)
    if content.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    else:
        encoding = found[1].decode("ascii", "replace").lower() if found else OF_EXPAT[0]
    if encoding in OF_EXPAT:
        return content
    try:
        return content.decode(WIDER.get(encoding, encoding))
    except LookupError:
        raise DataError(f"{file}, line 1: the encoding {encoding} is not known; save it as UTF-8") from None
    except UnicodeError:
        raise DataError(
            f"{file} is no text in {encoding}, which its first line says; save it as UTF-8"
        ) from None


def line_of(element: ET.Element) -> int:
    """The line of the file in which an element begins."""
    return int(element.get(LINE, "0"))


def text_in(element: ET.Element, path: str) -> str:
    """Text of an element below, without space around it; empty if there is none."""
    return (element.findtext(path) or "").strip()
