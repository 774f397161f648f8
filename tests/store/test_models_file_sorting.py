"""Sorting in slices gives what sorting in memory gives, however the models were batched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider.store import models_file
from io_intelligence_provider.store.models_file import SORT_KEYS, ModelSorter


@given(
    names=st.lists(st.text(alphabet="aé\U0001f600Z", max_size=2), max_size=60),
    batch=st.integers(1, 20),
    size=st.integers(1, 15),
)
def test_it_equals_a_sort_in_memory(names: list[str], batch: int, size: int) -> None:
    import polars as pl

    rows = [(name, f"{number:03}", number) for number, name in enumerate(names)]
    frame = pl.DataFrame(rows, schema={"name": pl.String, "model_id": pl.String, "x": pl.Int64}, orient="row")
    kept, models_file.SLICE = models_file.SLICE, size
    try:
        with ModelSorter() as sorter:
            for start in range(0, max(len(rows), 1), batch):
                sorter.add(frame.slice(start, batch))
            slices = list(sorter.slices())
    finally:
        models_file.SLICE = kept
    assert [part.height for part in slices[:-1]] == [size] * (len(slices) - 1)
    assert pl.concat(slices).rows() == frame.sort(SORT_KEYS).rows()
    assert pl.concat(slices).rows() == sorted(rows, key=lambda row: (row[0].encode(), row[1]))
