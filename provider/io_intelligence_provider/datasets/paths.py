"""Where the files that a run writes go: never where the next run reads."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

from io_intelligence_provider.datasets.find import Found
from io_intelligence_provider.datasets.options import CheckOptions
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.storage.location import local_path, storage_of

__all__ = ["output_filesystem", "refuse_output_among_input"]


def output_filesystem(target: str, path: str, filesystem: Any) -> Any:
    """Return the file system of an output: the input's, but for a local path beside an input that is a URL.

    :param filesystem: the one that was given for the input.
    """
    return None if local_path(target) is not None and local_path(path) is None else filesystem


def refuse_output_among_input(found: Found, options: CheckOptions) -> None:
    """Refuse an output that lies where the input is read.

    :raises ConfigurationError: then.
    """
    for name in ("quarantine_path", "valid_path"):
        target = getattr(options, name)
        if not target:
            continue
        filesystem, key, _ = storage_of(
            target, output_filesystem(target, found.path, found.filesystem), what=name
        )
        if type(filesystem) is not type(found.filesystem):
            continue
        _, read, _ = storage_of(found.path, found.filesystem)
        hidden = any(part.startswith(("_", ".")) for part in key.removeprefix(read).split("/"))
        is_folder = [file.key for file in found.files] != [read]
        if key == read or fnmatch(key, read) or (is_folder and key.startswith(f"{read}/") and not hidden):
            raise ConfigurationError(
                f"{name} is {target}, which lies in what is checked ({found.path}): the next run would read "
                "it as data. Give it a place of its own."
            )
