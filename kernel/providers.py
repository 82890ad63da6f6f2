"""Calls to a provider. The texts of its errors may have personal data, so they are neither logged nor stored."""

from collections.abc import Iterator
from contextlib import contextmanager

from kernel.errors import Outage, ServiceError


@contextmanager
def asking(whom: str, *answers: type[Exception]) -> Iterator[None]:
    """Let the port's declared errors through. Any other error becomes an Outage with its class name, not its text.

    An adapter may raise an Outage itself, with a text for operators.
    """
    try:
        yield
    except ServiceError:
        raise
    except answers:
        raise
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything, and the outcome is unknown
        raise Outage(f"{whom} failed: {type(error).__name__}").with_traceback(error.__traceback__) from None
