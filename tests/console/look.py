"""How a page looks: whether everybody can use it, in both themes and at both widths, and its pictures for the docs."""

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
THEMES = ("light", "dark")
WIDTHS = (1280, 320)
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice")
_OPTIONS = {"runOnly": list(_RULES), "resultTypes": ["violations"]}


def assert_accessible(page: Page) -> None:
    """No violation that axe can find (WCAG 2.2 A and AA, best practice), and nothing to scroll sideways at 320 px.

    Looks at what the page shows now, in both themes and widths; the page is left as it was.
    """
    size = page.viewport_size
    found = [one for theme in THEMES for width in WIDTHS for one in _violations(page, theme, width)]
    page.emulate_media(color_scheme=None)
    if size:
        page.set_viewport_size(size)
    assert not found, "\n".join(sorted(set(found)))


def _violations(page: Page, theme: Any, width: int) -> list[str]:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    where = f"{page.url} {theme} {width} px"
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE_SCRIPT)
    found = []
    for one in page.evaluate("(options) => axe.run(document, options)", _OPTIONS)["violations"]:
        found += [f"{where}: {one['id']}: {node['html']}: {node['failureSummary']}" for node in one["nodes"]]
    wide_px = page.evaluate("document.documentElement.scrollWidth")
    if wide_px > width:
        found.append(f"{where}: the page is {wide_px} px wide")
    return found


def take_picture(page: Page, name: str) -> None:
    """Write docs/pictures/{name}-light.png and -dark.png, when HANSARD_TEST_PICTURES asks for pictures."""
    if not os.environ.get("HANSARD_TEST_PICTURES"):
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.screenshot(path=PICTURES / f"{name}-{theme}.png", animations="disabled", caret="hide")
    page.emulate_media(color_scheme=None)
