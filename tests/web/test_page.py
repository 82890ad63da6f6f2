"""The page in a real browser, over a real shop: what a customer, an operator and an onlooker see."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, expect

from audit.books import OrderBooks, read
from audit.invariants import audit
from messaging.bus import Recorded
from tests.processes import until
from tests.web.conftest import TIMEOUT, OpenPage, Visitor, visiting
from wiring.bus import open_bus

expect.set_options(timeout=TIMEOUT)

# By scene: how both orders end, and how often each is charged.
SCENES = {
    "good": ("completed", 1),
    "declined": ("rejected", 0),
    "sold-out": ("rejected", 0),
    "undeliverable": ("rejected", 1),
    "lost-reply": ("completed", 1),
    "down": ("completed", 1),
}


PLACES = ("#orchestration", "#choreography", ".books")
SERIOUS = ("serious", "critical")


async def _events(page: OpenPage, order_id: str) -> Sequence[Recorded]:
    async with open_bus(page.settings, for_reading=True) as events:
        return await events.bus.of(order_id)


async def _run(visitor: Visitor, scene: str, *, slow: bool = False) -> str:
    """Begin a run of this scene; its id."""
    await visitor.open("/")
    await visitor.page.set_checked("input[name=slow]", slow)
    await visitor.page.click(f"button[value={scene}]")
    await visitor.page.wait_for_url("**/runs/*")
    return visitor.page.url.rpartition("/")[2]


async def _summary(visitor: Visitor) -> dict[str, list[str]]:
    await expect(visitor.page.locator("#summary")).to_be_visible()
    rows = await visitor.page.locator("#summary tbody tr").all()
    cells = [await row.locator("th, td").all_text_contents() for row in rows]
    return {name: values for name, *values in cells}


def _books(page: OpenPage, order_id: str) -> OrderBooks:
    return read(page.settings).orders.get(order_id, OrderBooks())


@dataclass(frozen=True)
class Seen:
    """A run that has ended, as it was followed: its summary, and what was drawn at PLACES."""

    run: str
    summary: dict[str, list[str]]
    drawn: list[str]


async def _follow(browser: Browser, open_page: OpenPage, scene: str) -> Seen:
    async with visiting(browser, open_page.address) as visitor:
        run = await _run(visitor, scene)
        summary = await _summary(visitor)
        drawn = [await visitor.page.locator(f"{place} svg").text_content() or "" for place in PLACES]
    return Seen(run, summary, drawn)


@pytest.fixture(scope="module")
async def scenes(browser: Browser, open_page: OpenPage) -> dict[str, Seen]:
    """One run of each scene, all at once."""
    seen = await asyncio.gather(*(_follow(browser, open_page, scene) for scene in SCENES))
    return dict(zip(SCENES, seen, strict=True))


def test_both_styles_end_alike_under_each_fault(open_page: OpenPage, scenes: dict[str, Seen]) -> None:
    books = read(open_page.settings).orders
    for scene, seen in scenes.items():
        _check_ends_alike(books, seen, *SCENES[scene])
    undone = scenes["undeliverable"].summary["Undone"]
    assert undone[0] == "refund, then release, then reject"
    assert undone[1] in ("refund and at once release, then reject", "release and at once refund, then reject")
    lost = scenes["lost-reply"]
    assert lost.summary["Attempts that failed"] == ["1 of payments.charge"] * 2
    assert ["charge failed once" in drawn for drawn in lost.drawn] == [True, True, False]


async def test_both_styles_survive_a_killed_worker(browser: Browser, open_page: OpenPage) -> None:
    restarts = open_page.worker.restarts
    seen = await _follow(browser, open_page, "kill")
    _check_ends_alike(read(open_page.settings).orders, seen, "completed", 1)
    assert open_page.worker.restarts > restarts
    assert all("kill -9" in drawn for drawn in seen.drawn)


async def test_a_run_can_be_opened_again(scenes: dict[str, Seen], visitor: Visitor) -> None:
    first = scenes["lost-reply"]
    await visitor.open(f"/runs/{first.run}")
    assert await _summary(visitor) == first.summary


def _check_ends_alike(orders: Mapping[str, OrderBooks], seen: Seen, status: str, charges: int) -> None:
    assert seen.summary["Outcome"] == [status, status]
    for style in "oc":
        books = orders.get(f"{seen.run}-{style}", OrderBooks())
        assert len(books.charges) == charges
        assert (books.charged > books.refunded) == (status == "completed")


async def test_a_possible_fraud_is_held_until_a_person_decides_and_then_ends_in_both(
    open_page: OpenPage, visitor: Visitor
) -> None:
    """One is decided where all that waits is listed, the other where both are shown."""
    page, run = visitor.page, await _run(visitor, "fraud")
    for style in ("orchestration", "choreography"):
        await expect(page.locator(f"#{style} [data-status]")).to_have_text("review")
        await expect(page.locator(f"#{style} svg")).to_contain_text("a person must decide")
    await visitor.open("/attention")
    await _press(visitor, f"{run}-o", "Decline")
    await expect(page.get_by_role("status").first).to_contain_text("Decline: 1 done.")
    await expect(_entry(visitor, f"{run}-o")).to_have_count(0)
    await visitor.open(f"/runs/{run}")
    await page.fill("#review input[name=note]", "looks wrong")
    await page.click("#review button[value=decline]")
    summary = await _summary(visitor)
    assert summary["Outcome"] == ["rejected", "rejected"]
    assert summary["Charged"] == ["nothing", "1299.00 EUR"]
    assert summary["Refunded"] == ["nothing", "1299.00 EUR"]
    assert _books(open_page, f"{run}-c").refunded == 129_900


async def test_slow_motion_shows_each_step_as_it_happens(visitor: Visitor) -> None:
    await _run(visitor, "good", slow=True)
    left, right = (visitor.page.locator(f"#{style} .lanes") for style in ("orchestration", "choreography"))
    await expect(left.get_by_text("reserve", exact=True)).to_be_visible()
    assert await left.get_by_text("ship", exact=True).count() == 0
    await expect(right.get_by_text("PaymentProcessed", exact=True)).to_be_visible()


async def _order(visitor: Visitor, **fields: str) -> str:
    """Fill in the shop's form; the order's id."""
    await visitor.open("/shop")
    await visitor.page.fill("input[name=quantity-mug]", "2")
    for name, value in fields.items():
        await visitor.page.fill(f"input[name={name}]", value)
    return await visitor.page.locator("input[name=order_id]").input_value()


@pytest.mark.parametrize("style", ["orchestration", "choreography"])
async def test_an_order_is_placed_once_however_often_it_is_sent_and_followed_live(
    open_page: OpenPage, visitor: Visitor, style: str
) -> None:
    order_id = await _order(visitor)
    await visitor.page.check(f"input[value={style}]")
    await visitor.page.dblclick("button.primary:has-text('Place')")
    await visitor.page.wait_for_url(f"**/orders/{order_id}")
    await expect(visitor.page.locator(".title .pill")).to_have_text("completed")
    await expect(visitor.page.locator(".tree")).to_contain_text("OrderCompleted")
    await visitor.page.reload()
    await visitor.page.go_back()
    await visitor.page.click("button.primary:has-text('Place')")
    await visitor.page.wait_for_url("**/orders/*")
    assert len(_books(open_page, order_id).charges) == 1


async def test_an_order_is_cancelled_and_what_was_done_is_undone(open_page: OpenPage, visitor: Visitor) -> None:
    await visitor.open("/shop")
    await visitor.page.fill("input[name=quantity-espresso-machine]", "1")
    await visitor.page.click("button.primary:has-text('Place')")  # 1,299.00: held as a possible fraud
    await expect(visitor.page.locator("#order")).to_contain_text("review")
    await visitor.page.click("summary:has-text('Cancel it')")
    await visitor.page.fill("input[name=reason]", "<b>changed</b> my mind")
    await visitor.page.click("button.danger")
    await expect(visitor.page.locator(".title .pill")).to_have_text("cancelled")
    await expect(visitor.page.locator("#order")).to_contain_text("<b>changed</b> my mind")
    books = _books(open_page, visitor.page.url.rpartition("/")[2])
    assert (books.held, books.charged - books.refunded, books.parcels_booked) == ({}, 0, 0)


async def _place_undeliverable(visitor: Visitor, *order_ids: str) -> None:
    """Without filling in the form by hand; the end of an id is the style."""
    await visitor.open("/shop")
    token = await visitor.page.locator("input[name=form_token]").first.input_value()
    for order_id in order_ids:
        form: dict[str, str | float | bool] = {"form_token": token, "order_id": order_id, "customer_id": order_id}
        form |= {"sku": "mug", "quantity-mug": "2", "payment_token": "tok_visa", "name": "A", "street": "1 Street"}
        form |= {"postal_code": "1", "city": "Base", "country": "AQ"}
        form |= {"style": "choreography" if order_id.endswith("-c") else "orchestration"}
        placed = await visitor.context.request.post(f"{visitor.address}/shop", form=form)
        assert placed.ok


def _entry(visitor: Visitor, order_id: str) -> Locator:
    return visitor.page.locator(".entry", has_text=order_id)


async def _press(visitor: Visitor, order_id: str, name: str) -> None:
    await _entry(visitor, order_id).get_by_role("button", name=name).click()


async def test_orders_that_need_attention_are_seen_as_such_and_resolved_one_by_one_and_in_bulk(
    open_page: OpenPage, visitor: Visitor
) -> None:
    """The refund of a `stuck` order is refused once, that of a `hopeless` one always."""
    page, stuck = visitor.page, ("stuck-0-o", "stuck-0-c", "stuck-1-o", "stuck-1-c")
    await _place_undeliverable(visitor, *stuck, "hopeless-o")

    await visitor.open("/runs/stuck-0")  # a run that needs attention: it goes on waiting, and says what failed
    await expect(page.locator("#waiting")).to_be_visible()
    for style in ("orchestration", "choreography"):
        await expect(page.locator(f"#{style} [data-status]")).to_have_text("needs-attention")
        await expect(page.locator(f"#{style} svg")).to_contain_text("refund failed once, given up")
        account = page.locator(f"#{style} [data-account]")
        await expect(account).to_contain_text("payments.refund failed once")
        await expect(account).to_contain_text("Now the order waits for an operator")
    shown = await page.locator("#clock").text_content()
    await expect(page.locator("#clock")).not_to_have_text(shown or "")

    await page.click("text=Resolve it")
    await page.get_by_label("Choose stuck-1-o").check()
    await _press(visitor, "stuck-0-o", "Settled by hand")
    await expect(page.get_by_role("alert")).to_contain_text("needs a note")
    visitor.problems.clear()  # the browser says that this was a 400
    await expect(page.get_by_label("Choose stuck-1-o")).to_be_checked()  # the form is as it was
    await page.fill("input[name=note]", "refunded by <i>bank transfer</i> 4711")
    await _press(visitor, "stuck-0-o", "Settled by hand")
    await expect(page.get_by_role("status").first).to_contain_text("Settled by hand: 1 done.")
    await _press(visitor, "stuck-0-c", "Try again")
    await expect(_entry(visitor, "stuck-0-c")).to_have_count(0)  # without loading the page again
    await _press(visitor, "hopeless-o", "Try again")
    await expect(_entry(visitor, "hopeless-o")).to_contain_text("it has failed again")

    for order_id in stuck[2:]:
        await page.get_by_label(f"Choose {order_id}").check()
    await page.click(".acts-bulk button:has-text('Try again')")
    await expect(page.locator("main")).to_contain_text("Nothing is done yet")
    await expect(page.locator("main li")).to_have_count(2)
    assert _books(open_page, "stuck-1-o").refunded == 0
    await page.fill("input[name=rate]", "50")
    await page.click("button.primary")
    await expect(page.locator("#bulk-summary")).to_contain_text("2 done, 0 failed.")

    for order_id in stuck:
        await visitor.open(f"/orders/{order_id}")
        await expect(page.locator(".title .pill")).to_have_text("rejected")
    await visitor.open("/runs/stuck-0")
    summary = await _summary(visitor)
    assert summary["Refunded"] == ["24.00 EUR by hand", "24.00 EUR"]
    assert "refunded by <i>bank transfer</i> 4711 (an operator)" in summary["Decided by operators"][0]
    assert not any("still" in one for one in summary["Books disagreed for"])
    await expect(page.locator("#books")).to_contain_text("refund settled by hand")
    events = {one.event.type: one.event.data for one in await _events(open_page, "stuck-1-c")}
    assert events["AttentionSettled"]["actor"] == "an operator"
    assert _books(open_page, "stuck-1-o").refunded == _books(open_page, "stuck-1-c").refunded == 2_400


async def test_a_browser_goes_on_after_the_page_was_killed_and_after_being_offline(
    open_page: OpenPage, visitor: Visitor
) -> None:
    await _run(visitor, "fraud")
    await expect(visitor.page.locator("#choreography [data-status]")).to_have_text("review")
    ready = open_page.says_ready
    open_page.page.kill()
    await until(lambda: open_page.says_ready > ready)
    await visitor.context.set_offline(True)
    await visitor.page.evaluate("dispatchEvent(new Event('offline'))")
    await visitor.context.set_offline(False)
    await visitor.page.click("#review button[value=approve]")  # a form from before the kill
    assert (await _summary(visitor))["Outcome"] == ["completed", "completed"]
    visitor.problems = [one for one in visitor.problems if "ERR_" not in one]


async def test_every_page_fits_a_phone_and_axe_finds_nothing_serious(
    browser: Browser, open_page: OpenPage, scenes: dict[str, Seen]
) -> None:
    run = scenes["undeliverable"].run
    drawn = ("/", f"/runs/{run}", f"/orders/{run}-c")
    size = {"width": 375, "height": 844}
    async with visiting(browser, open_page.address, viewport=size) as reader:
        for path in (*drawn, "/shop", "/orders", "/attention", "/figures"):
            await reader.open(path)
            if path.startswith("/runs"):
                await _summary(reader)
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await reader.page.evaluate(wider) <= 0, f"{path} is wider than a phone"
            assert await _serious(reader.page) == [], path
            if path in drawn:
                await reader.page.emulate_media(color_scheme="dark")
                assert await _serious(reader.page, runOnly=["color-contrast"]) == [], f"{path}, dark"
                await reader.page.emulate_media(color_scheme="light")


async def _serious(page: Page, **options: list[str]) -> list[tuple[str, str]]:
    found = (await Axe().run(page, options=options)).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS]


async def test_the_page_is_used_by_keyboard_alone(visitor: Visitor) -> None:
    await visitor.open("/")
    await visitor.page.keyboard.press("Tab")
    await expect(visitor.page.locator(".skip")).to_be_focused()
    await visitor.page.keyboard.press("Enter")
    for _ in range(2):  # the choice of slow motion, then the first scene
        await visitor.page.keyboard.press("Tab")
    await visitor.page.keyboard.press("Enter")
    await visitor.page.wait_for_url("**/runs/*-good")


async def test_the_shop_adds_up_after_all_of_this(open_page: OpenPage) -> None:
    report = await asyncio.to_thread(audit, open_page.settings)
    assert report.violations == []
