"""Check an export of a ledger: `python verify.py DIR [--checkpoint FILE] [--public-key FILE]`.

One file that needs Python 3.11 and nothing else, and was written apart from the program it checks.
Says PASS (exit code 0), or FAIL and the first bad position (1). DIR holds `entries.ndjson` (a line
an event), `checkpoint` (a C2SP signed note: the log's name, size, RFC 6962 root), `manifest.json`
(counts, SHA-256 of both), `restored-from-N.note` (of old logs). Checked are each line's form; leaf
= SHA-256(0x00 || header || SHA-256(body)); positions; each customer's versions and leaf before;
times; every signed root; the manifest. `--checkpoint` is one that you kept, of this log or an old
one: the export must hold it. `--public-key`: lines `name+id+base64`; else no signature is checked.
"""
# ruff: noqa: PLR2004 - the sizes of the formats stand where they are read

import argparse
import json
import re
import struct
import sys
from base64 import b64decode, b64encode
from hashlib import sha256, sha512
from pathlib import Path
from uuid import UUID

ANY, NAME, B64 = r"[^\x00-\x1f]+", r"[^\s+\x00-\x1f]+", "[A-Za-z0-9+/]"
SIZE, ROOT = "(0|[1-9][0-9]{0,18})", f"({B64}{{42}}[AEIMQUYcgkosw048]=)"
NOTE = re.compile(rf"((?:{ANY}\n)+)\n((?:— {NAME} {ANY}\n){{1,100}})")  # text, signatures
CHECKPOINT = re.compile(rf"(?P<log>.+)\n{SIZE}\n{ROOT}\n(?:.+\n)*")
RECORD = re.compile(
    rf"(?P<log>.+)\nrestored-from 2\nold (?P<old>.+)\nsigned {SIZE} {ROOT}\n"
    rf"(?:edge ((?:{B64}{{4}})*(?:{B64}{{2}}(?:=|{B64})=)?)\n)?"
    rf"agrees {SIZE} {ROOT}\nbegins {SIZE} {ROOT}\nat .+\nreason .+\n"
)
FIXED = struct.Struct(">B16sQ32s")
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE = (0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A, 4 * pow(5, -1, P) % P)
Keys = dict[tuple[str, bytes], bytes]
Claims = list[tuple[str, int, bytes]]  # who says it (a record, or else empty), size, root
Checkpoint = tuple[str, int, bytes]  # the log of this name had so many entries under this root


class Bad(Exception):
    """The export is not what it should be: where (a position, a range, a file), and why."""

    def __str__(self) -> str:
        return ": ".join(self.args)


def add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
    """Add points of edwards25519 (RFC 8032, section 5.1)."""
    t = D * p[0] * p[1] * q[0] * q[1] % P
    x, y = (p[0] * q[1] + p[1] * q[0]) * pow(1 + t, -1, P), p[1] * q[1] + p[0] * q[0]
    return x % P, y * pow(1 - t, -1, P) % P


def multiply(scalar: int, point: tuple[int, int]) -> tuple[int, int]:
    """`scalar` times `point`."""
    if not scalar:
        return 0, 1
    found = multiply(scalar >> 1, add(point, point))
    return add(found, point) if scalar & 1 else found


def pure_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032, section 5.1.7, by comparing encodings; for one signature, not for secrets."""
    s, y = int.from_bytes(signature[32:], "little"), int.from_bytes(public, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if len(signature) != 64 or s >= ORDER or y >= P or x * x % P != square or (not x and sign):
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    x, y = add(multiply(s, BASE), multiply(k, (P - x if x & 1 == sign else x, y)))
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature holds; by the package `cryptography` where there is one."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519 as quick  # noqa: PLC0415 - not there
    except ImportError:
        return pure_ed25519(public, signature, message)
    try:
        quick.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except Exception:  # noqa: BLE001 - a wrong signature, or no key
        return False
    return True


def unbase64(text: str) -> bytes:
    """Strict base64, in the one form that encodes to itself; ValueError for any other."""
    found = b64decode(text, validate=True)
    if b64encode(found).decode() != text:
        raise ValueError("it is not written as base64")
    return found


def key_id(name: str, public: bytes) -> bytes:
    """What stands before a signature."""
    return sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def read_keys(text: str) -> Keys:
    """Lines `name+id+base64(0x01 || key)`, by name and id."""
    keys: Keys = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, told, encoded = [*line.split("+", 2), "", ""][:3]
        public = b64decode(encoded) if re.fullmatch(f"{B64}{{44}}", encoded) else b""
        if public[:1] != b"\x01" or key_id(name, public[1:]).hex() != told:
            raise Bad("public key", "it is not name+id+base64 of an Ed25519 key")
        keys[name, key_id(name, public[1:])] = public[1:]
    if not keys:
        raise Bad("public key", "there is none in the file")
    return keys


def open_note(note: bytes, form: re.Pattern[str], keys: Keys, where: str) -> list[str]:
    """The parts of the note's text; if there are keys, they signed it under every name in it."""
    try:
        whole = NOTE.fullmatch(note.decode()) if len(note) <= 1_000_000 else None
        found = form.fullmatch(whole[1]) if whole else None
        lines = [line.split(" ") for line in whole[2].splitlines()] if whole else []
        signatures = [(name, unbase64(encoded)) for _, name, encoded in lines]
    except ValueError:
        whole, found, signatures = None, None, []
    if not whole or not found or any(len(raw) < 5 for _, raw in signatures):
        raise Bad(where, "it is no signed note of its kind")
    names = found.groupdict().values()
    if form is RECORD:  # the same key, under both names
        keys = {(name, key_id(name, key)): key for key in keys.values() for name in names}
    known = [(name, raw) for name, raw in signatures if (name, raw[:4]) in keys]
    if not all(ed25519(keys[name, raw[:4]], raw[4:], whole[1].encode()) for name, raw in known):
        raise Bad(where, "a signature does not belong to it")
    if keys and not {*names} <= {name for name, _ in known}:
        raise Bad(where, "none of the given keys signed it, or another log's key did")
    return [*found.groups("")]


def root_of(peaks: list[bytes]) -> bytes:
    """The RFC 6962 root over perfect subtrees, largest first."""
    root = peaks[-1] if peaks else sha256(b"").digest()
    for peak in reversed(peaks[:-1]):
        root = sha256(b"\x01" + peak + root).digest()
    return root


class Log:
    """What was read so far: the tree, the last event of each stream, the counts."""

    def __init__(self, claims: Claims) -> None:
        self.size = self.bodies = self.good = 0
        self.peaks: list[tuple[int, bytes]] = []
        self.streams: dict[bytes, tuple[int, bytes]] = {}
        self.recorded_at, self.digest = -(1 << 63), sha256()
        self.told = {told[1]: [c for c in claims if c[1] == told[1]] for told in claims}
        self.wrong: tuple[str, int, bytes] | None = None

    def compare(self) -> None:
        """Compare what was told of this size; a record is false if what was signed later holds."""
        told = self.told.get(self.size, [])
        root = root_of([peak for _, peak in self.peaks]) if told else b""
        wrong = sorted(claim for claim in told if claim[2] != root)
        self.wrong = self.wrong or next((claim for claim in wrong if claim[0]), None)
        if wrong and not wrong[0][0]:
            end = (self.wrong[1] if self.wrong else 0) or self.size
            why = "the root is not the signed one: an entry was changed, removed or inserted"
            raise Bad(f"positions {self.good + 1} to {end}" if end else "checkpoint", why)
        if self.wrong and ("", self.size, root) in told:
            raise Bad(self.wrong[0], f"its root of {self.wrong[1]} events is not the true one")
        self.good = self.size if told and not self.wrong else self.good

    def read(self, path: Path, most: int) -> None:
        """Check every line."""
        self.compare()
        with path.open("rb") as file:
            for line in iter(lambda: file.readline(64 << 20), b""):
                self.digest.update(line)
                if self.size == most:
                    raise Bad(f"position {most + 1}", "it stands beyond the checkpoint")
                try:
                    self.add(line)
                except (ValueError, TypeError, struct.error, RecursionError) as error:
                    raise Bad(f"position {self.size + 1}", str(error)) from None
                self.compare()
        if self.size < max(self.told):
            end = (self.wrong[1] if self.wrong else 0) or max(self.told)
            raise Bad(f"positions {self.good + 1} to {end}", "they are not all there")

    def add(self, line: bytes) -> None:
        """Check one line and take it in; ValueError with the reason if it is bad."""
        entry = json.loads(line.decode())
        names = ["position", "header", "body" if "body" in entry else "body_digest", "leaf"]
        if list(entry) != names or json.dumps(entry, separators=(",", ":")) + "\n" != line.decode():
            raise ValueError("the line is not written as an entry")
        if type(entry["position"]) is not int or entry["position"] != self.size + 1:
            raise ValueError("another position stands there")
        header, content, leaf = (unbase64(entry[name]) for name in names[1:])
        digest = sha256(content).digest() if "body" in entry else content
        if len(digest) != 32 or sha256(b"\x00" + header + digest).digest() != leaf:
            raise ValueError("the leaf does not belong to header and body")
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
        before = self.streams.get(stream, (min(version, 1) - 1, bytes(32)))
        if version > before[0] + 1:
            span = f"{before[0] + 1} to {version - 1} of customer {UUID(bytes=stream)}"
            raise ValueError(f"before it versions {span} are missing")
        if (version - 1, previous) != before or times[1] < self.recorded_at:
            raise ValueError("it does not follow the events before in the log or of its customer")
        self.streams[stream], self.recorded_at = (version, leaf), times[1]
        self.size, self.bodies, level = self.size + 1, self.bodies + ("body" in entry), 0
        while self.peaks and self.peaks[-1][0] == level:
            leaf = sha256(b"\x01" + self.peaks.pop()[1] + leaf).digest()
            level += 1
        self.peaks.append((level, leaf))


def read_record(where: str, told: list[str], own: int, kept: Checkpoint) -> tuple[Claims, str]:
    """The roots that the entries have if a record is true (`agrees` first), and it in words."""
    signed, agrees, begins = ((told[1], int(told[i]), b64decode(told[i + 1])) for i in (2, 5, 7))
    (old, size, root), common, edge = signed, agrees[1], b64decode(told[4])
    peaks = [edge[at : at + 32] for at in range(0, len(edge), 32)]
    if told[4] and (len(edge) != 32 * size.bit_count() or root_of(peaks) != root):
        raise Bad(where, "its edge does not hash to the signed root")
    if max(common, begins[1]) > own:
        raise Bad(where, "it tells of more events than the checkpoint")
    cuts = [size >> at << at for at in range(size.bit_length()) if edge and size >> at & 1]
    parts = [(old, cut, root_of(peaks[: cut.bit_count()])) for cut in cuts] or [signed]
    if kept[0] == old and (kept[1] > size or any(p[1] == kept[1] and p != kept for p in parts)):
        raise Bad(where, "the kept checkpoint of the old log says otherwise")
    parts = [agrees, begins, *(part for part in parts if part[1] <= common)]
    gone = f"positions {common + 1} to {size}" if size > common else "no positions"
    return [(where, *part[1:]) for part in parts], (
        f"\n{where}: {old} ended with {size} signed events; this log agrees with {common} of them, "
        f"begins with {begins[1]}; {gone} of the old log are not in this log"
    )


def verify(folder: Path, kept_path: Path | None = None, key_path: Path | None = None) -> str:
    """What was found good, in words. Raises Bad, or OSError where a file cannot be read."""
    keys: Keys = read_keys(key_path.read_text("utf-8")) if key_path else {}
    note, entries = (folder / "checkpoint").read_bytes(), folder / "entries.ndjson"
    held = {"kept checkpoint": kept_path.read_bytes()} if kept_path else {}
    both = [open_note(n, CHECKPOINT, keys, at) for at, n in {"checkpoint": note, **held}.items()]
    own, kept = ((log, int(size), b64decode(root)) for log, size, root in (both[0], both[-1]))
    where, claims, words, new, old = "", [("", *own[1:])], "", own[0], {own[0]: kept[1]}
    for number, _ in enumerate(list(folder.glob("restored-from-*.note")), 1):
        where = f"restored-from-{number}.note"
        told = open_note((folder / where).read_bytes(), RECORD, keys, where)
        more, said = read_record(where, told, own[1], kept)
        claims, words, new = claims + more, words + said, told[0]
        old[told[1]] = max(more[0][1], old.get(told[1], 0))
    if new != own[0] or kept[0] not in old:
        where, other = (where, new) if new != own[0] else ("kept checkpoint", kept[0])
        raise Bad(where, f"it is of {other}, the export of {own[0]}")
    log = Log(claims + [("", *kept[1:])] * (kept[1] <= old[kept[0]]))
    manifest = (folder / "manifest.json").read_bytes()
    try:
        log.read(entries, own[1])
    except Bad as bad:
        with entries.open("rb") as file:
            gone = (signed := max(log.told)) - sum(1 for _ in file)
        why = f"; {gone} of {signed} signed events are gone" if gone > 0 else ""
        raise Bad(bad.args[0], bad.args[1] + why) from None
    files = {"checkpoint": sha256(note).hexdigest(), entries.name: log.digest.hexdigest()}
    must = {"format": 1, "origin": own[0], "events": log.size, "bodies": log.bodies}
    must |= {"streams": len(log.streams), "sha256": files}
    if manifest != (json.dumps(must, indent=2, ensure_ascii=False) + "\n").encode():
        raise Bad("manifest.json", "it does not belong to these files")
    signed = "signature checked" if keys else "signature not checked: no --public-key was given"
    return f"{log.size} events of {own[0]}, root {b64encode(own[2]).decode()}; {signed}{words}"


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
