"""Any data set against any pandera schema: find, judge, tally, decide. Knows nothing of Airflow."""

from __future__ import annotations
