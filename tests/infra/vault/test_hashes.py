"""Our HMAC is everybody's HMAC."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plumbing.vault.hashes import Mac


@given(key=st.binary(max_size=64), messages=st.lists(st.binary(max_size=300), min_size=1))
def test_it_is_hmac_sha_256_for_one_message_after_the_other(
    key: bytes, messages: list[bytes]
) -> None:
    mac = Mac(key)
    assert [mac.of(each) for each in messages] == [
        hmac.digest(key, each, "sha256") for each in messages
    ]


def test_a_key_longer_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        Mac(bytes(65))
