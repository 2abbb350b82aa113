"""Pascal VOC and CVAT xml, as their tools write them."""

from __future__ import annotations

from pathlib import Path

from tests.data.exports.truth import HEIGHT, NAMES, SPLITS, STEMS, WIDTH, boxes, corners, picture, written

VOC_SIZE = f"<width>{WIDTH}</width><height>{HEIGHT}</height>"


def voc_text(
    stem: str, filename: str = "", objects: str = "", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> str:
    """As labelImg writes it; pixels count from 1, and the last one is inside."""
    found = objects or "".join(
        f"""
    <object>
        <name>{name}</name>
        <pose>Unspecified</pose>
        <truncated>0</truncated>
        <difficult>0</difficult>
        <bndbox>
            <xmin>{left + 1:.0f}</xmin>
            <ymin>{top + 1:.0f}</ymin>
            <xmax>{right:.0f}</xmax>
            <ymax>{bottom:.0f}</ymax>
        </bndbox>
    </object>"""
        for name, left, top, right, bottom in boxes(stem)
    )
    return f"""<annotation>
    <folder>JPEGImages</folder>
    <filename>{filename or f"{stem}.jpg"}</filename>
    <source><database>Unknown</database></source>
    <size>{size or VOC_SIZE}<depth>3</depth></size>
    <segmented>0</segmented>{found}
</annotation>
"""


def voc(folder: Path) -> Path:
    for stem in STEMS:
        picture(folder / f"JPEGImages/{stem}.jpg")
        written(folder / f"Annotations/{stem}.xml", voc_text(stem))
    return folder


def roboflow_voc(folder: Path) -> Path:
    """Images and xml files in one folder per split."""
    for split, name in {"train": "train", "val": "valid", "test": "test"}.items():
        for stem in SPLITS[split]:
            picture(folder / name / f"{stem}.jpg")
            written(folder / name / f"{stem}.xml", voc_text(stem))
    return folder


def cvat_image(number: int, name: str, shapes: str = "", more: str = "") -> str:
    stem = Path(name.replace("\\", "/")).stem
    found = shapes or "".join(
        f'    <box label="{label}" source="manual" occluded="0" xtl="{left:.2f}" ytl="{top:.2f}" '
        f'xbr="{right:.2f}" ybr="{bottom:.2f}" z_order="0">\n    </box>\n'
        for label, left, top, right, bottom in boxes(stem)
    )
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return f'  <image id="{number}" name="{name}" {more} {size}>\n{found}  </image>\n'


def cvat_text(images: str, names: list[str] = NAMES) -> str:
    labels = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in names)
    meta = f"<meta><task><id>1</id><labels>{labels}</labels></task></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  {meta}\n{images}</annotations>\n'


def cvat(folder: Path) -> Path:
    return _cvat(folder, "box")


def cvat_polygons(folder: Path) -> Path:
    return _cvat(folder, "polygon")


def cvat_turned(folder: Path) -> Path:
    return _cvat(folder, "turned")


def _cvat(folder: Path, kind: str) -> Path:
    for stem in STEMS:
        picture(folder / f"images/{stem}.jpg")
    images = (cvat_image(n, f"{stem}.jpg", _cvat_shapes(stem, kind)) for n, stem in enumerate(STEMS))
    written(folder / "annotations.xml", cvat_text("".join(images)))
    return folder


def _cvat_shapes(stem: str, kind: str) -> str:
    lines = []
    for box in boxes(stem):
        label, left, top, right, bottom = box
        if kind == "polygon":
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners(box))
            lines.append(f'    <polygon label="{label}" occluded="0" points="{points}" z_order="0"/>\n')
        if kind == "turned":  # lying on the side, and turned by a quarter: the same corners, from another on
            x, y, wide, high = (left + right) / 2, (top + bottom) / 2, bottom - top, right - left
            sides = f'xtl="{x - wide / 2}" ytl="{y - high / 2}" xbr="{x + wide / 2}" ybr="{y + high / 2}"'
            lines.append(f'    <box label="{label}" occluded="0" {sides} rotation="90.00" z_order="0"/>\n')
    return "".join(lines)


def cvat_video(folder: Path) -> Path:
    box = '<box frame="0" xtl="1" ytl="1" xbr="9" ybr="9" outside="0" occluded="0" keyframe="1"/>'
    track = f'<track id="0" label="cat" source="manual">{box}</track>'
    picture(folder / "images/photo0.jpg")
    written(folder / "annotations.xml", cvat_text(track))
    return folder
