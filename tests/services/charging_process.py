"""A process of its own that charges the sample order's card, for faults that kill processes.

Run as `python -m tests.services.charging_process <spec> <databases: their URLs by name, as JSON>`.
"""

import json
import sys

from tests.databases import Databases
from tests.services.samples import charge
from tests.services.till import Till


def main(spec: str, urls: str) -> None:
    databases = Databases(json.loads(urls).__getitem__)
    print(Till(databases, spec).payments.charge(charge()).charge_id)
    databases.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
