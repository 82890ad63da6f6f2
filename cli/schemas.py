"""`starter.py events schemas`: the contracts of the events."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import BadInput, out, shown
from schemas.export import documents as schema_documents
from wiring.program import GOOD


def schemas(
    event: Annotated[
        str | None,
        typer.Argument(metavar="TYPE", help="An event type, envelope, or asyncapi; without it, list the names."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Write all schemas to this folder.")] = None,
) -> int:
    """List, print or write the schemas of events."""
    documents = schema_documents()
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in documents.items():
            (folder / name).write_text(text)
        out.print(f"{len(documents)} documents are in {shown(str(folder))}.")
    elif event:
        found = [text for name, text in documents.items() if _shown(name) == event]
        if not found:
            raise BadInput(f"there is no event '{event}'; 'starter.py events schemas' shows their types")
        out.out(found[0], end="")
    else:
        for name in documents:
            out.print(_shown(name))
    return GOOD


def _shown(document: str) -> str:
    return document.removesuffix(".json").removesuffix(".schema")
