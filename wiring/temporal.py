"""The connection to the Temporal server, and the search attributes that orders need there."""

import asyncio
import logging
import re
from functools import cache

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from kernel.environment import one_line
from kernel.errors import Unreachable
from settings import Settings
from workflows.visibility import ORDER_REASON, ORDER_STAGE, ORDER_STATUS

SEARCH_ATTRIBUTES = (ORDER_STATUS, ORDER_STAGE, ORDER_REASON)

_CONNECT_SECONDS = 10


@cache
def runtime() -> Runtime:
    """The SDK's, whose own warnings are lines of our log, without colours. One for the process.

    A local activity that ends while its worker stops is no news: its next attempt gets the same answer.
    """
    quiet = "temporalio_sdk_core::worker::activities::local_activities=error"
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio"))
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(f"warn,{quiet}", forwarding=forwarding)))


async def connect(settings: Settings, runtime: Runtime | None = None) -> Client:
    """Raises Unreachable."""
    config = settings.temporal()
    host, namespace = config["target_host"], config["namespace"]
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await Client.connect(**config, data_converter=pydantic_data_converter, runtime=runtime)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Unreachable(
                f"the Temporal server at {host} has no namespace {namespace}; set TEMPORAL_NAMESPACE"
            ) from None
        if error.status is not RPCStatusCode.PERMISSION_DENIED:  # an API key may allow orders, but not this call
            raise Unreachable(f"the Temporal server at {host} did not answer: {one_line(error)[:200]}") from None
    except (RuntimeError, TimeoutError, ValueError) as error:
        said = re.findall(r'message: "([^"]+)"', str(error))
        why = f" ({said[-1]})" if said else ""
        raise Unreachable(
            f"cannot reach the Temporal server at {host}{why}; start one with 'make up', or set TEMPORAL_ADDRESS"
        ) from None
    return client


async def ensure_search_attributes(client: Client) -> None:
    """Create the search attributes by which orders are found, unless they exist. Raises Unreachable."""
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = [key.name for key in SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
        if missing:
            keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            request = AddSearchAttributesRequest(
                namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
            )
            await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return  # another worker created them meanwhile
        names = ", ".join(f"{key.name}=Keyword" for key in SEARCH_ATTRIBUTES)
        raise Unreachable(
            f"the search attributes {names} are not on the server and cannot be made from here "
            f"({one_line(error)[:200]}); make them with 'temporal operator search-attribute create'"
        ) from None
