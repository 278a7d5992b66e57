"""A file with a key is its owner's alone: others who could change it are refused, readers told of.

Only told of, because containers are often given secrets as files that their group may read.
"""

from __future__ import annotations

import sys
from functools import cache
from stat import S_IMODE
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from pathlib import Path

OTHERS_WRITE: Final = 0o022
OTHERS_READ: Final = 0o044
_LOG = structlog.get_logger(__name__)


def refuse_open_file(path: Path, refusal: type[Exception]) -> None:
    """Raise `refusal` if others than its owner may write to `path`; warn, once, if they may read.

    A file that is not there is somebody else's business.
    """
    try:
        mode = S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & OTHERS_WRITE:
        raise refusal(
            f"The key in {path} can be changed by others than its owner (mode {mode:04o}). See "
            f"that it is still yours, then type: chmod 600 {path}"
        )
    if mode & OTHERS_READ:
        _warn(path, mode)


@cache
def _warn(path: Path, mode: int) -> None:
    sys.stderr.write(
        f"rapport: The key in {path} can be read by others than its owner (mode {mode:04o}). "
        f"Type: chmod 600 {path}\n"
    )
    _LOG.warning("key_file_open_to_others", kind=path.name)
