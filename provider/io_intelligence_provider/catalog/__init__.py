"""Asks the models endpoint: session, credentials, retries, pages, and the decoded answer.

May import: ``errors``, ``redaction``, ``json_text``.
"""

from __future__ import annotations
