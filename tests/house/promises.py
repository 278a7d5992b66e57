"""The promises in the words in which they may be given, and whether a named test exists."""

from __future__ import annotations

import ast

from tests.house.source import ROOT

WORDS = {
    "P1": "An acknowledged event is durable, and the answer is a receipt (position, leaf)",
    "P2": "Each event is stored once, whatever the retries or redelivery",
    "P3": "Order per customer is kept; versions are 1..n",
    "P4": "No reader skips a committed event",
    "P5": "Every read model equals a fresh fold at its own position, after any crash",
    "P6": "A rebuild keeps reads up and sends nothing",
    "P7": "Each alert is delivered at least once, always with the same id",
    "P8": "A poison event stops no other customer",
    "P9": (
        "Any change, removal or insertion under a checkpoint that an outsider holds is found "
        "offline"
    ),
    "P10": "A customer's replay is provably complete",
    "P11": "Erasure is provable, the log still verifies, the person does not come back",
    "P12": "A role reaches only what it may",
    "P13": "Forged, replayed and inward-pointing calls are refused",
    "P14": (
        "Recovery needs no human: caught up within 30 s after the fault ends; bounded connections "
        "and memory"
    ),
    "P15": "Data, exports and checkpoints of every released version keep working",
}


def is_a_test(name: str) -> bool:
    """Whether `path::test` names a test function that pytest would collect."""
    path, _, function = name.partition("::")
    file = ROOT / path
    if not file.is_file() or not file.name.startswith("test_"):
        return False
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
        for node in ast.walk(tree)
    )
