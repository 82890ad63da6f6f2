"""What a terminal of 80 columns shows, kept as text: real commands on real orders, with ids and times made alike.

After a change that is meant: SCREENS=write python -m pytest tests/cli/test_screens.py, and look at the difference.
"""

import os
import re
from pathlib import Path

import pytest

from client.order import OrderLine
from tests.cli.terminal import OpenShop
from tests.processes import Ran, run
from tests.shop import sample_order, undeliverable

SCREENS = Path(__file__).with_name("screens")
HELD = "held-" + "0" * 58  # the longest that an id may be, and another that begins like it
ALIKE = (f"{HELD}1", f"{HELD}2")
CUSTOMER = "screens"  # the shop has orders of other tests too, whose ids and reasons change a table's width
COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "list": ("list", "--customer", CUSTOMER),
    "status": ("status", "screen-far"),
    "held": ("status", ALIKE[0]),
    "catalogue": ("catalogue",),
    "events-help": ("events", "--help"),
    "refused": ("place", "--item", "mug=two"),
}
ALIKE_MADE = (
    (re.compile(r"ch_[0-9a-f]+|TRK[0-9A-Za-z]+"), "ID"),
    (re.compile(r"(?<=declined in )\d+ \w+"), "0 s"),
    (re.compile(r"localhost:\d+"), "localhost:8233"),
)


AGE = re.compile(r" +\d+ (?:s|min|h)(?= )")


def _none_of_it(age: re.Match[str]) -> str:
    """As wide as it was."""
    return "0 s".rjust(len(age[0]))


@pytest.fixture(scope="module")
async def shown(open_shop: OpenShop) -> dict[str, Ran]:
    machine = (OrderLine(sku="espresso-machine", quantity=1),)
    for order_id, changes in (("screen-good", {}), ("screen-far", undeliverable())):
        await open_shop.has_had(sample_order(order_id=order_id, customer_id=CUSTOMER, **changes))
    for order_id in ALIKE:
        await open_shop.has_had(sample_order(order_id=order_id, customer_id=CUSTOMER, lines=machine))
    environment = open_shop.environment | {"COLUMNS": "80", "LINES": "24"}
    return {name: await run("starter.py", environment, *words) for name, words in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_screen_is_as_it_was_and_fits(shown: dict[str, Ran], name: str) -> None:
    text = shown[name].out + shown[name].err
    for pattern, instead in ALIKE_MADE:
        text = pattern.sub(instead, text)
    text = AGE.sub(_none_of_it, text)
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    kept = SCREENS / f"{name}.txt"
    if os.environ.get("SCREENS") == "write":
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")
    # What is to be copied stays on one line, however long: a link, and a command with an id.
    assert [line for line in text.splitlines() if len(line) > 80 and "http://" not in line and HELD not in line] == []


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.usefixtures("shown")
async def test_ids_that_begin_alike_are_whole_at_any_width(open_shop: OpenShop, columns: str) -> None:
    """They are folded, and never cut."""
    ran = await run("starter.py", open_shop.environment | {"COLUMNS": columns}, *COMMANDS["list"])
    folded = "".join(re.findall(r"(?m)^[ │]*([0-9a-z-]+)", ran.out))
    for order_id in ALIKE:
        assert order_id in folded
