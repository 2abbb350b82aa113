"""The plotting library of `dvc plots show`, for browsers without a network."""

from __future__ import annotations

from kdpipe.paths import state_dir


def save_vega() -> None:
    """Write Vega-Embed, Vega-Lite and Vega for `.dvc/plots/page.html`, unless they are there."""
    path = state_dir() / "vega.js"
    if path.exists():
        return
    import vl_convert

    path.parent.mkdir(exist_ok=True)
    path.write_text(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed"), encoding="utf-8")
