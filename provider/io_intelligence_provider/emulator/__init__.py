"""A stand-in for the models endpoint: both wire shapes, real prices, faults on order.

May import: ``errors``.
"""

from __future__ import annotations
