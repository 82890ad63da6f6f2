"""Who is on duty gets a mail of what needs a person, and one when it is over; a worker's restart changes nothing."""

from email import message_from_bytes, policy

from client.contracts import Review, Stage
from client.order import OrderLine
from services.fraud.contracts import Decision
from subscribers.operators import OperatorSettings
from tests.observability.observed import ObservedShop
from tests.shop import eventually, sample_order
from wiring.operators import notifying
from wiring.supervision import Parts


async def test_an_order_in_review_is_mailed_and_so_is_its_end_across_a_restart(shop: ObservedShop) -> None:
    settings = shop.orchestrated.settings.given(OperatorSettings(mail_to="night@example.com", every=0.1))
    order = sample_order(lines=(OrderLine(sku="espresso-machine", quantity=1),))

    async def has_mails(*wanted: str) -> bool:
        files = (settings.data_dir / "mail" / "operators").glob("*.eml")
        found = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        ours = [str(mail["subject"]) for mail in found if order.order_id in str(mail["subject"])]
        assert len(ours) <= len(wanted)
        return sorted(ours) == sorted(wanted)

    began, over = f"review: {order.order_id}", f"Over: review: {order.order_id}"
    async with notifying(settings, shop.services, Parts()):
        await shop.orchestrated.saga().place(order)
        await shop.orchestrated.until(order, lambda state: state.stage is Stage.REVIEW)
        await eventually(lambda: has_mails(began))
    async with notifying(settings, shop.services, Parts()):
        await shop.orchestrated.saga().review(order.order_id, Review(decision=Decision.APPROVE))
        await shop.orchestrated.saga().outcome(order.order_id)
        await eventually(lambda: has_mails(began, over))


async def test_nobody_is_notified_unless_it_is_configured(shop: ObservedShop) -> None:
    async with notifying(shop.orchestrated.settings, shop.services, Parts()) as tasks:
        assert tasks == []
