"""Reads and writes files and Parquet on local disks and object stores; knows no catalogue and no checks.

May import: ``errors``, ``redaction``.
"""

from __future__ import annotations
