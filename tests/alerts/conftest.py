"""Provides days with one price each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helpers.stores import StoreBuilder, model_row


@pytest.fixture
def prices(builder: StoreBuilder) -> Callable[..., None]:
    """File a price under a day: ``prices(1, "2")``."""

    def file(when: int, price: str | None, **values: Any) -> None:
        builder.file(when, model_row("m", input_token_price=price, **values))

    return file
