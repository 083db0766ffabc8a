"""SIGHUP: other settings, codes and tokens while questions are answered, or none at all."""

import datetime
import json
import os
import pathlib
import re
import secrets
import signal
import ssl
import threading

import pytest
from harness import Needlework, read_answer, send_question, wait_until
from raw_upstream import RawUpstream
from sandbox_control import APPCODE, Sandbox
from test_upstream import play_answer

RELOADED = "settings reloaded"
REFUSED = "settings not reloaded; the old ones go on"
OTHER_APPCODE = "sandbox-appcode-of-another-account"


class Settings:
    """A settings file, and the server that was started with it."""

    def __init__(self, directory, start):
        self.directory, self.start_server, self.server = directory, start, None
        self.path = str(directory / "sanyao.jsonc")

    def write(self, **members):
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(members, file)

    def write_secret(self, name, text):
        """The path of a file with a secret, which must not be found at rest anywhere else."""
        for line in text.splitlines():
            Needlework.write("secret", line)
        path = self.directory / name
        path.write_text(text + "\n", "utf-8")
        path.chmod(0o600)
        return str(path)

    def start(self, members, **environment):
        self.write(**members)
        self.server = self.start_server(CONFIG=self.path, **environment)
        return self.server

    def hang_up(self, event):
        """SIGHUP; the event that comes of it."""
        count = len(self.server.events(event))
        self.server.signal(signal.SIGHUP)
        return self.server.wait_for_event(event, count=count + 1)[-1]

    def reload(self, **members):
        self.write(**members)
        return self.hang_up(RELOADED)["changes"]

    def refuse(self, **members):
        self.write(**members)
        return self.hang_up(REFUSED)["reason"]


@pytest.fixture
def settings(tmp_path, start):
    """A settings file outside of what is searched for secrets."""
    return Settings(tmp_path, start)


def lifetime(server, person):
    """How long the answer about this person is fresh, in words of the reply."""
    reply = server.ask(person).json
    return reply["checkedAt"], reply["expiresAt"]


def seconds_between(times):
    begin, end = (datetime.datetime.fromisoformat(time.replace("Z", "+00:00")) for time in times)
    return (end - begin).total_seconds()


# --- what is taken ---


def test_times_of_answers(settings, people):
    first, second, third = people.some(3)
    server = settings.start({})
    assert seconds_between(lifetime(server, first)) == 30 * 86400
    assert settings.reload(cache={"ttl": {"01": "60s"}}) == 1
    assert seconds_between(lifetime(server, second)) == 60
    assert settings.reload() == 1
    assert seconds_between(lifetime(server, third)) == 30 * 86400
    assert settings.reload() == 0


def test_every_worker_takes_them(settings, people):
    """When the reload is logged, no question more is answered by the old settings."""
    server = settings.start({"get": True}, WORKERS="4")
    person = people.one()
    server.ask(person)
    connections = [server.connect() for _ in range(32)]
    for get in (False, True, False):
        assert settings.reload(get=get) == 1
        for connection in connections:
            reply = connection.request("GET", "/verify?name=a")
            assert (reply.code == "get_disabled") == (not get)
    for connection in connections:
        connection.close()


def test_patience_of_new_callers_only(settings, sandbox, people):
    server = settings.start({"request_timeout": "30s"})
    early, late = people.some(2)
    for person in (early, late):
        sandbox.behave(mobile=person.mobile, hang=True)
    with server.connect() as connection:
        send_question(connection, early)
        sandbox.wait_for_hanging(1)
        assert settings.reload(request_timeout="100ms") == 1
        assert server.ask(late).code == "upstream_timeout"
        sandbox.release()
        assert read_answer(connection, early).json["result"] == "match"


def test_who_may_ask(settings, people):
    server = settings.start({"auth": "keys"}, AUTH=None)
    person = people.one()
    assert server.ask(person).status == 401
    assert settings.reload(auth="off") == 1
    assert server.ask(person).status == 200
    assert settings.reload(auth="keys") == 1
    assert server.ask(person).status == 401


def calls_logged(server):
    return len(server.events("upstream call"))


def test_what_is_logged(settings, people):
    quiet, loud = people.some(2)
    server = settings.start({"log": {"level": "info"}}, LOG_LEVEL=None)
    settings.write(log={"level": "error"}, get=False)
    server.signal(signal.SIGHUP)
    # That it was taken is not logged either.
    wait_until(lambda: server.get(quiet).code == "get_disabled", 10, "the new settings")
    settings.refuse(log={"level": "no"})
    before = calls_logged(server)
    server.ask(quiet)
    assert settings.reload(log={"level": "info"}) == 2
    assert calls_logged(server) == before
    server.ask(loud)
    server.wait_for_event("upstream call", count=before + 1)


def test_how_it_is_logged(settings):
    server = settings.start({"log": {"format": "json"}}, LOG_FORMAT=None)
    settings.write(log={"format": "human"})
    server.signal(signal.SIGHUP)
    log = pathlib.Path(server.log_path)
    line = re.compile(RELOADED + " +changes=1\n")
    wait_until(lambda: line.search(log.read_text("utf-8")), 10, "a line to read")


def test_admin_token_in_a_file(settings):
    """The environment stays, but the file that it names is read again."""
    tokens = [secrets.token_urlsafe(32) for _ in range(2)]
    path = settings.write_secret("token", tokens[0])
    server = settings.start({}, ADMIN_TOKEN=None, ADMIN_TOKEN_FILE=path)

    def statuses():
        return [
            server.admin("GET", "/admin/v1/ledger", [("Authorization", "Bearer " + token)]).status
            for token in tokens
        ]

    assert statuses() == [200, 401]
    settings.write_secret("token", tokens[1])
    assert settings.reload() == 1
    assert statuses() == [401, 200]
    os.unlink(path)
    assert "No such file" in settings.refuse()
    assert statuses() == [401, 200]


@pytest.fixture
def two_codes():
    with Sandbox(None, "--number-limit", "0", "--appcode", APPCODE, "--appcode", OTHER_APPCODE) as running:
        yield running


def codes_used(sandbox):
    return {call["parameters"]["mobile"]: call["appCode"] for call in sandbox.log()}


@pytest.mark.parametrize("place_of_code", ["variable", "list"])
def test_rotated_code_while_calls_are_under_way(place_of_code, settings, two_codes, people):
    """Those that have begun end with the old one; that a connection was used by it does not matter."""
    path = settings.write_secret("code", APPCODE)
    members, environment = {}, {"APPCODE_FILE": path}
    if place_of_code == "list":
        members, environment = {"credentials": ["main=" + path]}, {}
    server = settings.start(
        members, APPCODE=None, UPSTREAM_URL=two_codes.url, WORKERS="1", REQUEST_TIMEOUT="30s",
        UPSTREAM_MAX_CONNECTIONS="4", **environment
    )
    early, late = people.some(8), people.some(8)
    for person in early:
        two_codes.behave(mobile=person.mobile, hang=True)
    connections = [server.connect() for _ in early]
    for connection, person in zip(connections, early):
        send_question(connection, person)
    two_codes.wait_for_hanging(4)  # the other four wait for a connection, with their code
    wait_until(lambda: len(server.rows()) == len(early), 20, "the reservation of all")

    settings.write_secret("code", OTHER_APPCODE)
    assert settings.reload(**members) == 1
    for person in late:
        connections.append(server.connect())
        send_question(connections[-1], person)

    def all_have_arrived():
        two_codes.release()
        return two_codes.stats()["received"] == 16

    wait_until(all_have_arrived, 20, "all calls")
    two_codes.release()
    for connection, person in zip(connections, early + late):
        assert read_answer(connection, person).json["result"] == "match"
        connection.close()
    assert codes_used(two_codes) == {
        **{person.mobile: APPCODE for person in early},
        **{person.mobile: OTHER_APPCODE for person in late},
    }
    assert server.states() == {"settled": 16}


def test_a_code_can_come_and_go(settings, sandbox, people):
    server = settings.start({}, APPCODE=None)
    person = people.one()
    reply = server.ask(person)
    assert (reply.status, reply.code) == (502, "upstream_refused_credential")
    assert server.request("GET", "/readyz").status == 503
    path = settings.write_secret("code", APPCODE)
    assert settings.reload(appcode_file=path) == 1
    assert server.request("GET", "/readyz").status == 200
    assert server.ask(person).json["result"] == "match"
    assert settings.reload() == 1
    assert server.request("GET", "/readyz").status == 503
    assert server.ask(person, "only-if-cached").json["source"] == "cache"


def test_each_code_has_a_breaker(settings):
    def breakers():
        lines = settings.server.admin("GET", "/metrics").body.decode().splitlines()
        return [line for line in lines if line.startswith("sanyao_breaker_state{")]

    path = settings.write_secret("code", OTHER_APPCODE)
    server = settings.start({})
    first = ['sanyao_breaker_state{kind="provider",name="guide"} 0',
             'sanyao_breaker_state{kind="credential",name="main"} 0']
    assert breakers() == first
    assert settings.reload(credentials=["second=" + path]) == 1
    assert breakers() == first + ['sanyao_breaker_state{kind="credential",name="second"} 0']
    assert settings.reload() == 1
    assert breakers() == first
    assert server.request("GET", "/readyz").json["breakers"] == []


def test_another_upstream(settings, sandbox, two_codes, people):
    server = settings.start({"upstream": {"url": sandbox.url}}, UPSTREAM_URL=None)
    first, second = people.some(2)
    server.ask(first)
    assert settings.reload(upstream={"url": two_codes.url}) == 1
    server.ask(second)
    assert (sandbox.calls(), two_codes.calls()) == (1, 1)
    assert two_codes.calls(mobile=second.mobile) == 1


def test_other_authorities(settings, authority, people):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "localhost.pem", authority / "localhost.key")
    stranger, friend = str(authority / "stranger.pem"), str(authority / "ca.pem")
    with RawUpstream(play_answer, context, "localhost") as upstream:
        server = settings.start(
            {"upstream": {"ca_file": stranger}}, UPSTREAM_URL=upstream.url, WORKERS="1"
        )
        assert server.ask(people.one()).code == "upstream_unavailable"
        assert settings.reload(upstream={"ca_file": friend}) == 1
        assert server.ask(people.one()).json["result"] == "match"
        server.stop()


# --- what is refused ---


@pytest.mark.parametrize(
    "members,reason",
    [
        ({"cache": {"ttl": {"01": "1"}}}, "sanyao.jsonc:1: cache.ttl.01: must be a duration"),
        ({"cache": {"ttl": {"1": "1s"}}}, 'cache.ttl.1: unknown key (did you mean "cache.ttl.01"?)'),
        ({"upstream": {"connect_timeout": "20s"}}, "must be longer than upstream.connect_timeout"),
        ({"credentials": ["second=planted"]}, "item 1 (second): its file is not there"),
        ({"alerts": {"webhooks": ["ops=wecom:planted"]}}, "item 1 (ops): its file is not there"),
        ({"timezone": "UTC"}, "only a restart can take another value of: timezone"),
        ({"max_connections": 100, "idle_timeout": "5s", "get": False},
         "only a restart can take another value of: max_connections, idle_timeout"),
        ({"appcode": "planted"}, "a secret must not stand in the settings file"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_refused_whole(members, reason, settings, people):
    """Also what would be good of it."""
    server = settings.start({"cache": {"ttl": {"01": "60s"}}})
    wanted = {"request_timeout": "100ms", "cache": {"ttl": {"01": "90s"}}, **members}
    said = settings.refuse(**wanted)
    assert reason in said and "planted" not in said
    assert server.events(REFUSED)[-1]["level"] == "error"
    assert seconds_between(lifetime(server, people.one())) == 60
    assert server.admin("GET", "/admin/v1/ledger", server.bearer()).status == 200
    assert settings.reload(cache={"ttl": {"01": "90s"}}) == 1
    assert seconds_between(lifetime(server, people.one())) == 90


def test_refused_while_ending(settings, sandbox, people):
    server = settings.start({}, REQUEST_TIMEOUT="30s", DRAIN_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    with server.connect() as connection:
        send_question(connection, person)
        sandbox.wait_for_hanging(1)
        server.signal()
        server.wait_for_event("draining")
        assert settings.refuse(get=False) == "the process is ending"
        sandbox.release()
        assert read_answer(connection, person).json["result"] == "match"
    assert server.wait() == 0
    server.process = None


def test_nothing_secret_is_logged(settings):
    url = "https://example.com/robot?access_token=" + secrets.token_hex(16)
    server = settings.start({})
    code = settings.write_secret("code", secrets.token_hex(16))
    hook = settings.write_secret("hook", url + "\n" + secrets.token_hex(16))
    members = {"credentials": ["second=" + code], "alerts": {"webhooks": ["ops=dingtalk:" + hook]}}
    assert settings.reload(**members) == 2
    settings.write_secret("code", secrets.token_hex(16))
    settings.write_secret("hook", url)
    os.chmod(hook, 0o644)
    assert settings.reload(**members) == 2
    assert any(line["event"].startswith("alerts.webhooks: " + hook) for line in server.events())
    settings.write_secret("code", "two words " + secrets.token_hex(16))
    assert "item 1 (second): what the file" in settings.refuse(**members)


# --- under load ---


def test_many_reloads_lose_no_question(settings, two_codes, people):
    """All that was asked meanwhile is answered and written, with whichever code was in force."""
    path = settings.write_secret("code", APPCODE)
    server = settings.start(
        {}, APPCODE=None, APPCODE_FILE=path, UPSTREAM_URL=two_codes.url, WORKERS="3",
        REQUEST_TIMEOUT="20s", NUMBER_LIMIT_MAX_CALLS="1000000", LOG_LEVEL="info"
    )
    two_codes.settings(latencyMs=3, jitterMs=5)
    over = threading.Event()
    crowd = people.mixed()
    guard = threading.Lock()
    answered, failures = [], []

    def next_person():
        with guard:
            return next(crowd)

    def ask_on():
        try:
            with server.connect() as connection:
                while not over.is_set():
                    person = next_person()
                    send_question(connection, person)
                    reply = read_answer(connection, person)
                    answered.append(reply.status)
        except BaseException as error:  # handed to the test's own thread
            failures.append(error)

    askers = [threading.Thread(target=ask_on) for _ in range(8)]
    for asker in askers:
        asker.start()
    try:
        for round in range(60):
            settings.write_secret("code", (APPCODE, OTHER_APPCODE)[round % 2])
            ttl = ("40s", "50s", "60s")[round % 3]
            settings.reload(cache={"ttl": {"01": ttl}}, upstream={"timeout": f"{10 + round}s"})
        wait_until(lambda: len(answered) > 500 or failures, 60, "enough answers")
    finally:
        over.set()
        for asker in askers:
            asker.join()
    if failures:
        raise failures[0]
    assert set(answered) == {200}
    assert len(server.events(RELOADED)) == 60 and not server.events(REFUSED)
    by_code = {entry["appCode"]: entry["received"] for entry in two_codes.stats()["byAppCode"]}
    assert min(by_code.values()) > 0 and sum(by_code.values()) == len(answered)
    assert server.states() == {"settled": len(answered)}
