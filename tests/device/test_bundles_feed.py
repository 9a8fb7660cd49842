"""The feed of updates: what is believed, and everything that is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bundle_packages import NEWER, OLDER, own_key
from support.update_feed import UpdateServer, update_server

from seealoud.device.bundles.feed import Announcement, read_feed, write_feed
from seealoud.device.errors import BundleError

GOOD = Announcement(bundle="homes-0123456789ab", created_at=NEWER, address="homes.zip")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UpdateServer]:
    with update_server(tmp_path / "www") as server:
        yield server


def test_a_feed_announces_a_bundle_and_its_address_is_complete(
    server: UpdateServer, tmp_path: Path
) -> None:
    key = own_key(tmp_path)
    name = server.announce("new", NEWER, key)
    found = read_feed(server.feed, [tmp_path / "mine-keys"])
    assert (found.bundle, found.created_at, found.summary) == (name, NEWER, "About new.")
    assert found.address == server.feed.replace("feed.json", "new.zip")
    # A later version may say more.
    text = found.model_copy(update={"address": "/x.zip"}).model_dump_json()
    later = Announcement.model_validate({**json.loads(text), "more": 1})
    server.put(later, key)
    assert read_feed(server.feed, [tmp_path / "mine-keys"]).address.endswith("/x.zip")


def test_a_feed_that_no_trusted_key_has_signed_is_refused(
    server: UpdateServer, tmp_path: Path
) -> None:
    own, stranger = own_key(tmp_path), own_key(tmp_path, "stranger")
    keys = [tmp_path / "mine-keys"]
    file = server.folder / "feed.json"

    def refusal() -> str:
        with pytest.raises(BundleError) as refused:
            read_feed(server.feed, keys)
        return str(refused.value)

    assert "404" in refusal()
    server.put(GOOD, stranger)
    assert "the feed of updates is not signed" in refusal()
    good = write_feed(GOOD, own)
    file.write_bytes(good.replace(b"homes.zip", b"other.zip"))
    assert "not signed" in refusal()
    file.write_bytes(write_feed(GOOD, own).replace(b'"signatures"', b'"signature"'))
    assert "is not a feed" in refusal()
    for length in (0, 1, len(good) // 2, len(good) - 3):
        file.write_bytes(good[:length])
        assert "is not a feed" in refusal()
    file.write_bytes(good + b" " * 70_000)
    assert "larger" in refusal()
    file.write_bytes(good)
    assert read_feed(server.feed, keys).bundle == GOOD.bundle


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bundle": "../../etc"}, "bundle"),
        ({"bundle": "homes"}, "bundle"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"address": "file:///etc/passwd"}, "only http and https"),
        ({"address": "ftp://files/x.zip"}, "only http and https"),
        ({"address": "x\ny"}, "address"),
        ({"address": "http://[::1"}, "address"),
        ({"summary": "x" * 256}, "summary"),
        ({"schema_version": 2}, "newer SeeAloud"),
    ],
)
def test_a_signed_feed_with_a_value_that_cannot_be_used_is_refused(
    server: UpdateServer, tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    wrong = Announcement.model_construct(**{**GOOD.model_dump(), **changes})
    server.put(wrong, own_key(tmp_path))
    with pytest.raises(BundleError, match=why):
        read_feed(server.feed, [tmp_path / "mine-keys"])
    assert OLDER < NEWER
