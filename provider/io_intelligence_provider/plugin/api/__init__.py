"""Defines the JSON routes of the page: a file holds a route, the model of its response and its computation.

May import: ``plugin.reader`` and the files beside it, and everything that does not import Airflow.
"""

from __future__ import annotations
