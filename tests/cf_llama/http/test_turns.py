"""Places given out in the order of asking, to tasks."""

import asyncio

from cf_llama.http.turns import AsyncTurns


async def test_places_go_to_who_waited_longest():
    turns, order = AsyncTurns(1), []

    async def wait(name):
        assert await turns.take(None)
        order.append(name)

    assert await turns.take(None)
    waiting = [asyncio.create_task(wait(name)) for name in range(5)]
    await asyncio.sleep(0)
    for _ in waiting:
        turns.give_back()
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == list(range(5))


async def test_who_waits_in_vain_leaves_no_trace():
    turns = AsyncTurns(1)
    assert await turns.take(None)
    assert not await turns.take(0)
    leaving = asyncio.create_task(turns.take(None))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    turns.give_back()
    assert await turns.take(0)
    assert not await turns.take(0)


async def test_a_place_given_to_who_is_cancelled_goes_on():
    turns = AsyncTurns(1)
    assert await turns.take(None)
    first, second = (asyncio.create_task(turns.take(None)) for _ in range(2))
    await asyncio.sleep(0)
    turns.give_back()  # to the first, who is cancelled before it can know
    first.cancel()
    assert await second
    assert first.cancelled()
