"""The search of what is left at rest finds each form it claims to find.

The search of everything that the other tests left runs at the end of the session (conftest.py).
"""

import base64
import hashlib
import itertools
import json
import os
import urllib.parse

import pytest
from at_rest import DIGEST_PREFIX, Needles
from people import People

PERSON = People(seed=11).one()
RARE = People(seed=12).one(rare=True)
SECRET = "00ff17" + "5a" * 29


def hashes(form):
    return [
        pytest.param(lambda value, name=name: form(hashlib.new(name, value.encode())), id=name)
        for name in ("md5", "sha1", "sha256")
    ]


PLANTS = [
    pytest.param(lambda value: value.encode(), id="clear"),
    pytest.param(lambda value: urllib.parse.quote(value).encode(), id="url"),
    pytest.param(lambda value: urllib.parse.quote(value).lower().encode(), id="url-lower"),
    pytest.param(
        lambda value: urllib.parse.quote(urllib.parse.quote(value)).encode(), id="url-twice"
    ),
    pytest.param(lambda value: json.dumps(value).encode(), id="json"),
    pytest.param(lambda value: json.dumps({"detail": value}).encode(), id="json-member"),
    pytest.param(lambda value: base64.b64encode(value.encode()), id="base64"),
    pytest.param(lambda value: base64.b64encode(b"x" + value.encode() + b"yz"), id="base64-inside"),
    pytest.param(lambda value: base64.urlsafe_b64encode(b"xy" + value.encode()), id="base64url"),
    *hashes(lambda made: made.hexdigest().encode()),
    *hashes(lambda made: made.hexdigest().upper().encode()),
    *hashes(lambda made: made.digest()),
    *hashes(lambda made: made.digest()[:16]),
    *hashes(lambda made: base64.b64encode(made.digest())),
    *hashes(lambda made: base64.urlsafe_b64encode(made.digest())),
]


def search(tmp_path, content):
    path = tmp_path / "left"
    path.write_bytes(content)
    needles = Needles()
    needles.add_person(PERSON.question())
    needles.add_person(RARE.question())
    needles.add_secret(SECRET)
    return needles.search([str(path)])


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("member", ["name", "idCard", "mobile"])
@pytest.mark.parametrize("person", [PERSON, RARE], ids=["common", "rare"])
def test_a_planted_value_is_found(tmp_path, person, member, plant):
    planted = plant(person.question()[member])
    for before in (b"", b"\x13", b"before\n\0"):
        found = search(tmp_path, before + planted + b"\n after")
        assert member in {kind for _, kind, _ in found}


@pytest.mark.parametrize(
    "planted",
    [SECRET.encode(), bytes.fromhex(SECRET), base64.b64encode(bytes.fromhex(SECRET)),
     hashlib.sha256(SECRET.encode()).digest()],
    ids=["text", "bytes", "base64", "hash"],
)
def test_a_planted_secret_is_found(tmp_path, planted):
    assert "secret" in {kind for _, kind, _ in search(tmp_path, b"\0\1" + planted)}


def key_that(letters):
    """A key whose SHA-256 begins with digits only, or does not."""
    return next(
        key for key in (f"sy_Shop_{number:043}" for number in itertools.count())
        if hashlib.sha256(key.encode()).hexdigest()[: 2 * DIGEST_PREFIX].isdigit() is not letters
    )


@pytest.mark.parametrize("letters", [True, False], ids=["letters", "digits"])
def test_of_a_key_only_its_hash_as_it_is_stored_may_be_found(tmp_path, letters):
    key = key_that(letters)
    digest = hashlib.sha256(key.encode())
    needles = Needles()
    needles.add_key(key)

    def kinds(planted):
        (tmp_path / "left").write_bytes(b"\0\1" + planted)
        return {kind for _, kind, _ in needles.search([str(tmp_path / "left")])}

    assert kinds(digest.hexdigest().encode()) == set()
    capitals = digest.hexdigest().upper().encode()
    assert kinds(capitals) == ({"key"} if letters else set())
    for planted in (key.encode(), digest.digest(), base64.b64encode(digest.digest()),
                    hashlib.sha1(key.encode()).hexdigest().encode(),
                    hashlib.sha256(key.lower().encode()).hexdigest().encode()):
        assert kinds(planted) == {"key"}


def test_masks_and_noise_are_no_finding(tmp_path):
    masked = json.dumps(PERSON.masked(), ensure_ascii=False).encode()
    assert search(tmp_path, masked + os.urandom(1 << 20)) == []


def test_a_match_across_half_bytes_hides_nothing(tmp_path):
    """In hexadecimal a value may seem to begin in the middle of a byte."""
    digits = PERSON.mobile.encode().hex()
    shifted = bytes.fromhex("f" + digits + "f")
    assert search(tmp_path, shifted) == []
    assert search(tmp_path, shifted + PERSON.mobile.encode()) != []


def test_what_a_server_leaves_is_searched(place, start, people):
    """A question's way through everything that writes: store, log and metrics."""
    server = start(WORKERS="1")
    person = people.one()
    server.ask(person)
    server.ask(person)
    server.get(person)
    server.request("GET", f"/verify?mobile={person.mobile}&{'x' * 10}=1")
    server.stop()
    left = [os.path.join(at, name) for at, _, names in os.walk(place) for name in names]
    kinds = {os.path.basename(path).split("-")[0].split(".")[0] for path in left}
    assert {"log", "metrics", "store"} <= kinds
    needles = Needles()
    needles.add_person(person.question())
    needles.add_secret(server.settings["HASH_KEY"])
    needles.add_secret(server.settings["APPCODE"])
    assert needles.search(left) == []


def test_what_a_shared_store_leaves_is_searched(place, replicas, redis, sandbox, people):
    """Dump, append-only file, journals and logs; with calls of every ending."""
    group = replicas(2, WORKERS="1", INFERENCE="true")
    asked = people.some(4)
    sandbox.behave(mobile=asked[1].mobile, status="02")
    sandbox.behave(mobile=asked[2].mobile, status="203")
    sandbox.behave(mobile=asked[3].mobile, cut="body")
    for server in group:
        for person in asked:
            server.ask(person)
    redis.kill()
    group[0].ask(people.one())
    redis.start()
    group.wait_until_ready()
    redis.command("SAVE")
    group.stop()
    redis.stop()
    left = [os.path.join(at, name) for at, _, names in os.walk(place) for name in names]
    kinds = {os.path.basename(path).split("-")[0].split(".")[0] for path in left}
    assert {"log", "metrics", "journal", "dump", "appendonly", "redis"} <= kinds
    assert not {"store"} & kinds
    needles = Needles()
    for person in asked:
        needles.add_person(person.question())
    needles.add_secret(group.hash_key)
    needles.add_secret(group[0].settings["APPCODE"])
    assert needles.search(left) == []
