"""Checks any Parquet data set or frame with a pandera schema, and reports it; knows no catalogue.

May import: ``storage``, ``errors``, ``redaction``, ``json_text``, ``text``.
"""

from __future__ import annotations
