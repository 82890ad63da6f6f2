"""What cannot be seen is not empty: every command that reads says so in one line, exits 2 and makes nothing."""

import shutil
from pathlib import Path

import pytest

from kernel.database import Database
from lab.settings import LabSettings
from messaging.bus import PARTITIONS, Recorded
from messaging.progress import Progress
from services.shipping.events import Shipped
from tests.choreographed import open_shop
from tests.cli.terminal import Terminal
from tests.events import published
from tests.processes import NOBODY_LISTENS, environment_of
from tests.shop import POLICY, sample_order

ORDER = "seen-1"
LIST = ("list", "--style", "choreography")
# What each of these needs, by database.
READS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (LIST, ("orders",)),
    (("status", ORDER), ("bus",)),
    (("trace", ORDER), ("bus",)),
    (("events", "list"), ("bus",)),
    (("events", "show", "1"), ("bus",)),
    (("events", "consumers"), ("bus", "consumers")),
    (("events", "dead-letters", "list"), ("consumers",)),
    (("analytics",), ("analytics",)),
    (("audit",), ("orders", "payments", "gateway", "bus", "consumers")),
    (("catalogue",), ("orders", "inventory")),
]
CASES = [(command, name) for command, names in READS for name in names]


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> LabSettings:
    """One order was placed, and all workers are stopped."""
    settings = LabSettings(data_dir=tmp_path_factory.mktemp("shop"), policy=POLICY)
    async with open_shop(settings) as opened:
        await opened.run(sample_order(order_id=ORDER))
    return settings


@pytest.fixture
def terminal(shop: LabSettings, tmp_path: Path) -> Terminal:
    """With a copy of the shop's databases."""
    folder = tmp_path / "data"
    shutil.copytree(shop.data_dir, folder)
    settings = shop.model_copy(update={"data_dir": folder})
    return Terminal(settings, environment_of(settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS})


def lose(settings: LabSettings, name: str) -> Path:
    for file in settings.data_dir.glob(f"{name}.db*"):
        file.unlink()
    return settings.data_dir / f"{name}.db"


@pytest.mark.parametrize(("command", "name"), CASES, ids=[f"{' '.join(words)}, {name}" for words, name in CASES])
async def test_a_database_that_is_missing_or_is_none_is_not_an_empty_one(
    terminal: Terminal, command: tuple[str, ...], name: str
) -> None:
    assert (await terminal.run(*command)).code == 0
    file = lose(terminal.settings, name)
    missing = await terminal.run(*command)
    assert (missing.code, missing.out) == (2, "")
    assert missing.err.count("\n") == 1
    assert not file.exists()
    file.write_bytes(b"this is no database, whatever its name says" * 100)
    broken = await terminal.run(*command)
    assert (broken.code, broken.out) == (2, "")
    assert broken.err.count("\n") == 1


async def test_where_no_worker_has_ever_run_there_are_no_orders_and_nothing_is_made(tmp_path: Path) -> None:
    settings = LabSettings(data_dir=tmp_path)
    nobody = Terminal(settings, environment_of(settings, "none") | {"TEMPORAL_ADDRESS": NOBODY_LISTENS})
    assert (await nobody.run(*LIST)).out == "No such orders.\n"  # of this style: the other cannot be seen
    assert (await nobody.run("events", "list")).code == 2
    assert (await nobody.run("list")).code == 2  # those in Temporal cannot be seen
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - at once


async def test_an_order_is_not_unknown_while_the_bus_cannot_be_asked(terminal: Terminal) -> None:
    terminal.environment["BUS_URL"] = "nats://127.0.0.1:9"
    shown = await terminal.run("status", ORDER)
    assert shown.code == 2
    assert "the bus does not answer" in shown.err
    assert "there is no order" not in shown.err


@pytest.mark.parametrize("wrong", ["*", ">", "a.*.b c", "a/../../b", "x" * 65, "ord\n", "-", ""])
async def test_what_is_no_order_s_id_is_refused_by_every_command(terminal: Terminal, wrong: str) -> None:
    for words in (
        ("status", "--", wrong),
        ("watch", "--", wrong),
        ("cancel", "--", wrong),
        ("review", "--", wrong, "approve"),
        ("resolve", "--", wrong, "retry"),
        ("trace", "--", wrong),
        ("events", "show", "--", f"{wrong}:create"),
        *([(*on_bus, f"--order={wrong}") for on_bus in ON_BUS] if wrong else []),
    ):
        refused = await terminal.run(*words)
        assert refused.code == 2, words
        assert "not a valid order id" in refused.err, words


ON_BUS = [
    ("events", "list"),
    ("events", "tail"),
    ("events", "republish"),
    ("events", "dead-letters", "list"),
    ("events", "dead-letters", "retry", "--all"),
    ("events", "dead-letters", "discard", "--all", "--note", "x"),
]


async def test_a_consumer_that_these_settings_do_not_name_is_listed_with_its_lag(terminal: Terminal) -> None:
    """A webhook that another shell configures; a relay has no position, and its dead letters count."""
    progress = Progress(Database(terminal.settings.url_of("consumers")))
    for partition in range(PARTITIONS):
        progress.save("webhook-elsewhere", partition, 0)
    event = published(Shipped(tracking_number="TRK1", country="NL"), ORDER)
    for consumer in ("webhook-elsewhere", "relay-shipping"):
        progress.failed(consumer, Recorded(1, event), "not now")
        progress.mark_dead(consumer, event.id)
    progress.database.close()
    listed = {one["consumer"]: one for one in (await terminal.run("events", "consumers", "--json")).document}
    assert listed["webhook-elsewhere"]["behind"] > 5
    assert listed["webhook-elsewhere"]["dead_letters"] == listed["relay-shipping"]["dead_letters"] == 1
    assert not listed["webhook-elsewhere"]["configured"]
    assert listed["relay-shipping"]["configured"]
    assert listed["payments"] == {
        "consumer": "payments",
        "behind": 0,
        "retrying": 0,
        "dead_letters": 0,
        "problem": "",
        "configured": True,
    }
    assert "not in these settings" in (await terminal.run("events", "consumers")).out


async def test_no_position_is_too_great_to_be_looked_for(terminal: Terminal) -> None:
    assert (await terminal.run("events", "show", "9" * 40)).code == 2
    assert (await terminal.run("events", "replay", "--consumer", "payments", "--from", "9" * 40)).code == 2
