"""Emulates the models endpoint: both wire shapes, real prices, faults on request.

May import: ``errors``.
"""

from __future__ import annotations
