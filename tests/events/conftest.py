"""How the laws of this room are tried: by what they find, never by how long the machine took.

On a fresh clone hypothesis first builds its tables of characters, and tests share two cores with
others; a time limit or a health check on speed would fail there and prove nothing.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("language", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("language")
