"""`rapport rebuild-tiles`: make the stored hashes of the tree anew, should one be wrong."""

from __future__ import annotations

import typer

from rapport.options import DataDir, settings_of_platform


def add_to(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("rebuild-tiles")(rebuild)


def rebuild(data_dir: DataDir = None) -> None:
    """Write the tiles that proofs are read from as the leaves have them; needs the owner."""
    import psycopg

    from infra.plumbing.errors import DatabaseRefused
    from infra.plumbing.ledger.tile_repair import rebuild_tiles
    from infra.plumbing.postgres.database import open_database
    from infra.plumbing.postgres.pool import session_conninfo

    settings = settings_of_platform(data_dir)
    with open_database(settings, attach=True, what="rapport rebuild-tiles") as database:
        database.migrate()
        owner = session_conninfo(database.owner_conninfo, "rebuild-tiles")
        try:
            with psycopg.connect(owner, autocommit=True) as connection:
                mended = rebuild_tiles(connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseRefused(
                "Only the owner of the database may replace a tile. Name it in "
                "RAPPORT_DATABASE_OWNER_URL."
            ) from error
    typer.echo(f"{mended} tiles were made anew." if mended else "Every tile was right.")
