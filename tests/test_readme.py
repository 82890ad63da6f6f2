"""What the README shows is what there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_sagas_lines_are_the_sagas_own() -> None:
    shown = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    lines = iter((ROOT / "workflows" / "order_saga.py").read_text().splitlines())
    # In the order of the saga, which has others between them.
    assert [line for line in shown[1].splitlines() if line not in lines] == []


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(links) > 4
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make (demo|up|test|check|bench|histories|[a-z]+)\b", README)) - {"that"}
    assert {"demo", "test", "up"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
