"""The comparison as a page: the run, the table, what each row means, and the pictures."""

from collections.abc import Iterator
from pathlib import Path

from lab.compare.comparison import Comparison
from lab.compare.environment import POLICY
from lab.compare.orders import DECK, PER_SECOND, Kind
from lab.compare.plots import draw
from lab.compare.table import SECTIONS

PAGE = "scorecard.md"

_KINDS = {
    Kind.GOOD: "nothing is wrong with it",
    Kind.CARD_DECLINED: "the card is declined",
    Kind.UNDELIVERABLE: "no courier goes to its country, which is found out after the charge",
    Kind.SOLD_OUT: "one of its products is sold out",
    Kind.APPROVED: "a possible fraud, which the reviewer approves as soon as it is held",
    Kind.TURNED_DOWN: "a possible fraud, which the reviewer declines as soon as it is held",
    Kind.CANCELLED: "the customer cancels it, up to 1.5 s after placing it",
}


def write_page(comparison: Comparison, folder: Path) -> Path:
    """Write the page and its pictures."""
    pictures = draw(comparison, folder)
    page = folder / PAGE
    page.write_text("\n".join(_lines(comparison, pictures)) + "\n")
    return page


def _lines(comparison: Comparison, pictures: dict[str, str]) -> Iterator[str]:
    bus = f"NATS JetStream, server {comparison.nats}" if comparison.nats else "the built-in one, a log in SQLite"
    server = "a dev server of its own" if comparison.has_own_server else "the one that was named"
    yield "# The two styles compared"
    yield ""
    yield "Made by the command itself, and not to be edited:"
    yield ""
    yield f"    {'BUS_URL=... ' if comparison.nats else ''}{comparison.conditions.command()}"
    yield ""
    yield f"- {comparison.began_at:%Y-%m-%d}, {comparison.machine}, Python {comparison.python}"
    yield f"- Temporal: SDK {comparison.sdk}, server {comparison.temporal} ({server}); bus: {bus}"
    verdict = (
        "no invariant is violated, and every order is finished" if comparison.is_good else "**not good, see below**"
    )
    yield f"- Outcome: {verdict}"
    yield ""
    yield from _table(comparison)
    yield "One run on one machine: figures differ from run to run, and the times of a crash most of all."
    yield ""
    for name, shows in pictures.items():
        yield f"![{shows}]({name})"
        yield ""
        yield f"{shows}."
        yield ""
    yield from _orders(comparison)
    yield from _method()
    yield "## What the rows mean"
    yield ""
    for section in SECTIONS:
        for row in section.rows:
            if row.meaning:
                yield f"- **{row.label}**: {row.meaning}"
    for one in comparison.styles:
        for said in (*one.violations, *one.problems):
            yield f"- {one.style}, **wrong**: {said}"


def _table(comparison: Comparison) -> Iterator[str]:
    yield f"| | {' | '.join(one.style for one in comparison.styles)} |"
    yield f"|---|{'---:|' * len(comparison.styles)}"
    for section in SECTIONS:
        yield f"| **{section.title}** |{' |' * len(comparison.styles)}"
        for row in section.rows:
            yield f"| {row.label} | {' | '.join(row.cell(one) for one in comparison.styles)} |"
    yield ""


def _orders(comparison: Comparison) -> Iterator[str]:
    yield "## The orders"
    yield ""
    yield (
        f"Both styles get the same orders: a deck of {len(DECK)}, shuffled by the seed and dealt again and again, each "
        f"order of a customer of its own. They are placed at random moments, {PER_SECOND:g} a second on average, the "
        "moments from the seed too, and however many are still under way."
    )
    yield ""
    yield f"| order | of {len(DECK)} | what it meets | {' | '.join(one.style for one in comparison.styles)} |"
    yield f"|---|---:|---|{'---|' * len(comparison.styles)}"
    for kind in Kind:
        ended = [one.ends_by_kind.get(kind, {}) for one in comparison.styles]
        listed = [", ".join(f"{number} {end}" for end, number in sorted(ends.items())) for ends in ended]
        yield f"| {kind} | {DECK.count(kind)} | {_KINDS[kind]} | {' | '.join(listed)} |"
    yield ""


def _method() -> Iterator[str]:
    yield "## How it is measured"
    yield ""
    yield (
        "- One style after the other, each with new SQLite databases, and one worker process. Orchestrated, it has all "
        "roles but `choreography`, which would have nothing to do; choreographed, it has `relay`, `choreography` and "
        "`subscribers`, and there is no Temporal server."
    )
    yield (
        f"- Policy: an attempt may take {POLICY.attempt_timeout:g} s, so that what a killed worker was at is soon "
        f"tried again; a step {POLICY.step_deadline:g} s, an undo {POLICY.undo_deadline:g} s. The fraud limits are the "
        "default ones."
    )
    yield (
        "- With `--kill-every`, the worker gets SIGKILL each time that it has been ready for so long, until "
        "all orders are finished; it is started again at once. The bus, the Temporal server and the disk are not "
        "killed. Orchestrated, what the dead worker was at waits for time-outs, the attempt's and that of the worker's "
        "own queue of workflow tasks; choreographed, the operating system lets go of its locks at once."
    )
    yield (
        "- Who places, reviews and cancels asks again every half second when nobody answers. What becomes of the "
        "orders is read from the bus in both styles. At the end, everything waits until each event is on the bus, each "
        "consumer has it and each workflow has ended; then the audit looks at all databases."
    )
    yield ""
