"""Files of secrets that change under a running server, and are taken without a signal."""

import json
import os
import pathlib
import secrets
import time

import pytest
from desk import Desk
from harness import Needlework, Server, read_answer, send_question, wait_until
from sandbox_control import APPCODE, Sandbox

TAKEN = "settings reloaded, since a file of a secret changed"
REFUSED = "a file of a secret changed, and the settings were not reloaded; the old ones go on"
RESTART = "a file holds another value, and only a restart can take it"
OTHER_APPCODE = "sandbox-appcode-of-another-account"
OFTEN = "50ms"
LOOKS = 1  # seconds, in which a server that looks often has looked many times


@pytest.fixture
def two_codes():
    with Sandbox(None, "--number-limit", "0", "--appcode", APPCODE, "--appcode", OTHER_APPCODE) as running:
        yield running


class Secrets:
    """A directory of secrets outside of what is searched for them."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def path(self, name):
        return str(self.directory / name)

    def write(self, name, text):
        """In place; the path."""
        for line in text.splitlines():
            Needlework.write("secret", line)
        path = self.directory / name
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        return str(path)

    def replace(self, name, text):
        """Under another name, then moved over the old one."""
        os.replace(self.write(name + ".new", text), self.path(name))
        return self.path(name)

    def mount(self, name, text):
        """As Kubernetes does it: NAME -> ..data/NAME, ..data -> a directory for each version."""
        version = self.directory / f"..version-{secrets.token_hex(4)}"
        version.mkdir()
        self.write(f"{version.name}/{name}", text)
        link = self.directory / "..data_new"
        link.symlink_to(version.name)
        os.replace(link, self.directory / "..data")
        if not os.path.islink(self.path(name)):
            os.symlink(f"..data/{name}", self.path(name))
        return self.path(name)


@pytest.fixture
def kept(tmp_path):
    return Secrets(tmp_path)


def taken(server, count=1):
    return server.wait_for_event(TAKEN, count=count)


def audit(server):
    return Desk(server).do("GET", "audit")["lines"]


def start_with(start, two_codes, path, **settings):
    return start(APPCODE=None, APPCODE_FILE=path, UPSTREAM_URL=two_codes.url, SECRETS_WATCH=OFTEN,
                 **settings)


def code_used(sandbox, person):
    return [call["appCode"] for call in sandbox.log() if call["parameters"]["mobile"] == person.mobile]


# --- what is taken ---


@pytest.mark.parametrize("way", ["replace", "write", "mount"])
def test_a_rotated_code_is_taken(way, start, kept, two_codes, people):
    """A call that is under way ends with the old one, the next has the new one."""
    put = getattr(kept, way)
    server = start_with(start, two_codes, put("code", APPCODE), REQUEST_TIMEOUT="30s")
    early, late = people.some(2)
    two_codes.behave(mobile=early.mobile, hang=True)
    with server.connect() as connection:
        send_question(connection, early)
        two_codes.wait_for_hanging(1)
        put("code", OTHER_APPCODE + "\n")
        assert taken(server)[0]["changes"] == 1
        assert server.ask(late).json["result"] == "match"
        two_codes.release()
        assert read_answer(connection, early).json["result"] == "match"
    assert code_used(two_codes, early) == [APPCODE]
    assert code_used(two_codes, late) == [OTHER_APPCODE]
    assert server.states() == {"settled": 2}
    entry, = [entry for entry in audit(server) if entry["action"] == "reload"]
    assert entry["token"] == "file"
    assert entry["after"] == [{"key": "appcode", "before": "(set)", "after": "(changed)"}]
    time.sleep(LOOKS)
    assert len(server.events(TAKEN)) == 1


def test_a_code_of_the_list_is_taken(start, kept, two_codes, people):
    path = kept.write("code", APPCODE)
    server = start(APPCODE=None, CREDENTIALS="main=" + path, UPSTREAM_URL=two_codes.url, SECRETS_WATCH=OFTEN)
    person = people.one()
    kept.replace("code", OTHER_APPCODE)
    taken(server)
    server.ask(person)
    assert code_used(two_codes, person) == [OTHER_APPCODE]


def test_a_rotated_admin_token_is_taken(start, kept):
    tokens = [secrets.token_urlsafe(32) for _ in range(2)]
    path = kept.write("token", tokens[0])
    server = start(ADMIN_TOKEN=None, ADMIN_TOKEN_FILE=path, SECRETS_WATCH=OFTEN)

    def statuses():
        return [
            server.admin("GET", "/admin/v1/ledger", [("Authorization", "Bearer " + token)]).status
            for token in tokens
        ]

    assert statuses() == [200, 401]
    kept.replace("token", tokens[1])
    taken(server)
    assert statuses() == [401, 200]


def test_a_file_that_appears_is_taken(place, kept, two_codes, people):
    """At a place where one was looked for in vain."""
    with Server(place, two_codes.url, {"CREDENTIALS_DIRECTORY": str(kept.directory)}, APPCODE=None,
                SECRETS_WATCH=OFTEN) as server:
        assert server.request("GET", "/readyz").status == 503
        kept.write("appcode", OTHER_APPCODE)
        taken(server)
        assert server.request("GET", "/readyz").status == 200
        person = people.one()
        server.ask(person)
        assert code_used(two_codes, person) == [OTHER_APPCODE]


def test_a_webhook_is_taken(start, kept):
    path = kept.write("hook", "https://example.com/robot?access_token=" + secrets.token_hex(16))
    server = start(ALERTS_WEBHOOKS="ops=wecom:" + path, SECRETS_WATCH=OFTEN)
    kept.replace("hook", "https://example.com/robot?access_token=" + secrets.token_hex(16))
    assert taken(server)[0]["changes"] == 1


# --- what is not ---


def test_half_a_file_is_refused_once_and_the_whole_one_taken(start, kept, two_codes, people):
    path = kept.write("code", APPCODE)
    server = start_with(start, two_codes, path)
    first, second = people.some(2)
    kept.write("code", "")
    reason = server.wait_for_event(REFUSED)[0]["reason"]
    assert "is empty" in reason
    assert server.ask(first).json["result"] == "match"
    time.sleep(LOOKS)
    assert len(server.events(REFUSED)) == 1 and not server.events(TAKEN)
    kept.write("code", OTHER_APPCODE)
    taken(server)
    server.ask(second)
    assert (code_used(two_codes, first), code_used(two_codes, second)) == ([APPCODE], [OTHER_APPCODE])
    assert [entry["token"] for entry in audit(server) if entry["action"] == "reload"] == ["file"]


def test_a_file_that_is_still_being_written_is_not_read(start, kept, two_codes):
    path = kept.write("code", APPCODE)
    server = start(APPCODE=None, APPCODE_FILE=path, UPSTREAM_URL=two_codes.url, SECRETS_WATCH="1s")
    text = OTHER_APPCODE + " two words "
    end = time.monotonic() + 3
    size = 0
    while time.monotonic() < end:
        size = (size + 1) % len(text)
        kept.write("code", text[:size])
        time.sleep(0.02)
    kept.write("code", OTHER_APPCODE)
    taken(server)
    assert not server.events(REFUSED)


def test_a_file_that_vanishes_is_refused(start, kept, two_codes, people):
    path = kept.write("code", APPCODE)
    server = start_with(start, two_codes, path)
    os.unlink(path)
    assert "No such file" in server.wait_for_event(REFUSED)[0]["reason"]
    assert server.ask(people.one()).json["result"] == "match"
    kept.write("code", APPCODE)
    time.sleep(LOOKS)
    assert not server.events(TAKEN), "it holds what it held"
    assert server.request("GET", "/readyz").status == 200


def test_what_needs_a_restart_does_not_hold_up_the_rest(start, kept, two_codes, people):
    """The old key goes on until the restart, which is said once."""
    key, code = kept.write("key", secrets.token_hex(32)), kept.write("code", APPCODE)
    server = start_with(start, two_codes, code, HASH_KEY=None, HASH_KEY_FILE=key)
    early, late = people.some(2)
    server.ask(early)
    kept.replace("key", secrets.token_hex(32))
    assert server.wait_for_event(RESTART)[0]["settings"] == "hash.key"
    kept.replace("code", OTHER_APPCODE)
    assert taken(server)[0]["changes"] == 1
    assert server.ask(early).json["source"] == "cache"
    server.ask(late)
    assert code_used(two_codes, late) == [OTHER_APPCODE]
    time.sleep(LOOKS)
    assert len(server.events(RESTART)) == 2 and not server.events(REFUSED)


def test_other_settings_that_need_a_restart_are_refused(start, kept, two_codes, tmp_path):
    """The settings file is read with it, as on SIGHUP."""
    code, path = kept.write("code", APPCODE), tmp_path / "sanyao.jsonc"
    path.write_text("{}")
    server = start_with(start, two_codes, code, CONFIG=str(path))
    path.write_text(json.dumps({"timezone": "UTC"}))
    time.sleep(LOOKS)
    assert not server.events(REFUSED), "the settings file itself is not watched"
    kept.replace("code", OTHER_APPCODE)
    assert "timezone" in server.wait_for_event(REFUSED)[0]["reason"]


def test_nothing_is_watched_when_it_is_off(start, kept, two_codes, people):
    path = kept.write("code", APPCODE)
    server = start(APPCODE=None, APPCODE_FILE=path, UPSTREAM_URL=two_codes.url, SECRETS_WATCH="0")
    kept.replace("code", OTHER_APPCODE)
    time.sleep(LOOKS)
    person = people.one()
    server.ask(person)
    assert code_used(two_codes, person) == [APPCODE]
    assert not server.events(TAKEN)


def test_watching_can_be_switched_on_by_a_reload(start, kept, two_codes, tmp_path):
    code, path = kept.write("code", APPCODE), tmp_path / "sanyao.jsonc"
    path.write_text(json.dumps({"secrets": {"watch": "0"}}))
    server = start(APPCODE=None, APPCODE_FILE=code, UPSTREAM_URL=two_codes.url, CONFIG=str(path))
    path.write_text(json.dumps({"secrets": {"watch": OFTEN}}))
    assert Desk(server).do("POST", "reload")["changes"][0]["key"] == "secrets.watch"
    kept.replace("code", OTHER_APPCODE)
    taken(server)


def test_a_touched_file_changes_nothing(start, kept, two_codes):
    path = kept.write("code", APPCODE)
    server = start_with(start, two_codes, path)
    os.utime(path, (1, 1))
    time.sleep(LOOKS)
    assert not server.events(TAKEN) and not server.events(REFUSED)
    assert not [entry for entry in audit(server) if entry["action"] == "reload"]


def test_many_rotations_lose_no_question(start, kept, two_codes, people):
    path = kept.write("code", APPCODE)
    server = start_with(start, two_codes, path, WORKERS="2", NUMBER_LIMIT_MAX_CALLS="1000000")
    asked = 0
    for round in range(10):
        kept.replace("code", (OTHER_APPCODE, APPCODE)[round % 2])

        def taken_meanwhile():
            nonlocal asked
            assert server.ask(people.one()).status == 200
            asked += 1
            return len(server.events(TAKEN)) > round

        wait_until(taken_meanwhile, 20, "the rotation")
    assert server.states() == {"settled": asked}
