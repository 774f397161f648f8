"""Checks any Parquet data set or frame with a pandera schema. Does not depend on the catalogue.

May import: ``storage``, ``errors``, ``redaction``, ``text``.
"""

from __future__ import annotations
