"""What a run writes must not be what the next run reads."""

from __future__ import annotations

from fnmatch import fnmatch

from io_intelligence_provider.datasets.find import Found, storage_of
from io_intelligence_provider.datasets.options import CheckOptions
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["refuse_output_among_input"]


def refuse_output_among_input(found: Found, options: CheckOptions) -> None:
    """Refuse an output that lies where the input is read.

    :raises ConfigurationError: then.
    """
    for name in ("quarantine_path", "valid_path"):
        target = getattr(options, name)
        if not target:
            continue
        filesystem, key, _ = storage_of(target, found.filesystem if "://" in target else None, what=name)
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
