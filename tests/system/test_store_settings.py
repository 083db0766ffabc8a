"""How a shared store is named, and what is said of one that is set up wrongly."""

import json
import os

import pytest
from contract import SOURCE_DIR
from harness import Needlework, Replicas, Server, wait_until
from redis_server import RedisServer, SentinelGroup, free_port, totals_of
from test_store_away import is_paid, refused

PASSWORD = "correct-horse-battery-4711"


def works(servers, sandbox, people):
    """A question to the first is the cache's to the others."""
    person = people.one()
    calls = sandbox.calls()
    assert servers[0].ask(person).json["source"] == "upstream"
    for server in servers:
        assert server.ask(person).json["source"] == "cache"
    assert sandbox.calls() == calls + 1


# --- addresses ---


def test_by_a_unix_socket_and_by_tcp(replicas, place, redis, sandbox, people):
    group = replicas(1)
    with Server(
        os.path.join(place, "unix"), sandbox.url, redis=redis, STORE_URL=redis.unix_url,
        HASH_KEY=group.hash_key,
    ) as server:
        server.wait_until_ready()
        works([group[0], server], sandbox, people)


def test_another_database_is_another_store(replicas, place, redis, sandbox, people):
    group = replicas(1)
    with Server(
        os.path.join(place, "other"), sandbox.url, redis=redis, HASH_KEY=group.hash_key,
        STORE_URL=redis.url.removesuffix("/0") + "/3",
    ) as server:
        server.wait_until_ready()
        person = people.one()
        assert group[0].ask(person).json["source"] == "upstream"
        assert server.ask(person).json["source"] == "upstream"
        assert sandbox.calls() == 2 and group.states() == {"settled": 1}


@pytest.mark.parametrize("user", [None, "sanyao"], ids=["password", "user"])
def test_with_a_login(place, sandbox, people, user):
    Needlework.write("secret", PASSWORD)
    with RedisServer(os.path.join(place, "redis"), password=PASSWORD, user=user) as redis, Replicas(
        place, redis, sandbox.url, count=2
    ) as group:
        works(group.servers, sandbox, people)


def test_the_documented_permissions_are_enough(place, sandbox, people):
    """The user of docs/operations.md, word for word: for serving, for healing, for what lapsed."""
    Needlework.write("secret", PASSWORD)
    with open(os.path.join(SOURCE_DIR, "docs", "operations.md"), encoding="utf-8") as file:
        rule = file.read().split("ACL SETUSER sanyao ", 1)[1].split("```", 1)[0].split()
    with RedisServer(os.path.join(place, "redis")) as redis:
        redis.command(
            "ACL", "SETUSER", "sanyao", *(word.replace("PASSWORD", PASSWORD) for word in rule)
        )
        group = Replicas(
            place, redis, sandbox.url, count=2, INFERENCE="true",
            STORE_URL=f"redis://sanyao:{PASSWORD}@127.0.0.1:{redis.port}/0",
        ).start()
        works(group.servers, sandbox, people)
        person = people.one()
        sandbox.behave(mobile=person.mobile, status="203", calls=1)
        assert group[0].ask(person).json["status"] == "203"
        assert group[1].ask(person.but(name=people.one().name)).json["source"] == "guard"
        sandbox.behave(gateway="throttled", calls=1)
        assert group[0].ask(people.one()).status == 503
        redis.command("SCRIPT", "FLUSH")
        works(group.servers, sandbox, people)
        redis.command("ZADD", "{ledger}open", 1, b"0123456789abcdef")  # it lapsed long ago
        wait_until(lambda: redis.open_calls() == 0, 10, "the sweep")
        rows = redis.ledger_rows()
        redis.command("FLUSHALL")
        redis.cut_connections()
        wait_until(lambda: redis.ledger_rows() == rows, 10, "the healing")
        group.wait_until_ready()
        refusals = redis.command("ACL", "LOG")
        assert refusals == [], "something is not permitted"
        group.stop()


@pytest.mark.parametrize("login", ["", ":wrong-horse-battery-4712@", "who:wrong-horse-battery-4712@"])
def test_a_wrong_login_is_said_and_not_shown(place, sandbox, people, login):
    Needlework.write("secret", PASSWORD)
    Needlework.write("secret", "wrong-horse-battery-4712")
    with RedisServer(os.path.join(place, "redis"), password=PASSWORD) as redis, Server(
        os.path.join(place, "server"), sandbox.url, redis=redis,
        STORE_URL=f"redis://{login}127.0.0.1:{redis.port}/0",
    ) as server:
        refused(server, people.one())

        def said():
            reply = server.request("GET", "/readyz")
            return reply.status == 503 and mentions(
                reply.body.decode(), "login", "password", "WRONGPASS", "NOAUTH"
            )

        wait_until(said, 10, "the reason, where readiness is asked")

        def logged():
            lines = (json.dumps(line) for line in server.events()
                     if line["level"] in ("warn", "error"))
            return any(mentions(line, "login", "password", "WRONGPASS", "NOAUTH") for line in lines)

        wait_until(logged, 10, "the reason in the log")
        with open(server.log_path, encoding="utf-8") as file:
            log = file.read()
        assert "horse" not in log
        assert sandbox.calls() == 0


def mentions(text, *words):
    return any(word.lower() in text.lower() for word in words)


# --- TLS ---


class TlsRedis(RedisServer):
    """Speaks TLS on a second port, with the certificate for `host`."""

    def __init__(self, directory, authority, host="localhost"):
        self.tls_port = free_port()
        super().__init__(
            directory, tls_port=self.tls_port, tls_cert_file=authority / f"{host}.pem",
            tls_key_file=authority / f"{host}.key", tls_ca_cert_file=authority / "ca.pem",
            tls_auth_clients="no",
        )

    @property
    def tls_url(self):
        return f"rediss://localhost:{self.tls_port}/0"


@pytest.fixture
def needs_tls(place):
    """A program without TLS to Redis says so, and what to do, instead of starting."""
    server = Server(os.path.join(place, "probe"), STORE_URL="rediss://localhost:9/0")
    try:
        server.start()
    except AssertionError:
        with open(server.stderr_path, encoding="utf-8") as file:
            said = file.read()
        assert "rediss:// needs hiredis with TLS, which this sanyao was built without" in said
        assert mentions(said, "Debian 13") and mentions(said, "TLS proxy")
        pytest.skip("built without TLS to Redis, which it said")
    server.stop()


def test_over_tls(needs_tls, place, sandbox, people, authority):
    with TlsRedis(os.path.join(place, "redis"), authority) as redis, Replicas(
        place, redis, sandbox.url, count=2, STORE_URL=redis.tls_url,
        STORE_CA_FILE=authority / "ca.pem",
    ) as group:
        works(group.servers, sandbox, people)
        assert redis.totals() == {"s": 1, "billed": 1}
        redis.kill()
        refused(group[0], people.one())
        redis.start()
        group.wait_until_ready()
        works(group.servers, sandbox, people)


@pytest.mark.parametrize(
    "host, ca", [("localhost", "stranger.pem"), ("localhost", None), ("elsewhere.test", "ca.pem")],
    ids=["another CA", "the system's CAs", "another host"],
)
def test_a_certificate_that_does_not_hold_is_said(
    needs_tls, place, sandbox, people, authority, host, ca
):
    settings = {"STORE_CA_FILE": authority / ca} if ca else {}
    with TlsRedis(os.path.join(place, "redis"), authority, host) as redis, Server(
        os.path.join(place, "server"), sandbox.url, redis=redis, STORE_URL=redis.tls_url, **settings
    ) as server:
        refused(server, people.one())
        wait_until(
            lambda: any(mentions(line, "certificate is refused") for line in warnings(server)), 10,
            "the reason, in the log",
        )
        assert not server.is_ready() and sandbox.calls() == 0
        assert redis.keys() == []


# --- sentinels ---


def test_the_failover_of_sentinels_is_followed(place, sandbox, people):
    with SentinelGroup(os.path.join(place, "redis")) as redis, Replicas(
        place, redis.replica, sandbox.url, count=2, STORE_URL=redis.url
    ) as group:
        crowd = people.some(6)
        for index, person in enumerate(crowd):
            group[index % 2].ask(person)
        redis.wait_for_copy()
        before = group.rows()
        assert len(before) == 6 and redis.master.totals() == totals_of(before)
        redis.master.kill()
        refused(group[0], people.one())
        redis.wait_for_failover()
        group.wait_until_ready()
        assert group.rows() == before
        new = people.one()
        wait_until(lambda: is_paid(group[0].ask(new)), 5, "the next answer")
        for person in (*crowd, new):
            assert [reply.json["source"] for reply in group.ask_everywhere(person)] == ["cache"] * 2
        assert sandbox.calls() == 7
        assert redis.replica.totals() == totals_of(group.rows()) == {"s": 7, "billed": 7}


@pytest.mark.longest
def test_a_master_that_comes_back_as_a_replica_is_left_alone(place, sandbox, people):
    with SentinelGroup(os.path.join(place, "redis")) as redis, Replicas(
        place, redis.replica, sandbox.url, count=1, STORE_URL=redis.url
    ) as group:
        redis.master.kill()
        redis.wait_for_failover()
        group.wait_until_ready()
        redis.master.start()
        wait_until(
            lambda: redis.master.info("replication")["role"] == "slave", 20, "the demotion"
        )
        group.wait_until_ready()
        works(group.servers, sandbox, people)
        assert len(redis.replica.ledger_rows()) == 1


def test_a_sentinel_that_knows_no_such_master_is_said_so(place, sandbox, people):
    with SentinelGroup(os.path.join(place, "redis")) as redis, Server(
        os.path.join(place, "server"), sandbox.url, redis=redis.master,
        STORE_URL=redis.url.removesuffix("/sanyao") + "/nobody",
    ) as server:
        refused(server, people.one())
        reply = server.request("GET", "/readyz")
        assert reply.status == 503 and reply.json["checks"]["store"] != "ok"


# --- what is said at the start ---


def warnings(server):
    return [json.dumps(line) for line in server.events() if line["level"] in ("warn", "error")]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"appendonly": "no", "save": ""}, ("appendonly", "append-only", "persist")),
        ({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}, ("maxmemory-policy", "allkeys")),
    ],
    ids=["no-persistence", "evicts-money"],
)
def test_a_redis_that_may_lose_money_is_warned_of(place, sandbox, people, options, words):
    with RedisServer(os.path.join(place, "redis"), **options) as redis, Replicas(
        place, redis, sandbox.url, count=1
    ) as group:
        wait_until(
            lambda: any(mentions(line, *words) for line in warnings(group[0])), 10, "the warning"
        )
        works(group.servers, sandbox, people)


def test_a_redis_that_is_set_up_well_is_not_warned_of(replicas, people):
    server, = replicas(1)
    server.ask(people.one())
    said = " ".join(warnings(server))
    assert not mentions(said, "appendonly", "append-only", "maxmemory-policy", "persist")


def test_without_a_hash_key_it_does_not_start(place, redis):
    server = Server(place, redis=redis, HASH_KEY=None)
    with pytest.raises(AssertionError):
        server.start()
    with open(server.stderr_path, encoding="utf-8") as err, open(
        server.log_path, encoding="utf-8"
    ) as log:
        said = err.read() + log.read()
    assert mentions(said, "hash.key", "HASH_KEY")
    assert redis.keys() == [], "nothing was written under a key of its own"


def test_a_journal_that_is_taken_is_said_so(replicas, place, redis):
    group = replicas(1)
    with pytest.raises(AssertionError):
        Server(os.path.join(place, "second"), redis=redis, JOURNAL_PATH=group[0].journal).start()


def test_a_journal_that_cannot_be_written_is_said_so(place, redis):
    with pytest.raises(AssertionError):
        Server(place, redis=redis, JOURNAL_PATH="/nowhere/journal.db").start()
