"""`rapport up --demo`: real purchases, a labelled simulation, and what to do next, on the terminal.

The loads are the program's own commands in processes of their own, so the platform stays free to
answer while they run.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

import orjson
import typer

from events.times import format_time
from infra.plumbing.access import Access, create_key, create_login_token
from infra.plumbing.clock import system_clock
from rapport.client import Client, ClientError
from rapport.running.up import write_private

if TYPE_CHECKING:
    from rapport.running.house import House

SAMPLE_CUSTOMERS = 1500
SAMPLE_SEED = 7
EXAMPLE_CUSTOMER = "crm:online-retail-12748"
EXAMPLE_SOURCE = "contact-center"
EXAMPLE_AS_OF = "2011-12-09T23:59:59Z"
EXAMPLE_COMPLAINT_AT = "2011-12-07T10:00:00Z"
COMPLAINT_AGE = timedelta(days=4)
KEYS_FILE = "demo-keys.json"
FOLD_SECONDS = 600
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Demo:
    """The demonstration on one running platform."""

    house: House
    url: str

    def start(self) -> None:
        """Go on in the background while the platform serves."""
        typer.echo(f"Open {self._login()}")
        Thread(target=self._run, name="demo", daemon=True).start()

    def _run(self) -> None:
        sample = ["dev", "sample", "--customers", str(SAMPLE_CUSTOMERS), "--seed", str(SAMPLE_SEED)]
        if self._command("load", "online-retail") and self._command(*sample):
            self._wait_until_folded()
            typer.echo(self._closing_words())

    def _command(self, *words: str) -> bool:
        """Run one of the program's own commands to its end; False if it failed."""
        folder = ["--data-dir", str(self.house.settings.data_dir)]
        done = subprocess.run([sys.executable, "-m", "rapport", *words, *folder], check=False)
        if done.returncode:
            typer.echo(f"`rapport {' '.join(words)}` failed; run it again by hand.", err=True)
        return done.returncode == 0

    def _wait_until_folded(self) -> None:
        """Until the read models show everything recorded so far."""
        began, target = monotonic(), str(self.house.ledger.size())
        with Client(self.url, self._keys()["marketer"]) as client:
            while monotonic() - began < FOLD_SECONDS:
                try:
                    client.get("/v1/customers", {"limit": "1", "min_position": target})
                except ClientError:
                    sleep(LOOK_SECONDS)
                else:
                    return

    def _login(self) -> str:
        with self.house.vault_pool.connection() as connection:
            return f"{self.url}/login?token={create_login_token(connection, 'admin')}"

    def _keys(self) -> dict[str, str]:
        """The demonstration's two keys, kept in the data folder, readable by its owner."""
        path = self.house.settings.data_dir / "secrets" / KEYS_FILE
        access = Access(self.house.vault_pool)
        known: dict[str, str] = orjson.loads(path.read_bytes()) if path.exists() else {}
        if known and all(access.verify(key) for key in known.values()):
            return known
        with self.house.vault_pool.connection() as connection:
            keys = {
                "emitter": create_key(connection, "emitter", EXAMPLE_SOURCE).key,
                "marketer": create_key(connection, "marketer").key,
            }
        write_private(path, orjson.dumps(keys))
        return keys

    def _closing_words(self) -> str:
        keys, now = self._keys(), system_clock()
        return CLOSING.format(
            url=self.url,
            login=self._login(),
            emitter=keys["emitter"],
            marketer=keys["marketer"],
            customer=EXAMPLE_CUSTOMER,
            source=EXAMPLE_SOURCE,
            event=f"call-{now:%Y%m%d-%H%M%S}",
            as_of=EXAMPLE_AS_OF,
            time=EXAMPLE_COMPLAINT_AT,
            waited=format_time((now - COMPLAINT_AGE).replace(microsecond=0)),
        )


CLOSING = """
The page:        {login}
Emitter key:     {emitter}
                 (writes events of source {source}, reads nothing)
Marketer key:    {marketer}
                 (reads)

Three calls to try in another terminal. The bundled purchases end on 9 December 2011, so the
reading is as of that evening.

1. A customer's health. Repeat it after the next call:

curl -s '{url}/v1/customers/{customer}/health?as_of={as_of}' \\
  -H 'Authorization: Bearer {marketer}'

2. Store a complaint of two days before:

curl -s {url}/v1/events \\
  -H 'Authorization: Bearer {emitter}' \\
  -H 'Content-Type: application/cloudevents+json' \\
  -d '{{"specversion":"1.0","id":"{event}","source":"{source}","type":"complaint.opened",
       "time":"{time}","subject":"{customer}",
       "data":{{"complaint_id":"{event}","about":"delivery","severity":"high",
               "channel":"phone","text":"The parcel never came."}}}}'

3. Why the score is what it is:

curl -s '{url}/v1/customers/{customer}/health/explain?as_of={as_of}' \\
  -H 'Authorization: Bearer {marketer}'

To see an alert arrive in this window, store a complaint that has waited four days until now:

curl -s {url}/v1/events \\
  -H 'Authorization: Bearer {emitter}' \\
  -H 'Content-Type: application/cloudevents+json' \\
  -d '{{"specversion":"1.0","id":"{event}-now","source":"{source}","type":"complaint.opened",
       "time":"{waited}","subject":"{customer}",
       "data":{{"complaint_id":"{event}-now","about":"delivery","severity":"high",
               "channel":"phone","text":"Still nothing came."}}}}'

Ctrl-C stops everything.
"""
