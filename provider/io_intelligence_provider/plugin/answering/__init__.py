"""What each route answers: the parts it reads, given to the functions of ``views``."""

from __future__ import annotations
