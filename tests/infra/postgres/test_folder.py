"""The lock of a data folder: one at a time, brief ones are waited for, the dead let go."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.errors import DataFolderInUse, DataFolderUnwritable
from infra.plumbing.postgres import folder
from infra.plumbing.postgres.folder import LOCK_NAME, FolderLock, Holder, holder, prepare

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_holds_a_folder_that_was_never_or_is_no_longer_claimed(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    lock = FolderLock(tmp_path)
    lock.claim("rapport up", serving=True)
    assert holder(tmp_path) == Holder(os.getpid(), "rapport up", serving=True)
    lock.release()
    assert holder(tmp_path) is None


def test_a_serving_holder_is_not_waited_for(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    first.claim("rapport up", serving=True)
    began = time.monotonic()
    with pytest.raises(DataFolderInUse, match=rf"process {os.getpid()} \(rapport up\)"):
        FolderLock(tmp_path).claim("another", serving=True)
    assert time.monotonic() - began < folder.BRIEF_WAIT_SECONDS / 3
    first.release()


def test_a_brief_holder_is_waited_for(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.claim("rapport keys create", serving=False)
    waiting = threading.Thread(target=second.claim, args=["up"], kwargs={"serving": True})
    waiting.start()
    assert holder(tmp_path) == Holder(os.getpid(), "rapport keys create", serving=False)
    first.release()
    waiting.join(10)
    assert holder(tmp_path) == Holder(os.getpid(), "up", serving=True)
    second.release()


def test_a_brief_holder_that_stays_is_named_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "BRIEF_WAIT_SECONDS", 0.1)
    first = FolderLock(tmp_path)
    first.claim("rapport keys create", serving=False)
    with pytest.raises(DataFolderInUse, match="rapport keys create"):
        FolderLock(tmp_path).claim("rapport up", serving=True)
    first.release()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff\xfe"])
def test_a_lock_file_that_says_nothing_useful_still_guards(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "BRIEF_WAIT_SECONDS", 0.1)
    first = FolderLock(tmp_path)
    first.claim("rapport up", serving=True)
    (tmp_path / LOCK_NAME).write_bytes(content)
    with pytest.raises(DataFolderInUse, match="already in use"):
        FolderLock(tmp_path).claim("another", serving=True)
    first.release()


def test_what_a_longer_earlier_holder_wrote_does_not_shine_through(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.claim("a very long description of a program" * 5, serving=True)
    lock.release()
    lock.claim("short", serving=True)
    assert holder(tmp_path) == Holder(os.getpid(), "short", serving=True)
    lock.release()


def test_preparing_makes_a_private_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    prepare(wanted)
    prepare(wanted)
    assert wanted.stat().st_mode & 0o777 == 0o700
    assert list(wanted.iterdir()) == []


def test_a_folder_below_a_file_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderUnwritable, match=r"Not a directory\. .*RAPPORT_DATA_DIR"):
        prepare(tmp_path / "file" / "data")
    with pytest.raises(DataFolderUnwritable):
        prepare(tmp_path / "file")
