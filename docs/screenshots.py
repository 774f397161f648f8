"""Renew the pictures of the page in ``docs/images``; ``make screenshots`` runs it.

They show the recorded price history on its last day, without Airflow around the page.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli.emulator import replay
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

DOCS: Final = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests" / "browser"))

from chromium import chromium, expect  # noqa: E402 - the browser tests' own
from server import served  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWS: Final = {
    "overview": "#/overview",
    "models": "#/models",
    "model": "#/models?model=deepseek-ai/DeepSeek-V4-Pro",
    "prices": "#/prices?range=all&field=output_token_price",
    "changes": "#/changes",
    "quality": "#/quality",
}
WIDTH: Final = 1376  # Airflow's side bar takes 64 of 1440
HEIGHT: Final = 900
SCALE: Final = 1.5
LIMIT: Final = 150_000  # bytes a picture


def main() -> None:
    """Take every view in both themes."""
    images = DOCS / "images"
    images.mkdir(exist_ok=True)
    history = PriceHistory.load()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        with EmulatorServer(catalogue=history) as server:
            replay(server, SnapshotStore(root), history.dates)
        noon = f"{history.dates[-1]}T12:00:00Z"
        with served(root, Path(folder) / "log", noon) as url, chromium() as browser:
            for theme in ("light", "dark"):
                for name, address in VIEWS.items():
                    path = images / f"page-{name}-{theme}.png"
                    path.write_bytes(_small(_picture(browser, url + address, theme, noon)))
                    print(f"{path.relative_to(DOCS.parent)}: {path.stat().st_size / 1000:.0f} kB")


def _picture(browser: Browser, url: str, theme: str, now: str) -> bytes:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        device_scale_factor=SCALE,
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.clock.set_fixed_time(now)
    page.goto(url)
    expect(page.locator("main .view")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    picture = page.screenshot()
    context.close()
    return picture


def _small(picture: bytes) -> bytes:
    """Return a picture with as many colours as fit into the limit."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    data = picture
    for colours in (256, 128, 64, 32):
        packed = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        data = packed.getvalue()
        if len(data) < LIMIT:
            break
    return data


if __name__ == "__main__":
    main()
