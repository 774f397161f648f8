"""The controls of a running emulator, for clients on the same machine only."""

from __future__ import annotations

from datetime import date
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.state import EmulatorState
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["control"]


async def _from_here(request: Request) -> None:
    """Turn away everybody but the same machine.

    :raises HTTPException: 403.
    """
    host = request.client.host if request.client else ""
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HTTPException(403, "The controls answer to this machine only")


control = APIRouter(prefix="/emulator", include_in_schema=False, dependencies=[Depends(_from_here)])


class AsOf(BaseModel):
    """The day to serve; ``null`` is the last one."""

    as_of: date | None


@control.get("/faults")
async def list_faults(request: Request) -> list[Fault]:
    """Return the faults still to come."""
    return list(_state(request).faults.pending())


@control.post("/faults", status_code=201)
async def order_fault(request: Request, fault: Fault) -> Fault:
    """Order a fault."""
    _state(request).faults.add(fault)
    return fault


@control.delete("/faults", status_code=204)
async def cancel_faults(request: Request) -> None:
    """Cancel all faults and undo what drifted."""
    _state(request).settle()


@control.put("/as-of")
async def set_as_of(request: Request, wanted: AsOf) -> AsOf:
    """Serve another day."""
    try:
        _state(request).set_as_of(wanted.as_of)
    except ConfigurationError as error:
        raise HTTPException(400, str(error)) from error
    return wanted


@control.get("/requests")
async def list_requests(request: Request) -> list[dict[str, Any]]:
    """Return the last 1,000 requests; of credentials only whether there were any."""
    return _state(request).requests()


def _state(request: Request) -> EmulatorState:
    state: EmulatorState = request.app.emulator
    return state
