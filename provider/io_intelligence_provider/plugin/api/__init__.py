"""The JSON routes of the page: a file holds a route, the model of its answer and how it is computed.

May import: ``plugin.reader`` and its neighbours, and everything that knows no Airflow.
"""

from __future__ import annotations
