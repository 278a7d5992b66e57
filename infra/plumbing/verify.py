"""Check an export of a ledger: `python verify.py DIR [--checkpoint FILE] [--public-key FILE]`.

One file that needs Python 3.11 and nothing else: no package, no server, no network. It was written
apart from the program it checks. Says PASS (exit code 0), or FAIL and the first bad position (1).

DIR holds `entries.ndjson` (a line an event, in order), `checkpoint` (a C2SP signed note: the log's
name, size, RFC 6962 root) and `manifest.json` (counts, SHA-256 of both). Checked are each line's
form; leaf = SHA-256(0x00 || header || SHA-256(body)); positions 1, 2, 3 ...; each customer's
versions, without a hole and each naming the leaf before; times of recording, which never go back;
the root over all leaves; the manifest. `--checkpoint` is one that you kept: the export must hold
that log unchanged and may have grown. `--public-key` has lines `name+id+base64`; without it no
signature is checked, and whoever can write an export can write its checkpoint.
"""
# ruff: noqa: PLR2004 - the sizes of the formats stand where they are read

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
from pathlib import Path
from typing import NamedTuple

ANY, NAME = r"[^\x00-\x1f]+", r"[^\s+\x00-\x1f]+"
NOTE = re.compile(  # origin, size, root, further lines; signatures
    rf"({ANY})\n(0|[1-9][0-9]{{0,18}})\n({ANY})\n(?:{ANY}\n)*(\n)((?:— {NAME} {ANY}\n){{1,100}})"
)
FIXED = struct.Struct(">B16sQ32s")
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
BASE = (4 * pow(5, -1, P) % P).to_bytes(32, "little")
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]
Keys = dict[tuple[str, bytes], bytes]


class Bad(Exception):
    """The export is not what it should be: where (a position, a range, a file), and why."""

    def __str__(self) -> str:
        return ": ".join(self.args)


class Checkpoint(NamedTuple):
    """The log `origin` had `size` entries under `root`."""

    origin: str
    size: int
    root: bytes


def point_add(p: Point, q: Point) -> Point:
    """RFC 8032, section 5.1.4."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_multiply(scalar: int, point: Point) -> Point:
    """`scalar` times `point`."""
    found: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = point_add(found, point)
        point, scalar = point_add(point, point), scalar >> 1
    return found


def point_decompress(encoded: bytes) -> Point | None:
    """RFC 8032, section 5.1.3; None for what is no point."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (not x and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def pure_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032, section 5.1.7, by comparing encodings; for one signature, not for secrets."""
    base, key = point_decompress(BASE), point_decompress(public)
    s = int.from_bytes(signature[32:], "little")
    if base is None or key is None or len(signature) != 64 or s >= ORDER:
        return False
    k = hashlib.sha512(signature[:32] + public + message).digest()
    minus_key = (P - key[0], key[1], 1, P - key[3])
    scaled = point_multiply(int.from_bytes(k, "little") % ORDER, minus_key)
    x, y, z, _ = point_add(point_multiply(s, base), scaled)
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature holds; by the package `cryptography` where there is one."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - may not be there
        from cryptography.hazmat.primitives.asymmetric import ed25519 as quick  # noqa: PLC0415 - same
    except ImportError:
        return pure_ed25519(public, signature, message)
    try:
        quick.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def unbase64(text: str) -> bytes:
    """Strict base64, in the one form that encodes to itself; ValueError for any other."""
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError("it is not written as base64")
    return found


def read_keys(text: str) -> Keys:
    """Lines `name+id+base64(0x01 || key)`, by name and id."""
    keys: Keys = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, key_id, encoded = [*line.split("+", 2), "", ""][:3]
        try:
            public = unbase64(encoded)
        except ValueError:
            public = b""
        found = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        if len(public) != 33 or public[0] != 1 or found.hex() != key_id:
            raise Bad("public key", "it is not name+id+base64 of an Ed25519 key")
        keys[name, found] = public[1:]
    if not keys:
        raise Bad("public key", "there is none in the file")
    return keys


def read_checkpoint(note: bytes, keys: Keys, where: str) -> Checkpoint:
    """What the note says, signed by one of `keys` that bears the log's name if any are given."""
    try:
        whole = NOTE.fullmatch(note.decode())
        if whole is None or len(note) > 1_000_000:
            raise Bad(where, "it is no signed checkpoint")
        checkpoint = Checkpoint(whole[1], int(whole[2]), unbase64(whole[3]))
        lines = [line.split(" ") for line in whole[5].splitlines()]
        signatures = [(name, unbase64(encoded)) for _, name, encoded in lines]
        if len(checkpoint.root) != 32 or any(len(raw) < 5 for _, raw in signatures):
            raise Bad(where, "it is no signed checkpoint")
    except ValueError:
        raise Bad(where, "it is no signed checkpoint") from None
    text = whole[0][: whole.start(4)].encode()
    known = [(name, raw) for name, raw in signatures if (name, raw[:4]) in keys]
    if not all(ed25519(keys[name, raw[:4]], raw[4:], text) for name, raw in known):
        raise Bad(where, "a signature does not belong to it")
    if keys and checkpoint.origin not in {name for name, _ in known}:
        raise Bad(where, "none of the given keys signed it, or another log's key did")
    return checkpoint


class Log:
    """What was read so far: the tree, the last event of each stream, the counts."""

    def __init__(self) -> None:
        self.size = self.bodies = 0
        self.peaks: list[tuple[int, bytes]] = []
        self.streams: dict[bytes, tuple[int, bytes]] = {}
        self.recorded_at = -(1 << 63)

    def root(self) -> bytes:
        """The RFC 6962 root over all leaves."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            root = hashlib.sha256(b"\x01" + peak + root).digest()
        return root

    def add(self, line: bytes) -> None:
        """Check one line and take it in; ValueError with the reason if it is bad."""
        entry = json.loads(line.decode())
        names = ["position", "header", "body" if "body" in entry else "body_digest", "leaf"]
        if list(entry) != names or json.dumps(entry, separators=(",", ":")) + "\n" != line.decode():
            raise ValueError("the line is not written as an entry")
        if type(entry["position"]) is not int or entry["position"] != self.size + 1:
            raise ValueError("another position stands there")
        header, content, leaf = (unbase64(entry[name]) for name in names[1:])
        digest = hashlib.sha256(content).digest() if "body" in entry else content
        if len(digest) != 32 or hashlib.sha256(b"\x00" + header + digest).digest() != leaf:
            raise ValueError("the leaf does not belong to header and body")
        self.follow(header, leaf)
        self.size, self.bodies = self.size + 1, self.bodies + ("body" in entry)
        level = 0
        while self.peaks and self.peaks[-1][0] == level:
            leaf = hashlib.sha256(b"\x01" + self.peaks.pop()[1] + leaf).digest()
            level += 1
        self.peaks.append((level, leaf))

    def follow(self, header: bytes, leaf: bytes) -> None:
        """See that the event follows the one before in its stream and in the log."""
        kind, stream, version, previous = FIXED.unpack_from(header)
        at, times = FIXED.size, (0, 0)
        for field in range(5):
            if field == 4:
                times = struct.unpack_from(">qq", header, at)
                at += 16
            (length,) = struct.unpack_from(">H", header, at)
            header[at + 2 : at + 2 + length].decode()
            at += 2 + length
        if kind != 1 or at != len(header) or not all(EARLIEST <= t <= LATEST for t in times):
            raise ValueError("the header is not of format 1")
        last = self.streams.get(stream)
        if (last is None and (version > 1 or any(previous))) or (
            last is not None and (version - 1, previous) != last
        ):
            raise ValueError("it does not follow the event before of the same customer")
        if times[1] < self.recorded_at:
            raise ValueError("it was recorded before the event before")
        self.streams[stream], self.recorded_at = (version, leaf), times[1]


def check_roots(log: Log, signed: list[Checkpoint], good: int) -> int:
    """Compare what was signed at this size; up to where the log is known to be good."""
    due = [checkpoint for checkpoint in signed if checkpoint.size == log.size]
    if any(checkpoint.root != log.root() for checkpoint in due):
        why = "the root is not the signed one: an entry was changed, removed or inserted"
        raise Bad(f"positions {good + 1} to {log.size}" if log.size else "checkpoint", why)
    return log.size if due else good


def read_entries(path: Path, own: Checkpoint, kept: Checkpoint) -> tuple[Log, bytes]:
    """Check every line against both checkpoints; what was read, and the file's SHA-256."""
    log, digest, good = Log(), hashlib.sha256(), 0
    with path.open("rb") as file:
        while True:
            good = check_roots(log, [own, kept], good)
            line = file.readline(64 << 20)
            if not line:
                break
            digest.update(line)
            where = f"position {log.size + 1}"
            if log.size == own.size:
                raise Bad(where, "it stands beyond the checkpoint")
            try:
                log.add(line)
            except (ValueError, TypeError, struct.error, RecursionError) as error:
                raise Bad(where, str(error)) from None
    if log.size < (size := max(own.size, kept.size)):
        raise Bad(f"position {log.size + 1}", f"it is missing: {size} events were signed")
    return log, digest.digest()


def manifest_of(own: Checkpoint, note: bytes, log: Log, digest: bytes) -> bytes:
    """The manifest as it must be."""
    files = {"checkpoint": hashlib.sha256(note).hexdigest(), "entries.ndjson": digest.hex()}
    counts = {"events": log.size, "bodies": log.bodies, "streams": len(log.streams)}
    manifest = {"format": 1, "origin": own.origin, **counts, "sha256": files}
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def verify(folder: Path, kept_path: Path | None = None, key_path: Path | None = None) -> str:
    """What was found good, in words. Raises Bad, or OSError where a file cannot be read."""
    keys: Keys = read_keys(key_path.read_text("utf-8")) if key_path else {}
    note = (folder / "checkpoint").read_bytes()
    own = read_checkpoint(note, keys, "checkpoint")
    kept = read_checkpoint(kept_path.read_bytes(), keys, "kept checkpoint") if kept_path else own
    if kept.origin != own.origin:
        raise Bad("kept checkpoint", f"it is of {kept.origin}, the export of {own.origin}")
    manifest = (folder / "manifest.json").read_bytes()
    log, digest = read_entries(folder / "entries.ndjson", own, kept)
    if manifest != manifest_of(own, note, log, digest):
        raise Bad("manifest.json", "it does not belong to these files")
    signed = "signature checked" if keys else "signature not checked: no --public-key was given"
    return (
        f"{log.size} events of {own.origin}, root {base64.b64encode(own.root).decode()}; {signed}"
    )


def main() -> int:
    """Say PASS or FAIL; the exit code."""
    parser = argparse.ArgumentParser(description="Check an export of a Rapport ledger.")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that you kept yourself")
    parser.add_argument("--public-key", type=Path, help="a file of lines name+id+base64")
    given = parser.parse_args()
    try:
        sys.stdout.write(f"PASS {verify(given.folder, given.checkpoint, given.public_key)}\n")
    except (Bad, OSError, UnicodeDecodeError) as fault:
        sys.stdout.write(f"FAIL {fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
