"""`rapport verify`: is an export whole, unchanged, and what was signed? No server, no database."""

import sys
from base64 import b64encode
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rapport.plain import Plain

if TYPE_CHECKING:
    import typer

PLAIN = Plain(
    places=("folder",),
    options={"--checkpoint": "checkpoint", "--public-key": "public_key"},
    flags={"--json": "as_json"},
)


def add_to(app: "typer.Typer") -> None:
    """Put the command into the program."""
    import typer

    from rapport.options import Json

    @app.command("verify")
    def _(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="What export-log wrote.")],
        checkpoint: Annotated[
            Path | None, typer.Option(help="A checkpoint kept elsewhere: the export must hold it.")
        ] = None,
        public_key: Annotated[
            Path | None, typer.Option(help="The signer's public key, lines name+id+base64.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Check an export offline: PASS and 0, or FAIL with the first bad position and 1.

        2 says that something was named wrongly, so nothing was checked.
        """
        raise typer.Exit(verify(folder, checkpoint, public_key, as_json=as_json))


def at_once(words: Sequence[str]) -> int | None:
    """Do what a plain line says and answer the exit code; None if the line is not plain."""
    given = PLAIN.read(words)
    if given is None:
        return None
    checkpoint, public_key = (
        Path(given[name]) if name in given else None for name in ("checkpoint", "public_key")
    )
    return verify(Path(given["folder"]), checkpoint, public_key, as_json="as_json" in given)


def verify(folder: Path, checkpoint: Path | None, public_key: Path | None, *, as_json: bool) -> int:
    """Say whether the export is good; the exit code."""
    from infra.plumbing.ledger.given import GivenWrong

    try:
        told = _verdict(folder, checkpoint, public_key)
    except GivenWrong as wrong:
        sys.stderr.write(f"rapport verify: {wrong}\n")
        return 2
    sys.stdout.write(f"{_json(told) if as_json else _sentence(told)}\n")
    sys.stdout.flush()
    return 0 if told["verdict"] == "PASS" else 1


def _verdict(folder: Path, checkpoint: Path | None, public_key: Path | None) -> dict[str, Any]:
    from infra.plumbing.ledger.given import read_given
    from infra.plumbing.ledger.verifying import NotTheLog, verify_export

    kept, keys = read_given(folder, checkpoint, public_key)
    entries = folder / "entries.ndjson"
    try:
        with _bar(entries.stat().st_size if entries.exists() else 0) as progress:
            good = verify_export(folder, kept=kept, keys=keys, progress=progress)
    except NotTheLog as bad:
        return _fail(bad.where, bad.why, bad.positions)
    except OSError as error:
        return _fail(entries.name, error.strerror or "it cannot be read")
    return {
        "verdict": "PASS",
        "origin": good.checkpoint.origin,
        "events": good.checkpoint.size,
        "root": b64encode(good.checkpoint.root).decode(),
        "bodies": good.counts.bodies,
        "streams": good.counts.streams,
        "signature_checked": good.signature_checked,
        "earlier_checkpoints": good.earlier,
        "restored_from": [
            {
                "record": name,
                "old": record.signed.origin,
                "signed": record.signed.size,
                "agrees": record.agrees.size,
                "begins": record.begins.size,
                "says": str(record),
            }
            for name, record in good.records.items()
        ],
    }


@contextmanager
def _bar(total: int) -> Generator[Callable[[int], object] | None]:
    """A bar for whoever watches; its library is slow to import, so nobody else waits for it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    columns = (*Progress.get_default_columns(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("bytes", total=total)
        yield lambda more: bar.advance(task, more)


def _fail(where: str, why: str, positions: tuple[int, int] | None = None) -> dict[str, Any]:
    return {"verdict": "FAIL", "where": where, "why": why, "positions": positions}


def _json(told: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(told).decode()


def _sentence(told: dict[str, Any]) -> str:
    if told["verdict"] == "FAIL":
        return f"FAIL {told['where']}: {told['why']}"
    signed = "signature checked"
    if not told["signature_checked"]:
        signed = "signature not checked: no --public-key was given"
    whole = f"PASS {told['events']} events of {told['origin']}, root {told['root']}; {signed}"
    earlier = f"checkpoints: {told['earlier_checkpoints']} earlier ones are of this log"
    chain = [earlier] if told["earlier_checkpoints"] else []
    records = [f"{each['record']}: {each['says']}" for each in told["restored_from"]]
    return "\n".join([whole, *chain, *records])
