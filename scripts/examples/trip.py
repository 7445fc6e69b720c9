"""A saga: what was done is undone, in reverse order, when a later step fails for good."""

from __future__ import annotations

import restate
from pydantic import BaseModel
from restate.exceptions import TerminalError

trip = restate.Service("Trip", description="Books a flight, a car and a hotel: all of them or none.")


class Plan(BaseModel):
    """Where to go, and for whom."""

    traveller: str
    city: str


class Booking(BaseModel):
    """The confirmations."""

    flight: str
    car: str
    hotel: str


def _book(what: str, plan: Plan, reference: str) -> str:
    """Ask an outside system. With a stable reference it books once, also when it is asked again."""
    if what == "hotel" and plan.city == "Atlantis":
        raise TerminalError(f"there is no hotel in {plan.city}", status_code=404)
    print(f"booked a {what} in {plan.city} for {plan.traveller}: {reference}", flush=True)
    return reference


def _cancel(what: str, reference: str) -> None:
    print(f"cancelled the {what}: {reference}", flush=True)


@trip.handler()
async def book(ctx: restate.Context, plan: Plan) -> Booking:
    """All three, or none and an error."""
    undo: list[tuple[str, str]] = []
    booked: dict[str, str] = {}
    try:
        for what in ("flight", "car", "hotel"):
            reference = f"{what}-{ctx.uuid()}"
            undo.append((what, reference))
            booked[what] = await ctx.run_typed(f"book the {what}", _book, restate.RunOptions(), what, plan, reference)
    except TerminalError as error:
        for what, reference in reversed(undo):
            await ctx.run_typed(f"cancel the {what}", _cancel, restate.RunOptions(), what, reference)
        raise TerminalError(f"nothing is booked: {error.message}", status_code=error.status_code) from error
    return Booking(**booked)
