"""The root of what the program itself can fail at, in words for whoever typed the command.

ProgramError
├── ClientError      the running platform: not there, refuses, stays busy (rapport/client.py)
├── NoPlatform       nothing in the folder that was named
├── NotDoneYet       what was asked for goes on without us
├── FileRefused      a file that cannot be loaded (rapport/event_files.py)
├── SampleDamaged    the bundled purchases cannot be read (rapport/samples/online_retail.py)
└── SampleTooLarge   more simulated customers than there are (rapport/simulate.py)
"""

from __future__ import annotations


class ProgramError(Exception):
    """The command did not succeed; `str(error)` is one sentence with the cure in it."""


class NoPlatform(ProgramError):
    """The data folder named is not there."""


class NotDoneYet(ProgramError):
    """What was asked for takes longer than anybody waits; it goes on by itself."""
