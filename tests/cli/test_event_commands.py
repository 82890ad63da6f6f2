"""Choreographed orders, and the bus, from the command line; there is no Temporal server anywhere near."""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.settings import LabSettings
from tests.cli.terminal import Terminal
from tests.processes import (
    NOBODY_LISTENS,
    ROOT,
    Ran,
    environment_of,
    run,
    until,
    worker_process,
)
from tests.shop import POLICY, sample_order
from wiring.bus_roles import ON_THE_BUS

FAULTS = "payments.refund=refuse@stuck-*,inventory.release=refuse:*@lost-*"
PLACE = ("place", "--style", "choreography")
ROLES = [word for role in ON_THE_BUS for word in ("--role", role)]


class OnEvents(Terminal):
    async def place(self, order_id: str, *more: str) -> Ran:
        return await self.run(*PLACE, "--order-id", order_id, *(more or ("--item", "mug=1")))


@pytest.fixture(scope="module")
async def terminal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OnEvents]:
    """One worker process serves all tests here."""
    settings = LabSettings(data_dir=tmp_path_factory.mktemp("events"), faults=FAULTS, policy=POLICY)
    environment = environment_of(settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
    async with worker_process(environment, *ROLES):
        yield OnEvents(settings, environment)


async def test_a_choreographed_order_is_placed_and_shown(terminal: OnEvents) -> None:
    placed = await run("starter.py", terminal.environment, *PLACE, "--order-id", "good-1", "--item", "mug=1")
    assert placed.code == 0
    assert "good-1 completed" in placed.out
    shown, listed, traced, found = await asyncio.gather(
        terminal.run("status", "good-1", "--json"),
        terminal.run("list", "--style", "choreography", "--json"),
        terminal.run("trace", "good-1"),
        terminal.run("events", "list", "--order", "good-1", "--json"),
    )
    assert shown.document["status"] == "completed"
    assert shown.document["style"] == "choreography"
    assert "good-1" in [order["order_id"] for order in listed.document]
    assert found.document[0]["event"]["type"] == "OrderPlaced"
    lines = traced.out.splitlines()
    assert [line.index("OrderPlaced") for line in lines if "OrderPlaced" in line] < [
        line.index("OrderCreated") for line in lines if "OrderCreated" in line
    ]


async def test_a_failed_choreographed_order_says_why(terminal: OnEvents) -> None:
    placed = await terminal.place("bad-1", "--item", "mug=1", "--card", "tok_chargeDeclined")
    assert placed.code == 1
    assert "PaymentDeclined" in placed.out
    watched = await terminal.run("watch", "bad-1", "--json")
    assert watched.document["status"] == "rejected"


async def test_a_trace_as_json_has_each_event_under_its_cause(terminal: OnEvents) -> None:
    await terminal.place("traced-1")
    (placed,) = (await terminal.run("trace", "traced-1", "--json")).document
    assert placed["event"]["type"] == "OrderPlaced"
    (created,) = placed["caused"]
    assert {effect["event"]["type"] for effect in created["caused"]} == {"NoFraudDetected", "StockReserved"}


async def test_many_choreographed_orders_come_from_a_file(terminal: OnEvents, tmp_path: Path) -> None:
    orders = [sample_order("many") for _ in range(5)]
    file = tmp_path / "orders.jsonl"
    file.write_text("".join(f"{order.model_dump_json()}\n" for order in orders))
    ran = await terminal.run(*PLACE, "--file", str(file), "--json")
    assert ran.code == 0
    assert {order["status"] for order in ran.document} == {"completed"}


async def test_a_possible_fraud_is_decided_and_another_cancelled(terminal: OnEvents) -> None:
    for order in ("held-1", "held-2"):
        held = await terminal.place(order, "--item", "espresso-machine=1")
        assert held.code == 0
        assert "approve: starter.py review" in held.out
    (listed,) = await asyncio.gather(terminal.run("list", "--style", "choreography", "--json"))
    assert {o["stage"] for o in listed.document if o["order_id"].startswith("held-")} == {"review"}
    approved = await terminal.run("review", "held-1", "approve", "--note", "known")
    assert approved.code == 0
    assert "held-1 completed" in approved.out
    cancelled = await terminal.run("cancel", "held-2", "--reason", "too slow")
    assert cancelled.code == 0
    assert "held-2 cancelled" in cancelled.out
    again = await terminal.run("cancel", "held-2")
    assert again.complaint == "✗ order held-2 has ended already: cancelled"


async def test_what_is_stuck_is_a_dead_letter_and_can_be_resolved(terminal: OnEvents) -> None:
    stuck = await terminal.place("stuck-1", "--item", "mug=1", "--country", "AQ")
    assert stuck.code == 1
    assert "needs-attention" in stuck.out
    letters = await terminal.run("events", "dead-letters", "list", "--order", "stuck-1", "--json")
    assert [letter["consumer"] for letter in letters.document] == ["payments"]
    resolved = await terminal.run("resolve", "stuck-1", "retry")
    assert resolved.code == 0
    assert "stuck-1 rejected" in resolved.out


async def test_dead_letters_are_retried_or_given_up(terminal: OnEvents) -> None:
    await terminal.place("lost-1", "--item", "mug=1", "--country", "AQ")
    retry = ("events", "dead-letters", "retry", "--all", "--order", "lost-1")
    retried = await terminal.run(*retry, "--actor", "night shift")
    assert "1 sent again" in retried.out
    events = (await terminal.run("events", "list", "--order", "lost-1", "--json")).document
    assert "night shift" in [one["event"]["data"].get("actor") for one in events]
    async with asyncio.timeout(30):
        while not (await terminal.run("events", "dead-letters", "list", "--order", "lost-1", "--json")).document:
            pass
    discarded = await terminal.run("events", "dead-letters", "discard", "--all", "--order", "lost-1", "--note", "found")
    assert "1 discarded" in discarded.out
    left = await terminal.run("events", "dead-letters", "list", "--order", "lost-1")
    assert "No dead letters" in left.out


async def test_the_audit_looks_at_events_too(terminal: OnEvents) -> None:
    await terminal.place("audited-1")
    await _caught_up(terminal)
    ran = await terminal.run("audit", "--json")
    assert [v for v in ran.document["violations"] if not v["order_id"].startswith("lost-")] == []


async def test_replaying_analytics_gives_the_same_figures(terminal: OnEvents) -> None:
    await terminal.place("counted-1")
    await _caught_up(terminal)
    before = (await terminal.run("analytics", "--json")).document
    replayed = await terminal.run("events", "replay", "--consumer", "analytics", "--from", "0")
    assert replayed.code == 0
    assert "events were replayed to analytics" in replayed.out
    assert (await terminal.run("analytics", "--json")).document == before
    assert before["completed"] >= 1
    table = await terminal.run("analytics")
    assert "conversion" in table.out


async def test_a_replay_from_a_time_reads_what_came_later(terminal: OnEvents) -> None:
    await _caught_up(terminal)
    ran = await terminal.run("events", "replay", "--consumer", "audit-log", "--from", "2020-01-01T00:00:00Z")
    assert not ran.out.startswith("0 events")
    ran = await terminal.run("events", "replay", "--consumer", "audit-log", "--from", "2100-01-01")
    assert ran.out.startswith("0 events")


async def test_a_customer_is_written_to_once(terminal: OnEvents) -> None:
    await terminal.place("mailed-1")
    mails = terminal.settings.data_dir / "mail"
    await until(lambda: len(list(mails.glob("mailed-1*Shipped*.eml"))) == 1)
    await terminal.run("events", "replay", "--consumer", "notifications", "--from", "0")
    assert len(list(mails.glob("mailed-1*Shipped*.eml"))) == 1


async def test_one_event_is_shown_by_its_id_or_its_position(terminal: OnEvents) -> None:
    await terminal.place("shown-1")
    by_id = await terminal.run("events", "show", "shown-1:OrderPlaced")
    by_position = await terminal.run("events", "show", str(by_id.document["position"]))
    assert by_id.document == by_position.document
    assert by_id.document["event"]["specversion"] == "1.0"


async def test_schemas_are_listed_shown_and_written(terminal: OnEvents, tmp_path: Path) -> None:
    listed, shown, written = await asyncio.gather(
        terminal.run("events", "schemas"),
        terminal.run("events", "schemas", "Shipped"),
        terminal.run("events", "schemas", "--folder", str(tmp_path)),
    )
    assert {"OrderPlaced", "Shipped", "envelope", "asyncapi"} <= set(listed.out.split())
    assert "tracking_number" in shown.document["properties"]
    assert written.code == 0
    assert json.loads((tmp_path / "Shipped.schema.json").read_text()) == shown.document


async def test_a_tail_shows_what_comes(terminal: OnEvents) -> None:
    process = await asyncio.create_subprocess_exec(
        *_starter("events", "tail", "--type", "Shipped", "--json"),
        env=terminal.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(process.stdout.readline())
    number = 0
    try:
        async with asyncio.timeout(30):
            while not reading.done():  # it may not be listening yet
                number += 1
                await terminal.place(f"tailed-{number}")
            assert json.loads(await reading)["event"]["type"] == "Shipped"  # at once: its buffer is not full
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
        assert process.returncode == 130
        assert err.startswith(b"waiting for events; Ctrl-C ends it\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


REPLAY = ("events", "replay", "--consumer", "analytics", "--from")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("trace", "nobody"), "the bus has no events of order nobody"),
        (("events", "show", "nobody:OrderPlaced"), "there is no event nobody:OrderPlaced"),
        (("events", "replay", "--consumer", "nobody", "--from", "0"), "there is no consumer 'nobody'"),
        ((*REPLAY, "noon"), "--from noon: give a position, or a time"),
        ((*REPLAY, "20261125"), "; a date is written with dashes: 2026-11-25"),
        ((*REPLAY, "9" * 30), f"--from {'9' * 30}: the log ends at position "),
        ((*REPLAY, "٣"), "give a position, or a time"),
        (("events", "show", "0"), "there is no event 0"),
        (("events", "show", "9" * 30), "there is no event 999"),
        (("events", "list", "--limit", "9" * 30), "--limit"),
        (("events", "schemas", "Nothing"), "there is no event 'Nothing'"),
        (("events", "dead-letters", "retry"), "name the events, or say --all"),
        (("events", "dead-letters", "retry", "nothing"), "no dead letter: nothing"),
        (("events", "dead-letters", "discard", "--all", "--note", " "), "say in --note why"),
        ((*PLACE, "--item", "mug=1", "--order-id", "a b"), "--order-id: must be 1 to 64 letters"),
    ],
)
async def test_bad_input_is_one_line(terminal: OnEvents, arguments: tuple[str, ...], complaint: str) -> None:
    ran = await terminal.run(*arguments)
    assert complaint in ran.complaint


async def test_the_same_order_again_is_the_first_one_and_another_is_refused(terminal: OnEvents) -> None:
    first, second = await terminal.place("twice-1"), await terminal.place("twice-1")
    assert first.out == second.out
    other = await terminal.place("twice-1", "--item", "mug=2")
    assert "exists already, with another quantity of mug;" in other.complaint


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        ("DELETE FROM events WHERE type = 'PaymentProcessed'", "every operation is published"),
        (
            "UPDATE events SET event = replace(event, ':charge:', ':never:'), event_id = event_id || 'x' "
            "WHERE type = 'PaymentProcessed'",
            "every event has its operation",
        ),
    ],
)
async def test_the_audit_finds_events_that_do_not_fit_what_happened(
    tmp_path: Path, damage: str, invariant: str
) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=POLICY)
    environment = environment_of(settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
    async with worker_process(environment, *ROLES):
        await run("starter.py", environment, *PLACE, "--item", "mug=1", "--order-id", "a")
    with closing(sqlite3.connect(tmp_path / "bus.db")) as bus:
        bus.execute(damage)
        bus.commit()
    ran = await run("starter.py", environment, "audit", "--json")
    assert ran.code == 1
    assert invariant in {violation["invariant"] for violation in json.loads(ran.out)["violations"]}


async def test_the_audit_finds_that_the_audit_log_is_gone(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path, policy=POLICY)
    environment = environment_of(settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
    async with worker_process(environment, *ROLES):
        await run("starter.py", environment, *PLACE, "--item", "mug=1", "--order-id", "a")
        await _caught_up(Terminal(settings, environment))
    _remove(tmp_path, "audit_log.db*")
    ran = await run("starter.py", environment, "audit", "--json")
    assert ran.code == 1
    assert {violation["invariant"] for violation in ran.document["violations"]} == {"the audit log is a chain"}
    assert _found(tmp_path, "audit_log.db*") == []  # looking makes none


async def _caught_up(terminal: Terminal) -> None:
    async with asyncio.timeout(30):
        while any(one["behind"] for one in (await terminal.run("events", "consumers", "--json")).document):
            pass


def _found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


def _remove(folder: Path, pattern: str) -> None:
    for file in folder.glob(pattern):
        file.unlink()


def _starter(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "starter.py"), *arguments]
