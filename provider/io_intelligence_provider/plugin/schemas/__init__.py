"""The JSON that the routes answer with, typed."""

from __future__ import annotations
