"""Runs the orders in one style, until all are finished and every consumer has caught up."""

import asyncio
from collections.abc import Callable, Sequence

from client.protocol import OrderClient
from kernel.contracts import Style
from lab.compare.actors import Actors
from lab.compare.check import violations
from lab.compare.environment import Environment, environment, temporal_version
from lab.compare.kills import Killer
from lab.compare.observations import History, Observations
from lab.compare.orders import Planned
from lab.compare.records import caught_up, histories, records
from lab.compare.unpublished import Unpublished
from lab.compare.watch import Watch
from lab.compare.writes import begin_counting
from lab.settings import LabSettings
from wiring.bus import EventBus, open_bus
from wiring.clients import Clients
from wiring.stopping import check, run_until_stopped
from wiring.temporal import connect

_QUIET_SECONDS = 180  # more than any deadline of the policy
_REPORT_SECONDS = 5

Say = Callable[[str], None]


def run(
    style: Style, settings: LabSettings, planned: Sequence[Planned], kill_every: float | None, say: Say
) -> Observations:
    """Run, and return the observations. Raises SettingsError, Unreachable, BusDown."""
    say("starting")
    with environment(style, settings) as around:
        check()
        return run_until_stopped(_Run(style, around, planned, kill_every, say).run())


class _Run:
    def __init__(
        self, style: Style, around: Environment, planned: Sequence[Planned], kill_every: float | None, say: Say
    ) -> None:
        self._style = style
        self._around = around
        self._planned = planned
        self._orders = [one.order.order_id for one in planned]
        self._killer = Killer(around.worker, around.readiness, kill_every)
        self._say = say

    async def run(self) -> Observations:
        await self._around.readiness.more_than(0)
        begin_counting(self._around.settings.data_dir)
        clients = Clients(self._around.settings)
        try:
            async with open_bus(self._around.settings) as events, asyncio.TaskGroup() as group:
                watch = Watch(events.bus)
                watching = group.create_task(watch.run())
                client = await clients.client(self._style)
                self._say(f"placing {len(self._orders)} orders")
                actors = Actors(client, watch)
                unpublished = Unpublished(self._around.settings, watch, actors.placed_at)
                await self._until_rest(watch, actors, unpublished)
                observed = await self._observed(events, client, watch, actors, unpublished)
                watching.cancel()
        except ExceptionGroup as failures:
            raise _first(failures) from None
        finally:
            await clients.close()
        return observed

    async def _until_rest(self, watch: Watch, actors: Actors, unpublished: Unpublished) -> None:
        async with asyncio.TaskGroup() as group:
            meanwhile = [group.create_task(actors.attend(one)) for one in self._planned]
            meanwhile.append(group.create_task(self._report(watch, actors)))
            if self._style is Style.ORCHESTRATION:
                meanwhile.append(group.create_task(unpublished.look_out()))
            killing = group.create_task(self._killer.run())
            await watch.until(
                lambda: watch.all_rest(self._orders) or watch.quiet > _QUIET_SECONDS or self._around.worker.wait(0)
            )
            for task in meanwhile:
                task.cancel()
            self._killer.stop()
            await killing

    async def _report(self, watch: Watch, actors: Actors) -> None:
        said = ""
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            before, said = said, f"{len(actors.placed_at)} of {len(self._orders)} placed, {len(watch.ends)} finished"
            if self._killer.kills:
                said += f", {len(self._killer.kills)} kills"
            if said != before:
                self._say(said)

    async def _observed(
        self, events: EventBus, client: OrderClient, watch: Watch, actors: Actors, unpublished: Unpublished
    ) -> Observations:
        settings, workflows, server = self._around.settings, dict[str, History](), ""
        problems = [f"{order_id} is unfinished" for order_id in self._orders if not watch.is_finished(order_id)]
        problems += await caught_up(settings, self._style, events, watch)
        if self._style is Style.ORCHESTRATION:
            temporal = await connect(settings)
            server = await temporal_version(temporal)
            workflows = await histories(temporal, watch.ends)
            unended = watch.ends.keys() - workflows.keys()
            problems += [f"the workflow of {order_id} does not end" for order_id in sorted(unended)]
        return Observations(
            style=self._style,
            planned=self._planned,
            placed_at=actors.placed_at,
            ends={order_id: watch.ends[order_id] for order_id in self._orders if order_id in watch.ends},
            unpublished={order_id: at for order_id, at in unpublished.ended_at.items() if not watch.knows(order_id)},
            events=watch.events,
            kills=self._killer.kills,
            restarts=self._around.worker.restarts,
            records=await records(settings, events, client, workflows, watch),
            violations=await violations(settings, events, watch),
            temporal_version=server,
            nats_version=self._around.nats_version,
            problems=problems,
        )


def _first(failure: Exception) -> Exception:
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure
