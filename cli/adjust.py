"""`starter.py adjust`: record a refund or return made outside after completion."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from cli.console import AsJson, BadInput, OrderArgument, out, print_json, shown
from kernel.money import MINOR_UNITS, Money
from settings import load
from wiring.adjustments import adjust as put_on_record
from wiring.adjustments import total_of
from wiring.program import GOOD


def adjust(
    order: OrderArgument,
    note: Annotated[str, typer.Option(help="What was done, and why; kept with the order.")],
    refunded: Annotated[
        str, typer.Option(metavar="AMOUNT", help="Total of the charge that was refunded outside, such as 10.50.")
    ] = "",
    returned: Annotated[bool, typer.Option("--returned", help="The parcel came back to us.")] = False,
    as_json: AsJson = False,
) -> int:
    """Record a refund or return made outside after completion.

    For example a goodwill refund made directly at the card processor, or a parcel that came back. From then on the
    audit expects exactly that, and lists the order as settled by hand.
    """
    if not note.strip():
        raise BadInput("say in --note what was done, and why")
    if not refunded and not returned:
        raise BadInput("say what was settled: --refunded AMOUNT, --returned, or both")
    settings = load()
    total = total_of(settings, order)
    amount = _amount(refunded, total.currency) if refunded else None
    noted = put_on_record(settings, order, amount, returned=returned, note=note.strip())
    given_back = Money(amount=noted.refunded, currency=total.currency)
    if as_json:
        document = {"order_id": order, "refunded": given_back.model_dump(mode="json")}
        print_json(document | {"returned": noted.returned, "note": noted.note})
    else:
        parcel = ", and its parcel came back" if noted.returned else ""
        out.print(f"noted of {shown(order)}: {given_back} of {total} was refunded outside{parcel}")
    return GOOD


def _amount(text: str, currency: str) -> Money:
    """Raises BadInput."""
    try:
        minor = Decimal(text).scaleb(MINOR_UNITS[currency])
    except InvalidOperation:
        minor = Decimal("NaN")
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 <= minor < 2**63:
        raise BadInput(f"--refunded {text}: give an amount in {currency}, such as 10.50, or 0 for none")
    return Money(amount=int(minor), currency=currency)
