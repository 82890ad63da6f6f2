"""`starter.py attention`: everything that needs a person, with the command that resolves it."""

from collections import Counter
from datetime import UTC, datetime

from cli.console import AsJson, in_words, out, print_json, shown, table_of
from client.attention import AttentionEntry, AttentionKind
from settings import load
from wiring.attention import attention as ask
from wiring.clients import Clients, with_clients
from wiring.program import BAD_END, GOOD


def attention(as_json: AsJson = False) -> int:
    """List everything that needs a person, and how to resolve it.

    Each entry shows what is stuck, why, since when, the attempt, and what happens automatically. The exit code is 0
    only if there are no entries and every part of the system answered.
    """
    settings = load()

    async def run(clients: Clients) -> list[AttentionEntry]:
        return await ask(settings, clients)

    entries = with_clients(settings, run)
    if as_json:
        print_json([document(entry) for entry in entries])
    elif entries:
        _show(entries, datetime.now(UTC))
    else:
        out.print("[green]✓ Nothing needs you.[/]")
    return BAD_END if entries else GOOD


def document(entry: AttentionEntry) -> dict[str, object]:
    """An entry for scripts; its `id` is stable as long as the problem lasts."""
    return {"id": entry.id} | entry.model_dump(mode="json")


def _show(entries: list[AttentionEntry], now: datetime) -> None:
    """An entry has lines instead of columns, so that commands and ids are never cut."""
    for entry in entries:
        mark = "?" if entry.kind is AttentionKind.UNSEEN else "!"
        since = f", for {in_words(now - entry.since)}" if entry.since else ""
        attempt = f", attempt {entry.attempt}" if entry.attempt else ""
        step = f"  {shown(entry.step)}" if entry.step else ""
        out.print(f"[bold red]{mark} {entry.kind}[/]  [bold]{shown(entry.subject)}[/]{step}{since}{attempt}")
        out.print(f"    why   {shown(entry.why)}")
        at = f" (in {in_words(entry.then_at - now)})" if entry.then_at else ""
        out.print(f"    then  {shown(entry.then)}{at}")
        out.print(f"    do    [bold]{shown(entry.command)}[/]")
        if entry.otherwise:
            out.print(f"    or    [bold]{shown(entry.otherwise)}[/]")
        if entry.link:
            out.print(f"    see   {shown(entry.link)}")
    counts = Counter(str(entry.kind) for entry in entries)
    out.print()
    out.print(table_of("needs you", "how many", rows=[(kind, str(n)) for kind, n in counts.most_common()]))
