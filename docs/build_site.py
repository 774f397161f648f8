"""Build the documentation as a site in ``.site/html``; run by ``make site``.

The pages are copied with the layout of the repository, so that their relative links work in both places. A
warning of the generator, a dead link or anchor in a built page, and anything that a page loads from another
host is an error.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import griffe

REPO: Final = Path(__file__).resolve().parents[1]
SITE: Final = REPO / ".site"
PACKAGE: Final = "io_intelligence_provider"
COPIED: Final = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "docs/images/*.png",
    "docs/site.css",
)
LINKED: Final = ("docs/notebooks/*.ipynb", "dags/*.py")
"""Files that pages link to; they are in the site as they are."""

_ROLE: Final = re.compile(r":(?:class|func|meth|mod|attr):`(~?)\.?([\w.]+)`")
_BLOCK: Final = re.compile(r"(?m)^(?:::|(.*:):)$")
"""What announces an indented block of code; Markdown needs nothing there."""
_PICTURE: Final = re.compile(
    r'<picture>\s*<source [^>]*srcset="([^"]+)">\s*<img alt="([^"]+)" src="([^"]+)">\s*</picture>'
)


class RolesAsLinks(griffe.Extension):
    """Replaces the roles of reStructuredText in docstrings by links, or by code without a target."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring:
            text = _ROLE.sub(lambda role: self._link(obj, *role.groups()), obj.docstring.value)
            obj.docstring.value = _BLOCK.sub(r"\1", text)

    @staticmethod
    def _link(obj: griffe.Object, short: str, name: str) -> str:
        try:
            path = name if name.startswith(PACKAGE) else obj.resolve(name)
        except griffe.NameResolutionError:
            path = name
        shown = name.rpartition(".")[2] if short else name
        return f"[`{shown}`][{path}]" if path in documented() else f"`{shown}`"


def settings() -> dict[str, Any]:
    """Return ``site.toml``."""
    return tomllib.loads((REPO / "docs" / "site.toml").read_text("utf-8"))


def documented() -> set[str]:
    """Return the objects that the reference has, by their full names."""
    return {f"{PACKAGE}.{name}" for page in settings()["reference"].values() for name in page["objects"]}


def stage() -> None:
    """Fill ``.site`` with the pages, what they link to, the reference and the generator's configuration."""
    shutil.rmtree(SITE, ignore_errors=True)
    pages = SITE / "pages"
    for pattern in COPIED + LINKED:
        for source in REPO.glob(pattern):
            target = pages / source.relative_to(REPO)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".md":
                target.write_text(with_theme_images(source.read_text("utf-8")), "utf-8")
            else:
                shutil.copy(source, target)
    (pages / "reference").mkdir()
    for name, page in settings()["reference"].items():
        objects = "\n\n".join(f"::: {PACKAGE}.{path}" for path in page["objects"])
        text = f"# {page['title']}\n\n{page['intro']}\n\n{objects}\n"
        (pages / "reference" / f"{name}.md").write_text(text, "utf-8")
    configuration = (REPO / "docs" / "site.toml").read_text("utf-8")
    if url := os.environ.get("SITE_URL"):
        configuration = configuration.replace(
            "[project]\n", f'[project]\nsite_url = "{url.rstrip("/")}/"\n', 1
        )
    (SITE / "zensical.toml").write_text(configuration, "utf-8")


def with_theme_images(text: str) -> str:
    """Let the pictures of a page follow the site's theme switch, not only the browser's preference."""
    return _PICTURE.sub(r"![\2](\3#only-light)\n![\2](\1#only-dark)", text)


@dataclass
class Page(HTMLParser):
    """The ids and links of one built page."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what one tag names, links to or loads."""
        values = {name: html.unescape(value) for name, value in attrs if value}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag in {"a", "link"} and "href" in values:
            kept = tag == "a" or values.get("rel") in {"canonical", "prev", "next"}
            (self.links if kept else self.loads).append(values["href"])
        elif tag != "a" and "src" in values:
            self.loads.append(values["src"])


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the built pages."""
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html")) if path.name != "404.html"}
    for path, page in pages.items():
        for url in page.loads:
            if urlsplit(url).netloc:
                yield f"{path.relative_to(folder)}: loads {url}"
        for url in page.links + page.loads:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{path.relative_to(folder)}: no file for {url}"
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].ids | {"__top"}
            ):
                yield f"{path.relative_to(folder)}: no anchor for {url}"


def main() -> int:
    """Build and check."""
    stage()
    command = [
        sys.executable,
        "-m",
        "zensical",
        "build",
        "--strict",
        "--clean",
        "--config-file",
        "zensical.toml",
    ]
    done = subprocess.run(
        command, cwd=SITE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="")
    found = list(faults(SITE / "html"))
    if done.returncode or re.search("warning|griffe:", done.stdout, re.IGNORECASE):
        found.append("the generator warned or failed")
    print(
        "\n".join(found)
        or f"{SITE / 'html' / 'index.html'}: no dead link; serve it with `python -m http.server`"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
