"""Check an export of a ledger: `python verify.py DIR [--checkpoint FILE] [--public-key FILE]`.

One file that needs Python 3.11 alone, written apart from the program it checks. Says PASS (exit
code 0), FAIL and the first bad position (1), or that it was asked wrongly (2). DIR has
`entries.ndjson` (a line an event), `checkpoint` (a C2SP signed note: the log's name, size, RFC 6962
root), maybe `checkpoints` (earlier ones), `manifest.json` (counts, SHA-256 of those) and
`restored-from-N.note` (of old logs). Checked: each line's form; leaf = SHA-256(0x00 || header ||
SHA-256(body)); positions; each customer's versions and leaf before; times; every signed root; the
manifest. The export must hold the kept checkpoint. Without a public key no signature is checked.
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
BX, BY = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A, 4 * pow(5, -1, P) % P
BASE = (BX, BY, 1, BX * BY % P)
ASKED = {
    "DIR": "the folder that `rapport export-log` wrote",
    "--checkpoint": "a signed checkpoint that you kept, of this log or of an old one",
    "--public-key": "a file of lines name+id+base64, as the signer published it",
}
Keys = dict[tuple[str, bytes], bytes]
Told = tuple[str, int, bytes]  # a log's name (or a record's that says it, or none), size, root


class Bad(Exception):
    """The export is not what it should be: where (a position, a range, a file), and why."""


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032, section 5.1.7, by comparing encodings; not for secrets."""

    def add(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:  # section 5.1.4
        a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
        c, d = 2 * D * p[3] * q[3] % P, 2 * p[2] * q[2]
        e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
        return e * f % P, g * h % P, f * g % P, e * h % P

    s, y = int.from_bytes(signature[32:], "little"), int.from_bytes(public, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    if len(signature) != 64 or s >= ORDER or y >= P or x * x % P != square or (not x and sign):
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    x = P - x if x & 1 == sign else x
    found, key = (0, 1, 1, 0), (x, y, 1, x * y % P)
    for bit in reversed(range(253)):
        found = add(found, found)
        found = add(found, BASE) if s >> bit & 1 else found
        found = add(found, key) if k >> bit & 1 else found
    x, y = (each * pow(found[2], -1, P) % P for each in found[:2])
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def unbase64(text: str, least: int = 0) -> bytes:
    """Strict base64, in the one form that encodes to itself; ValueError for any other."""
    found = b64decode(text, validate=True)
    if len(found) < least or b64encode(found).decode() != text:
        raise ValueError("it is not written as base64")
    return found


def read_keys(text: str) -> Keys:
    """Lines `name+id+base64(0x01 || key)`: what is base64 there, by name and id."""
    keys: Keys = {}
    for line in [*filter(None, map(str.strip, text.splitlines()))] or [""]:
        name, told, encoded = [*line.split("+", 2), "", ""][:3]
        public = b64decode(encoded) if re.fullmatch(f"{B64}{{44}}", encoded) else b""
        if public[:1] != b"\x01" or sha256(name.encode() + b"\n" + public).hexdigest()[:8] != told:
            raise Bad("--public-key", "not every line is an Ed25519 key")
        keys[name, bytes.fromhex(told)] = public
    return keys


def open_note(note: bytes, form: re.Pattern[str], keys: Keys, where: str) -> list[str]:
    """The parts of the note's text; if there are keys, they signed it under every name in it."""
    try:
        [whole] = filter(None, [NOTE.fullmatch((note * (len(note) <= 1_000_000)).decode())])
        [found] = filter(None, [form.fullmatch(whole[1])])
        lines = re.findall(rf"— ({NAME}) ({ANY})\n", whole[2])
        signatures = [(name, unbase64(encoded, 5)) for name, encoded in lines]
    except ValueError:
        where = where.replace("kept checkpoint", "--checkpoint")  # no evidence, but mistyped
        raise Bad(where, "this is no signed note of its kind") from None
    names = found.groupdict().values()
    if form is RECORD:  # the same key, under both names
        both = [(name, key) for key in keys.values() for name in names]
        keys = {(name, sha256(name.encode() + b"\n" + key).digest()[:4]): key for name, key in both}
    known = [(name, raw) for name, raw in signatures if (name, raw[:4]) in keys]
    if not all(ed25519(keys[name, raw[:4]][1:], raw[4:], whole[1].encode()) for name, raw in known):
        raise Bad(where, "a signature does not belong to it")
    if keys and not {*names} <= {name for name, _ in known}:
        raise Bad(where, "none of the given keys signed it, or another log's key did")
    return [*found.groups("")]


def root_of(peaks: list[bytes]) -> bytes:
    """The RFC 6962 root over perfect subtrees, largest first."""
    *left, root = peaks or [sha256(b"").digest()]
    for peak in reversed(left):
        root = sha256(b"\x01" + peak + root).digest()
    return root


class Log:
    """What was read so far: the tree, the last event of each stream, the counts."""

    def __init__(self, claims: list[Told]) -> None:
        self.size = self.bodies = self.good = 0
        self.peaks: list[tuple[int, bytes]] = []
        self.streams: dict[bytes, tuple[int, bytes]] = {}
        self.wrong, self.recorded_at, self.digest = ("", 0, b""), -(1 << 63), sha256()
        self.told = {told[1]: [c for c in claims if c[1] == told[1]] for told in claims}

    def compare(self) -> None:
        """Compare what was told of this size; a record is false if what was signed later holds."""
        told = self.told.get(self.size, [])
        root = root_of([peak for _, peak in self.peaks]) if told else b""
        wrong = sorted(claim for claim in told if claim[2] != root)
        self.wrong = next((claim for claim in [self.wrong, *wrong] if claim[0]), self.wrong)
        if wrong and not wrong[0][0]:
            end = self.wrong[1] or self.size
            why = "the root is not the signed one: an entry was changed, removed or inserted"
            raise Bad(f"positions {self.good + 1} to {end}" if end else "checkpoint", why)
        if self.wrong[0] and ("", self.size, root) in told:
            raise Bad(self.wrong[0], f"its root of {self.wrong[1]} events is not the true one")
        self.good = self.size if told and not self.wrong[0] else self.good

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
            end = self.wrong[1] or max(self.told)
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
        at, length = FIXED.size, 0
        for times_before in (0, 0, 0, 0, 16):
            (length,) = struct.unpack_from(">H", header, at := at + times_before)
            header[at + 2 : at + 2 + length].decode()
            at += 2 + length
        times = struct.unpack_from(">qq", header, at - length - 18)
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


def read_record(where: str, told: list[str], own: int, kept: Told) -> tuple[list[Told], str]:
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


def read_chain(text: bytes, own: Told, keys: Keys, manifest: bytes) -> list[Told]:
    """The earlier checkpoints of this log, notes of five lines each, the shortest log first."""
    if len(text) > 1_000_000:
        raise Bad("checkpoints", "it has more than 1000000 bytes")
    parts = re.findall(rb"(?:.*\n){5}|(?s:.+)", text)  # what is left over is no note
    told = [open_note(part, CHECKPOINT, keys, "checkpoints") for part in parts]
    sizes = [*(int(size) if log == own[0] else own[1] for log, size, _ in told), own[1]]
    if sizes != sorted({*sizes}) or sha256(text).hexdigest().encode() not in manifest:
        raise Bad("checkpoints", "they are not this log's by size, as manifest.json names them")
    return [("", int(size), b64decode(root)) for _, size, root in told]


def verify(folder: Path, kept_path: Path | None = None, key_path: Path | None = None) -> str:
    """What was found good, in words. Raises Bad, or OSError where a file cannot be read."""
    keys = read_keys(key_path.read_bytes().decode(errors="replace")) if key_path else {}
    note, manifest = ((folder / name).read_bytes() for name in ("checkpoint", "manifest.json"))
    entries, earlier = folder / "entries.ndjson", folder / "checkpoints"
    held = {"kept checkpoint": kept_path.read_bytes()} if kept_path else {}
    both = [open_note(n, CHECKPOINT, keys, at) for at, n in {"checkpoint": note, **held}.items()]
    own, kept = ((log, int(size), b64decode(root)) for log, size, root in (both[0], both[-1]))
    where, claims, words, new, old = "", [("", *own[1:])], "", own[0], {own[0]: kept[1]}
    files = {"checkpoint": sha256(note).hexdigest()}
    if earlier.exists():
        files[earlier.name] = sha256(text := earlier.read_bytes()).hexdigest()
        claims += read_chain(text, own, keys, manifest)
        words = f"\ncheckpoints: {len(claims) - 1} earlier ones are of this log"
    for number, _ in enumerate(list(folder.glob("restored-from-*.note")), 1):
        where = f"restored-from-{number}.note"
        told = open_note((folder / where).read_bytes(), RECORD, keys, where)
        more, said = read_record(where, told, own[1], kept)
        claims, words, new = claims + more, words + said, told[0]
        old[told[1]] = max(more[0][1], old.get(told[1], 0))
    if new != own[0] or kept[0] not in old:
        where, other = (where, new) if new != own[0] else ("kept checkpoint", kept[0])
        raise Bad(where, f"it is of {other}, the export of {own[0]}")
    if not entries.exists():
        raise Bad("position 1", f"{entries.name} is not there")
    log = Log(claims + [("", *kept[1:])] * (kept[1] <= old[kept[0]]))
    try:
        log.read(entries, own[1])
    except Bad as bad:
        with entries.open("rb") as file:
            gone = (signed := max(log.told)) - sum(1 for _ in file)
        why = f"; {gone} of {signed} signed events are gone" if gone > 0 else ""
        raise Bad(bad.args[0], bad.args[1] + why) from None
    must = {"format": 1, "origin": own[0], "events": log.size, "bodies": log.bodies}
    must |= {"streams": len(log.streams), "sha256": files | {entries.name: log.digest.hexdigest()}}
    if manifest != (json.dumps(must, indent=2, ensure_ascii=False) + "\n").encode():
        raise Bad("manifest.json", "it does not belong to these files")
    signed = "signature checked" if keys else "signature not checked: no --public-key was given"
    return f"{log.size} events of {own[0]}, root {b64encode(own[2]).decode()}; {signed}{words}"


def main() -> int:
    """Say PASS or FAIL; the exit code."""
    parser = argparse.ArgumentParser(description="Check an export of a Rapport ledger.")
    for name, meant in ASKED.items():
        parser.add_argument(name, type=Path, help=meant)
    asked = dict(zip(ASKED, vars(parser.parse_args()).values(), strict=True))
    try:
        sys.stdout.write(f"PASS {verify(*asked.values())}\n")
    except (Bad, OSError) as fault:
        name, why = str(getattr(fault, "filename", fault.args[0])), fault.args[1]
        where = {str(path): option for option, path in asked.items()}.get(name, Path(name).name)
        if not [*asked["DIR"].glob("manifest.json"), *asked["DIR"].glob("checkpoint")]:
            where, why = "DIR", "no export is there"
        if where in asked:
            parser.error(f"{where} {asked[where]}: {why}. Give {ASKED[where]}.")
        sys.stdout.write(f"FAIL {where}: {why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
