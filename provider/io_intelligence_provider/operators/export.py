"""Defines the operator that writes a snapshot's prices in the form of another tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from io_intelligence_provider.assets import event_extra, publish
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.hooks.store import filesystem_of, open_store, path_text
from io_intelligence_provider.operators.common import refuse_locations, refuse_shared_outputs, run_day

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["IOIntelligenceExportOperator"]


_LOGGED = 1_000


class IOIntelligenceExportOperator(BaseOperator):
    """Write the prices of the run's date as one file, for LiteLLM, or for clients of OpenRouter.

    A run whose date has no snapshot is skipped. The file is replaced atomically; a rerun writes equal bytes.
    Models whose price is unknown or doubtful are left out, counted in the result and named in the log, as are
    doubtful prices that the other models lack. Events of its ``outlets`` get the result as their extra.

    All arguments are templated.
    The result has ``snapshot_date``, ``format``, ``path``, ``models``, ``left_out``,
    ``doubtful_prices`` (numbers) and ``bytes``.

    :param format: ``litellm`` or ``openrouter``, see :func:`~io_intelligence_provider.export.export_prices`.
    :param path: the file, a local path, an fsspec URL, or Airflow's ``ObjectStoragePath``, whose connection
        is used unless ``storage_conn_id`` is given.
    :param root: root of the store, a local path or an fsspec URL; ``[io_intelligence] root`` by default.
    :param storage_conn_id: Airflow connection of the object store, of the root and of a path that is a URL.
    :raises ConfigurationError: when there is no such format, the path is no valid location, or several mapped
        tasks would write one file.
    :raises StorageError: when a file cannot be read or written.
    """

    template_fields: Sequence[str] = ("format", "path", "root", "storage_conn_id")

    def __init__(
        self,
        *,
        format: str,  # noqa: A002 - the published name
        path: str | ObjectStoragePath,
        root: str | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_locations(path=path, root=root)
        super().__init__(**kwargs)
        self.format = format
        self.path = path
        self.root = root
        self.storage_conn_id = storage_conn_id
        self._as_written = path

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the file."""
        from io_intelligence_provider.export import build_export, write_export
        from io_intelligence_provider.storage.location import local_path

        path = path_text("path", self.path)
        if path is None:
            raise ConfigurationError("path is not set: it was rendered as None or as blank text.")
        refuse_shared_outputs(self, context, {"path": self._as_written})
        store = open_store(self.root, self.storage_conn_id)
        day = run_day(context, store)
        export = build_export(store, self.format, day)
        # Read before the file is written: a report that cannot be read then leaves no file of a failed task.
        report = store.quality(day) if self.outlets else None
        given = path_text("storage_conn_id", self.storage_conn_id) or getattr(self.path, "conn_id", None)
        connection = None if local_path(path) is not None else given
        written = write_export(export, path, filesystem=filesystem_of(path, connection))
        messages = export.messages()
        for message in messages[:_LOGGED]:
            self.log.warning("%s", message)
        if (more := len(messages) - _LOGGED) > 0:
            self.log.warning("Left out %d more.", more)
        summary = {**export.summary(), "path": written}
        self.log.info("Exported %(models)d models as %(format)s: %(path)s", summary)
        if report:
            publish(self, context, event_extra(summary, report, store, store.info(day).query))
        return summary
