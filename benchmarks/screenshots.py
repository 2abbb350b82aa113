"""Pictures of the report's page for the documentation, from reports/index.html.

    python benchmarks/screenshots.py

They need Chromium. The page is that of the committed results.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "reports/index.html"
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
DARK = "--blink-settings=preferredColorScheme=0"
PICTURES = {  # by file: window, and more options
    "page.png": (1180, 1330, ()),
    "page-phone.png": (500, 1080, (DARK,)),  # the narrowest window of Chromium
}


def main() -> None:
    """Write the pictures into docs."""
    if not PAGE.exists():
        sys.exit(f"{PAGE} does not exist; run `dvc repro`")
    for name, (width, height, more) in PICTURES.items():
        path = ROOT / "docs" / name
        options = [
            f"--window-size={width},{height}",
            f"--screenshot={path}",
            "--virtual-time-budget=5000",
            *more,
        ]
        subprocess.run(
            [*CHROMIUM, *options, PAGE.as_uri()], check=True, stderr=subprocess.DEVNULL, timeout=120
        )
        print(f"{path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
