"""Reads the models endpoint: session, credentials, retries, pagination and decoding.

May import: ``errors``, ``redaction``, ``text``.
"""

from __future__ import annotations
