"""The wrapping service's activities."""

from temporalio import activity

from activities import ServiceActivities
from kernel.contracts import Undo, Undone
from services.wrapping.contracts import WrapGift, Wrapped, WrappingPort
from services.wrapping.declaration import WRAPPING


class Wrapping(ServiceActivities[WrappingPort]):
    declaration = WRAPPING

    @activity.defn(name="wrapping.wrap", no_thread_cancel_exception=True)
    def wrap(self, command: WrapGift) -> Wrapped:
        return self._service.wrap(command)

    @activity.defn(name="wrapping.unwrap", no_thread_cancel_exception=True)
    def unwrap(self, command: Undo) -> Undone:
        return self._service.unwrap(command)
