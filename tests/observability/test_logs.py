"""Structured logs: each line says of which order, step and attempt it is, and nothing in it acts or leaks."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from kernel.contracts import Style
from kernel.service import Kind
from observability.calls import Call
from observability.logs import around, formatter
from services.payments.contracts import ChargeCard, Charged
from services.payments.service import Payments
from tests.observability.observed import ObservedShop, documents, logged
from tests.shop import sample_order

HOSTILE = "\x1b[31mred\u202e\x7f\r\nnext line\ud800"

_log = logging.getLogger("tests.log")


@pytest.mark.parametrize("style", Style)
async def test_what_runs_for_an_order_is_logged_with_order_step_and_attempt(
    shop: ObservedShop, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = Payments.charge

    def charge_and_log(self: Payments, command: ChargeCard) -> Charged:
        _log.info("charging")
        return charge(self, command)

    monkeypatch.setattr(Payments, "charge", charge_and_log)
    order = sample_order("down-twice-payments.charge")
    with logged(formatter(as_json=True)) as lines:
        await (shop.orchestrated if style is Style.ORCHESTRATION else shop.choreographed).run(order)
    of_order = [one for one in documents(lines) if one.get("order") == order.order_id]
    [charging] = [one for one in of_order if one["event"] == "charging"]
    assert (charging["step"], charging["attempt"], charging["style"]) == ("payments.charge", 3, style)
    failed = next(one for one in of_order if one["level"] == "warning")
    assert failed["attempt"] == 1
    assert failed.get("step") == "payments.charge" or failed["reaction"].startswith("payments_charge_after_")


def test_a_json_line_is_one_line_and_none_of_its_texts_acts() -> None:
    with logged(formatter(as_json=True)) as lines:
        _log.warning("%s", HOSTILE)
    text = lines.getvalue()
    assert text.count("\n") == 1
    assert text[:-1].isprintable()
    assert documents(lines)[0]["event"] == HOSTILE


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_values(as_json: bool) -> None:
    def charge(secret: str) -> None:
        row = {"token": secret}
        raise OperationalError("INSERT", row, Exception("locked"), hide_parameters=True)

    with logged(formatter(as_json=as_json)) as lines:
        try:
            charge("tok_" + "visa")
        except OperationalError:
            _log.exception("it failed")
    assert "locked" in lines.getvalue()
    assert "tok_visa" not in lines.getvalue()
    assert not as_json or "Traceback" in documents(lines)[0]["exception"]


def test_columns_are_readable_and_do_not_act() -> None:
    call = Call("payments.charge", Kind.STEP, "ord-1", "choreography", 3)
    with logged(formatter(as_json=False)) as lines, around(call):
        _log.warning("it is down %s", HOSTILE)
    line = lines.getvalue()
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert "it is down \\x1b[31mred\\u202e" in line
    for part in ("warning", "[tests.log]", "order=ord-1", "step=payments.charge", "attempt=3"):
        assert part in line
