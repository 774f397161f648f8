"""What the notebooks share: the store, the look of the figures, and where the numbers come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import matplotlib.pyplot as plt
import PIL.Image
import polars as pl
from IPython.display import Image, Markdown, display
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from io_intelligence_provider import SnapshotStore

VARIABLE: Final = "IO_INTELLIGENCE_STORE"

# Okabe and Ito's palette: told apart by every kind of colour vision, and in grey by its lightness.
BLUE, ORANGE, GREEN, RED, SKY, PINK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
INK, GREY, PALE = "#222222", "#767676", "#DDDDDD"

DPI: Final = 144
"""Sharp on screens of twice the usual density, at 100 pixels an inch as shown."""
COLOURS: Final = 64

SILENCE: Final = timedelta(days=31)
"""A time without a snapshot that is worth a mark in a figure."""


def open_store() -> SnapshotStore:
    """Return the store that the environment names, else the demo's, found upwards from here.

    :raises FileNotFoundError: when there is neither.
    """
    if root := os.environ.get(VARIABLE):
        return SnapshotStore(root)
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".demo" / "store" / "models").is_dir():
            return SnapshotStore(folder / ".demo" / "store")
    raise FileNotFoundError(f"No store: run `make demo` first, or name a store in {VARIABLE}.")


def is_recorded(store: SnapshotStore) -> bool:
    """Tell whether the store was filled from the recorded history, at least to begin with."""
    host = urlsplit(store.info(store.dates()[0]).source_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def source(store: SnapshotStore) -> str:
    """Return where the numbers come from, for the foot of a figure."""
    days = store.dates()
    span = f"{len(days)} snapshots, {days[0]} to {days[-1]}"
    if is_recorded(store):
        return (
            f"Source: io.net's model prices as recorded by charmbracelet/catwalk (MIT), to 5 decimals; {span}"
        )
    return f"Source: {urlsplit(store.info().source_url).hostname}, GET /api/v1/models; {span}"


def say(text: str) -> None:
    """Show prose whose numbers were reckoned."""
    display(Markdown(text))


def short(name: str) -> str:
    """Return a model's name without its maker."""
    return name.rpartition("/")[2].replace("-Instruct-int4-mixed-ar", "").replace("-Instruct-FP8", "")


def use_style() -> None:
    """Set the look of all figures."""
    plt.rcParams.update(
        {
            "font.size": 9,
            "text.color": INK,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "axes.titlesize": 9,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": PALE,
            "grid.linewidth": 0.6,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "lines.linewidth": 1.5,
        }
    )


def finish(fig: Figure, store: SnapshotStore, title: str, subtitle: str, note: str = "") -> None:
    """Give a figure its headline, its units and its source, and show it."""
    inch = 1 / fig.get_figheight()
    foot = 0.42 if note else 0.26
    fig.tight_layout(rect=(0, foot * inch, 1, 1 - 0.56 * inch))
    fig.text(0.008, 1 - 0.10 * inch, title, fontsize=12.5, fontweight="bold", va="top")
    fig.text(0.008, 1 - 0.34 * inch, subtitle, fontsize=9.5, color=GREY, va="top")
    fig.text(0.008, 0.06 * inch, "\n".join(filter(None, [note, source(store)])), fontsize=7.5, color=GREY)
    display(Image(png(fig), width=round(fig.get_figwidth() * 100), alt=f"{title}. {subtitle}"))
    plt.close(fig)


def png(fig: Figure) -> bytes:
    """Return a figure as a small PNG: lines and text need few colours."""
    raw, small = BytesIO(), BytesIO()
    fig.savefig(raw, format="png", dpi=DPI)
    picture = PIL.Image.open(raw).convert("RGB").quantize(COLOURS, dither=PIL.Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def dates_on(ax: Axes, most: int = 8) -> None:
    """Write at most so many dates on the x axis, without repeating the year at each."""
    locator = AutoDateLocator(minticks=3, maxticks=most)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def steps(rows: Iterable[dict[str, Any]], end: date) -> tuple[list[date], list[float]]:
    """Return the periods of one price as a line for ``drawstyle="steps-post"``.

    A price holds until it changes; where it is unknown the line is broken.

    :param rows: periods of one model and one price, oldest first, as ``store.periods`` gives them.
    :param end: the last day to draw.
    """
    days: list[date] = []
    prices: list[float] = []
    until: date | None = None
    for row in rows:
        start, until_then = row["valid_from"], until
        if until_then is not None and until_then != start:
            days.append(until_then)
            prices.append(float("nan"))
        days.append(start)
        prices.append(float(row["price"]))
        until = row["valid_to"] or end
    if until is not None:
        days.append(until)
        prices.append(prices[-1])
    return days, prices


def silences(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Yield the long times without a snapshot, in which a price is only presumed to have held."""
    for before, after in pairwise(days):
        if after - before > SILENCE:
            yield before, after


def mark_silences(ax: Axes, days: Sequence[date], *, told: bool = True) -> None:
    """Shade them, and say what the shade means."""
    for before, after in silences(days):
        ax.axvspan(before, after, color=PALE, alpha=0.5, linewidth=0)
        if not told:
            continue
        middle = before + (after - before) / 2
        ax.annotate(
            "no snapshot", (middle, 0.97), xycoords=("data", "axes fraction"), ha="center", va="top",
            fontsize=7.5, color=GREY,
        )  # fmt: skip


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places for labels that keep ``gap`` between them, each near the place it wants."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = list(wanted)
    for _ in range(50):
        for low, high in pairwise(order):
            lack = gap - (places[high] - places[low])
            if lack > 0:
                places[low] -= lack / 2
                places[high] += lack / 2
    return places


def frame(table: object) -> pl.DataFrame:
    """Return an Arrow table of the store as a Polars frame."""
    return pl.DataFrame(table)
