"""Reads and writes files and Parquet on local disks and object stores, independent of catalogue and checks.

May import: ``errors``, ``redaction``.
"""

from __future__ import annotations
