"""What the house itself can fail at, in words for whoever started the program.

Each error is one sentence that says what is wrong and one that says the cure; the command line
prints it and leaves with a non-zero code, without a traceback. Nothing personal and no password
is ever part of a message.

    HouseError
    ├── SettingsError              a setting has a value that cannot be meant
    ├── PortTaken                  another program listens there
    ├── DataFolderError
    │   ├── DataFolderUnwritable   it cannot be created, read or written
    │   ├── DataFolderInUse        another running program holds it
    │   └── DataFolderDamaged      something in it is missing or from another release
    ├── PostgresError
    │   ├── ServerNotStarted       the embedded server did not come up
    │   ├── DatabaseUnreachable    nobody answers, or not us
    │   └── DatabaseRefused        a server that could lose acknowledged events, or is too old
    └── MigrationError
        ├── MigrationMisnamed      a file of the folder is not NNNN_pre_name.sql
        ├── MigrationChanged       an applied file has another content now
        ├── MigrationOutOfOrder    files and table do not tell the same story
        └── MigrationFailed        PostgreSQL refused a statement
"""

from __future__ import annotations


class HouseError(Exception):
    """The program cannot go on; `str(error)` is for the reader, with the cure in it."""


class SettingsError(HouseError):
    """A setting has a value that cannot be meant."""


class PortTaken(HouseError):
    """Another program listens on the port."""


class DataFolderError(HouseError):
    """Something about the data folder."""


class DataFolderUnwritable(DataFolderError):
    """The data folder cannot be created, read or written by this user."""


class DataFolderInUse(DataFolderError):
    """Another running program holds the data folder."""


class DataFolderDamaged(DataFolderError):
    """Something in the data folder is missing, unreadable or of another release."""


class PostgresError(HouseError):
    """Something about the PostgreSQL server."""


class ServerNotStarted(PostgresError):
    """The embedded server did not come up, or could not be stopped."""


class DatabaseUnreachable(PostgresError):
    """No server answers at the address, or it does not let us in."""


class DatabaseRefused(PostgresError):
    """The server answers, and could lose acknowledged events or is too old."""


class MigrationError(HouseError):
    """Something about the numbered SQL files."""


class MigrationMisnamed(MigrationError):
    """A file is not called `NNNN_pre_name.sql` or `NNNN_post_name.sql`, or a number repeats."""


class MigrationChanged(MigrationError):
    """An applied file has another content now."""


class MigrationOutOfOrder(MigrationError):
    """The database knows a file the program has not, or a file came in below the last one."""


class MigrationFailed(MigrationError):
    """PostgreSQL refused a statement of a file."""
