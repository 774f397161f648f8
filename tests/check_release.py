"""Run everything of a release but the upload: ``make release-check``, with ``TAG=v0.1.0`` for that tag.

The tracked files are copied twice, with other times and permissions, and each copy is built: the bytes must
be equal. Then their contents, their metadata and their version are checked, and the wheel is installed into
an empty environment. The files of the first build go to ``dist/``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from check_wheel import NAME, REPO, UV, run
from io_intelligence_provider import __version__

NOT_IN_WHEEL: Final = (".d.ts", "tsconfig.json")


def tracked(*folders: str) -> set[str]:
    """Return the files that git tracks, below some folders."""
    return set(run("git", "-C", REPO, "ls-files", "--", *folders).splitlines())


def build(work: Path, mode: int, moment: int) -> dict[str, Path]:
    """Build a copy of the tracked files; return the two files by their names.

    :param mode: permissions of the copied files.
    :param moment: time of the last change of the copied files.
    """
    tree = work / "tree"
    for name in tracked():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, target)
        target.chmod(mode)
        os.utime(target, (moment, moment))
    epoch = run("git", "-C", REPO, "log", "-1", "--format=%ct").strip()
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", work / "dist", tree)
    run(*command, SOURCE_DATE_EPOCH=epoch)  # the source archive, and from that the wheel
    return {path.name: path for path in sorted((work / "dist").iterdir())}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_contents(wheel: Path, archive: Path) -> None:
    """Compare what is in the two files with what git tracks."""
    with zipfile.ZipFile(wheel) as file:
        packed = {name for name in file.namelist() if ".dist-info/" not in name}
    package = {
        name.removeprefix("provider/") for name in tracked("provider") if not name.endswith(NOT_IN_WHEEL)
    }
    dags = {name.replace("dags/", "io_intelligence_provider/example_dags/", 1) for name in tracked("dags")}
    if difference := sorted(packed ^ (package | dags)):
        sys.exit(f"The wheel differs from what git tracks: {', '.join(difference)}")
    with tarfile.open(archive) as tar:
        inside = {member.name.partition("/")[2] for member in tar if member.isfile()} - {"PKG-INFO"}
    if foreign := sorted(inside - tracked()):
        sys.exit(f"The source archive has files that git does not track: {', '.join(foreign)}")


def check_version(tag: str) -> None:
    """Compare the version with the changelog's newest release and, if there is one, with the tag."""
    found = re.search(r"^## ([\w.]+), (\S+)$", (REPO / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    if not found or found[1] != __version__:
        sys.exit(f"The version is {__version__}; CHANGELOG.md begins with {found and found[0]!r}")
    if tag and tag != f"v{__version__}":
        sys.exit(f"The tag is {tag}; the version is {__version__}, whose tag is v{__version__}")
    if tag and not re.fullmatch(r"\d{4}-\d\d-\d\d", found[2]):
        sys.exit(f"{tag} is tagged; CHANGELOG.md has no date yet: {found[0]!r}")
    if not tag:
        print(f"no tag given (TAG=v{__version__}); CHANGELOG.md says {found[0]!r}")


def check_installed(work: Path, wheel: Path) -> None:
    """Install the wheel into an empty environment and look at it."""
    venv = work / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", REPO / "constraints.txt", wheel)
    run(UV, "pip", "check", "--python", python)
    code = "from importlib.metadata import version; print(version('airflow-provider-io-intelligence'))"
    if (installed := run(python, "-c", code).strip()) != __version__:
        sys.exit(f"{wheel.name} is installed as {installed}, not as {__version__}")
    run(venv / "bin" / "io-intelligence", "--help")


def main() -> None:
    """Build and check."""
    check_version(sys.argv[1] if len(sys.argv) > 1 else "")
    with tempfile.TemporaryDirectory(prefix="io-intelligence-release-") as folder:
        one = build(Path(folder, "one"), 0o644, 1_600_000_000)
        two = build(Path(folder, "two"), 0o600, 1_700_000_000)
        for name, path in one.items():
            if name not in two or digest(path) != digest(two[name]):
                sys.exit(f"Two builds of {name} differ")
        archive, wheel = (one[name] for name in sorted(one, key=lambda name: name.endswith(".whl")))
        check_contents(wheel, archive)
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, archive)
        check_installed(Path(folder), wheel)
        for old in (REPO / "dist").glob(f"{NAME}-*"):
            old.unlink()
        (REPO / "dist").mkdir(exist_ok=True)
        for path in one.values():
            print(f"{digest(path)}  dist/{shutil.copy(path, REPO / 'dist').name}")


if __name__ == "__main__":
    main()
