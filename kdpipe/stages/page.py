"""Draw the figures and write the HTML page of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from kdpipe.cells.cell import DATASET_DIR, Cell, all_cells, paired_cell, teacher_cell
from kdpipe.cells.record import load_record
from kdpipe.data.manifest import load_manifest
from kdpipe.models.entries import AND
from kdpipe.page import figures, fonts, html, pictures, vega
from kdpipe.page.provenance import provenance
from kdpipe.params.schema import Params
from kdpipe.params.tracking_uri import run_page
from kdpipe.report.read import Content, load_content
from kdpipe.report.write import PAGE_FILE, PLOTS_DIR, REPORTS_DIR

MOST_SHOWN = 20  # characters


def make_page(params: Params) -> list[figures.Plot]:
    """Write `plots/` and `index.html` into the report folder; return the figures."""
    content = load_content()
    plots = figures.draw(content)
    (REPORTS_DIR / PLOTS_DIR).mkdir(parents=True, exist_ok=True)
    for plot in plots:
        plot.save(REPORTS_DIR / PLOTS_DIR)
    cells = {cell.id: cell for cell in all_cells(params)}
    manifest = load_manifest(DATASET_DIR)
    facts = provenance((load_record(cell.train_dir) for cell in cells.values()), manifest)
    rows = list(pictures.rows(list(_of_one_seed(content, cells)), content.split))
    pictures.save_sheets(rows, REPORTS_DIR / PLOTS_DIR)
    page = html.render(content, plots, rows, facts, partial(run_page, params.tracking))
    (REPORTS_DIR / PAGE_FILE).write_text(page, encoding="utf-8")
    vega.save_vega()
    return plots


def glyphs_warning() -> str | None:
    """A sentence about characters in names that the PNG figures cannot show; None if there are none."""
    missing = fonts.without_glyph(fonts.names_of(load_content()))
    if not missing:
        return None
    return (
        f"no installed font has {missing[:MOST_SHOWN]}, so the PNG figures and the pictures show boxes; "
        f"install one, such as {fonts.SUGGESTED}, and run `dvc repro --force --single-item page`; the SVG "
        "figures and the page use the fonts of whoever looks at them"
    )


def _of_one_seed(content: Content, cells: Mapping[str, Cell]) -> Iterator[tuple[str, str, dict[str, Cell]]]:
    """Yield each pair, its best `dis`, and its trainings of the first seed that is compared."""
    seeds = content.numbers["seeds"]
    compared = set() if seeds.empty else set(zip(seeds["pair"], seeds["dis"], seeds["seed"], strict=True))
    gains, lines = content.gains, content.measured.drop_duplicates("cell")
    baselines, taught = (lines[lines["kind"] == kind] for kind in ("baseline", "distill"))
    for item in gains[gains["best"]].drop_duplicates("pair").itertuples():
        alone = baselines[baselines["student"] == item.student].set_index("seed")["cell"]
        its = taught[(taught["pair"] == item.pair) & (taught["dis"] == item.dis)].set_index("seed")["cell"]
        common = sorted(alone.index.intersection(its.index))
        for seed in [seed for seed in common if (item.pair, item.dis, seed) in compared][:1]:
            teacher = str(item.teacher).split(AND)[0]
            measured = set(lines["cell"])  # a backbone is not: it predicts nothing
            paired = paired_cell(teacher, seed).id
            its_teacher = paired if paired in measured else teacher_cell(teacher).id
            ids = {"baseline": alone[seed], "distilled": its[seed], "teacher": its_teacher}
            found = {who: cells[name] for who, name in ids.items() if name in cells and name in measured}
            yield str(item.pair), f"{item.pair}, dis {item.dis}, seed {seed}", found
