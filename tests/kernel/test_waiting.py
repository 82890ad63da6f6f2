import asyncio

from kernel.waiting import is_set_within


async def test_a_pause_is_over_when_its_time_is() -> None:
    assert not await is_set_within(asyncio.Event(), 0.01)


async def test_a_pause_is_cut_short() -> None:
    event = asyncio.Event()
    pause = asyncio.create_task(is_set_within(event, None))
    await asyncio.sleep(0)
    assert not pause.done()
    event.set()
    async with asyncio.timeout(10):
        assert await pause


async def test_who_was_asked_before_does_not_pause() -> None:
    event = asyncio.Event()
    event.set()
    async with asyncio.timeout(10):
        assert await is_set_within(event, 3600)
