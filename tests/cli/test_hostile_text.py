"""What others say is shown to an operator, and does nothing on the operator's terminal."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from audit.invariants import Report, Violation
from choreography.events import AttentionNeeded, OrderContent, OrderPlaced
from cli.reports import show_audit
from kernel.contracts import Event, Style
from kernel.envelope import CloudEvent
from kernel.visible import VisibleFormatter, visible
from lab.settings import LabSettings
from messaging.bus import Recorded
from services.orders.declaration import ORDERS
from services.orders.events import OrderRejected
from services.orders.tables import orders
from tests.events import published
from tests.processes import NOBODY_LISTENS, Environment, Ran, environment_of, run_here
from tests.shop import sample_order
from wiring.bus import EventBus
from wiring.services import Services

# Clears the screen, renames the window, turns the text around, begins a line of its own, hides, and is no character.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egnp\n✓ all good\u2066\x9b31m\r\u200b[bold]\\"
SLY = "\u202egnp\u2066\x9b31m\u200b[bold]\\"  # what of it may be in an event's name
SHOWN = r"\x1b[2J\x1b]0;owned\x07\u202egnp\n✓ all good\u2066\x9b31m\r\u200b[bold]"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (HOSTILE, SHOWN + "\\"),
        ("Ærø, 東京 　5 €", "Ærø, 東京 　5 €"),
        ("a\ud800b", r"a\ud800b"),
        ("tab\tdel\x7f", r"tab\tdel\x7f"),
    ],
)
def test_what_acts_or_hides_is_visible_and_what_is_text_stays(text: str, seen: str) -> None:
    assert visible(text) == seen


def harmless(ran: Ran) -> str:
    text = ran.out + ran.err
    assert all(one == "\n" or one.isprintable() for one in text), ascii(text)
    assert "\n✓ all good" not in text
    return text


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A shop whose every record of one order, `evil-1`, was written by somebody who means ill."""
    settings = LabSettings(data_dir=tmp_path_factory.mktemp("hostile"))
    asyncio.run(_write(settings))
    return environment_of(settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}


async def _write(settings: LabSettings) -> None:
    services = Services(settings)
    bus = EventBus(settings, services)
    placed = _made(OrderPlaced(order=OrderContent.model_validate(sample_order(order_id="evil-1").content())))
    needed = _made(AttentionNeeded(step=HOSTILE, problem=HOSTILE))
    rejected = _made(OrderRejected(reason=HOSTILE))
    changes = {"id": f"evil-1:{HOSTILE}", "type": HOSTILE[:30], "source": HOSTILE, "causationid": HOSTILE}
    unknown = rejected.model_copy(update=changes | {"data": {HOSTILE: HOSTILE, "note": HOSTILE}})
    named = {"id": f"evil-1:{SLY}", "type": SLY, "source": SLY, "causationid": SLY}
    readable = unknown.model_copy(update=named)
    await bus.bus.append([placed, needed, rejected, unknown, readable])
    bus.progress.failed("payments", Recorded(5, readable), HOSTILE)
    bus.progress.mark_dead("payments", readable.id)
    services.open(ORDERS)
    row: dict[str, Any] = {"order_id": "evil-1", "customer_id": HOSTILE, "status": "rejected", "style": "choreography"}
    row |= {
        "reason": HOSTILE,
        "total": 1,
        "currency": "EUR",
        "placed_at": 1,
        "problem": "",
        "settled": HOSTILE,
        "ship_to": "",
    }
    with services.database("orders").begin() as tx:
        tx.execute(insert(orders), row)
    await bus.close()
    services.close()


def _made(event: Event) -> CloudEvent:
    return published(event, "evil-1", style=Style.CHOREOGRAPHY)


@pytest.mark.parametrize(
    "command",
    [
        ("status", "evil-1"),
        ("trace", "evil-1"),
        ("list", "--style", "choreography"),
        ("events", "list"),
        ("events", "dead-letters", "list"),
    ],
    ids=" ".join,
)
def test_what_is_on_record_does_nothing_on_a_terminal(environment: Environment, command: tuple[str, ...]) -> None:
    shown = harmless(run_here(environment, *command))
    assert r"\x1b[2J" in shown  # it is there to be seen
    as_json = run_here(environment, *command, "--json")
    harmless(as_json)
    assert any(HOSTILE[:4] in one for one in _strings(as_json.document))  # to a script it is what it was


def _strings(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        yield from _strings([*document.keys(), *document.values()])
    elif isinstance(document, list):
        for one in document:
            yield from _strings(one)


def test_one_event_does_nothing_on_a_terminal(environment: Environment) -> None:
    unreadable = run_here(environment, "events", "show", "4")
    harmless(unreadable)
    assert "unreadable" in unreadable.document
    ran = run_here(environment, "events", "show", "5")
    harmless(ran)
    assert json.loads(ran.out)["event"]["data"] == {HOSTILE: HOSTILE, "note": HOSTILE}


@pytest.mark.parametrize(
    "command",
    [
        ("status", HOSTILE),
        ("place", "--item", f"{HOSTILE}=1"),
        ("place", "--item", "mug=1", "--name", HOSTILE),
        ("place", "--file", HOSTILE),
        ("place", "--file", "-"),
        ("list", "--style", HOSTILE),
        ("events", "dead-letters", "retry", HOSTILE),
        ("events", "replay", "--consumer", HOSTILE, "--from", "0"),
        ("events", "replay", "--consumer", "payments", "--from", HOSTILE),
        (HOSTILE,),
        (f"--{HOSTILE}",),
    ],
    ids=lambda command: ascii(command[:2]),
)
def test_a_complaint_about_it_does_nothing_on_a_terminal(environment: Environment, command: tuple[str, ...]) -> None:
    unknown_key = json.dumps(json.loads(sample_order().model_dump_json()) | {HOSTILE: 1})
    ran = run_here(environment, *command, stdin=unknown_key)
    assert ran.code == 2
    harmless(ran)
    assert ran.err.count("\n") == 1


def test_what_the_audit_and_the_figures_say_does_nothing_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    violation = Violation(order_id=HOSTILE, invariant=HOSTILE, detail=HOSTILE)
    report = Report(orders=1, by_status={HOSTILE: 1}, violations=[violation], settled_by_hand={HOSTILE: HOSTILE})
    show_audit(report)
    out, err = capsys.readouterr()
    harmless(Ran(0, out, err))


def test_a_line_of_a_log_is_one_line() -> None:
    """A worker's log is read on a terminal too; only a traceback has lines of its own."""
    error = RuntimeError(HOSTILE)
    record = logging.LogRecord("hostile", logging.ERROR, "", 0, "%s failed", (HOSTILE,), (RuntimeError, error, None))
    text = VisibleFormatter("%(levelname)s %(message)s").format(record)
    assert all(one == "\n" or one.isprintable() for one in text)
    assert text.splitlines()[0] == rf"ERROR {visible(HOSTILE)} failed"
