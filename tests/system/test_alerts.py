"""Alerts: once for each crossing over all replicas, to webhooks that fail, restart and lie."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import secrets
import sqlite3
import threading
import time
import urllib.parse

import pytest
from desk import Desk
from harness import Needlework, wait_until

SIGNING = "SEC-signing-" + secrets.token_hex(12)


class Receiver:
    """Webhooks on a thread. `script` is what is answered first; then everything is taken. A script's
    item is a status, (status, JSON), or "hang"."""

    def __init__(self, script=()):
        self.script, self.requests, self.lock = list(script), [], threading.Lock()
        self.hanging = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.requests.append((self.path, json.loads(body), dict(self.headers)))
                    answer = receiver.script.pop(0) if receiver.script else 200
                if answer == "hang":
                    receiver.hanging.wait(30)
                    return
                status, reply = answer if isinstance(answer, tuple) else (answer, None)
                reply = json.dumps(reply or {"errcode": 0, "code": 0}).encode()
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hanging.set()
        self.server.shutdown()
        self.server.server_close()

    def seen(self):
        with self.lock:
            return list(self.requests)

    def wait_for(self, count, timeout=20):
        wait_until(lambda: len(self.seen()) >= count, timeout, f"{count} messages")
        return self.seen()


class Webhooks:
    """Files with addresses that may be found nowhere, and the setting that names them."""

    def __init__(self, place):
        self.place, self.items, self.tokens = str(place), [], []

    def add(self, name, kind, receiver, secret=None):
        token = "token" + secrets.token_hex(16)
        for text in (token, secret):
            if text is not None:
                Needlework.write("secret", text)
        self.tokens.append(token)
        # Outside of what is searched: it is where the secrets are kept.
        path = f"/tmp/sanyao-webhook-{os.getpid()}-{secrets.token_hex(4)}"
        lines = [f"http://127.0.0.1:{receiver.port}/hook?access_token={token}"]
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join(lines + ([secret] if secret else [])) + "\n")
        self.items.append((path, f"{name}={kind}:{path}"))
        return token

    @property
    def setting(self):
        return ",".join(item for _, item in self.items)

    def remove(self):
        for path, _ in self.items:
            os.unlink(path)


@pytest.fixture
def webhooks(place):
    made = Webhooks(place)
    yield made
    made.remove()


WRITE = """
local version = redis.call('INCR', KEYS[1])
local text = string.format('%.0f', version)
redis.call('HSET', KEYS[2], ARGV[1], text .. ' ' .. ARGV[2])
redis.call('ZADD', KEYS[3], text, ARGV[1])
return version
"""
DOCUMENT_KEYS = ("{ledger}version", "{ledger}documents", "{ledger}changes")


def package_document(name, calls):
    return {"id": name, "credential": "main", "calls": calls, "priceCny": 30.00,
            "purchasedAt": "2026-11-01T00:00:00Z", "expiresAt": None, "removed": False}


def put_package(redis, name, calls):
    """As the shared store keeps it, before there is a replica."""
    document = package_document(name, calls)
    redis.command("EVAL", WRITE, 3, *DOCUMENT_KEYS, "package:" + name, json.dumps(document))


def documents(redis, kind):
    flat = redis.command("HGETALL", DOCUMENT_KEYS[1])
    bodies = [value.split(b" ", 1)[1] for value in flat[1::2]]
    return {name.decode().split(":", 1)[1]: json.loads(body)
            for name, body in zip(flat[::2], bodies) if name.startswith(kind.encode() + b":")}


def alerts(redis):
    return documents(redis, "alert")


def wait_for_alert(redis, name, timeout=20, **members):
    def is_so():
        found = alerts(redis).get(name)
        return found is not None and all(found[key] == value for key, value in members.items())

    wait_until(is_so, timeout, f"the alert {name} with {members}")


def spend(servers, people, count):
    servers = list(servers)
    for number in range(count):
        assert servers[number % len(servers)].ask(people.one()).status == 200


def generic_ids(requests):
    return [body["id"] for _, body, _ in requests]


def no_address_was_logged(servers, webhooks):
    for server in servers:
        for path in (server.log_path, server.stderr_path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            assert not any(token in text for token in webhooks.tokens), path
            assert SIGNING not in text, path


def test_each_crossing_is_told_once_over_three_replicas(replicas, redis, people, webhooks):
    with Receiver() as receiver:
        webhooks.add("ops", "generic", receiver)
        put_package(redis, "p-1", 10)
        group = replicas(3, ALERTS_WEBHOOKS=webhooks.setting, ALERTS_THRESHOLDS="50,20,0")
        spend(group, people, 4)
        assert receiver.seen() == []
        spend(group, people, 1)
        assert generic_ids(receiver.wait_for(1)) == ["package/p-1/50"]
        spend(group, people, 5)
        wait_for_alert(redis, "package/p-1/0", delivered=True)
        wait_for_alert(redis, "package/p-1/20", delivered=True)
        told = receiver.wait_for(3)
        assert sorted(generic_ids(told)) == ["package/p-1/0", "package/p-1/20", "package/p-1/50"]
        assert told[0][1]["product"] == "sanyao" and told[0][1]["left"] == 5
        # A log is written behind what it tells of.
        wait_until(
            lambda: sorted(event["alert"] for server in group for event in server.events("alert"))
            == sorted(generic_ids(told)), 10, "a line for each alert",
        )

        # A top-up: what is left is above again, and every crossing is told once more.
        Desk(group[0]).set_package("p-1", calls=20)
        wait_for_alert(redis, "package/p-1/20", state="resolved")
        wait_for_alert(redis, "package/p-1/0", state="resolved")
        spend(group, people, 10)
        wait_for_alert(redis, "package/p-1/0", state="firing", delivered=True)
        ids = generic_ids(receiver.wait_for(5))
        assert ids.count("package/p-1/0") == ids.count("package/p-1/20") == 2
        no_address_was_logged(group, webhooks)


def test_a_removed_package_resolves_its_alerts(replicas, redis, people, webhooks):
    put_package(redis, "p-1", 2)
    group = replicas(1, ALERTS_THRESHOLDS="50")
    spend(group, people, 1)
    wait_for_alert(redis, "package/p-1/50", state="firing", delivered=False)
    Desk(group[0]).set_package("p-1", removed=True)
    wait_for_alert(redis, "package/p-1/50", state="resolved")


@pytest.mark.longest
def test_robots_get_their_signatures_and_are_asked_again(replicas, redis, people, webhooks):
    refusals = [500, (200, {"errcode": 310000, "code": 19021}), 302]
    with Receiver(refusals) as ding, Receiver(refusals) as fei, Receiver(refusals) as wecom:
        token = webhooks.add("ding", "dingtalk", ding, SIGNING)
        webhooks.add("fei", "feishu", fei, SIGNING)
        webhooks.add("we", "wecom", wecom)
        put_package(redis, "p-1", 2)
        group = replicas(1, ALERTS_WEBHOOKS=webhooks.setting, ALERTS_THRESHOLDS="50")
        spend(group, people, 1)
        wait_for_alert(redis, "package/p-1/50", timeout=40, delivered=True, attempts=4)
        assert [len(one.seen()) for one in (ding, fei, wecom)] == [4, 4, 4]

        path, body, headers = ding.seen()[-1]
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, strict_parsing=True)
        text = f"{query['timestamp'][0]}\n{SIGNING}".encode()
        wanted = base64.b64encode(hmac.digest(SIGNING.encode(), text, hashlib.sha256)).decode()
        assert query["sign"] == [wanted] and query["access_token"] == [token]
        assert abs(int(query["timestamp"][0]) / 1000 - time.time()) < 60
        assert body["msgtype"] == "markdown" and "p-1" in body["markdown"]["text"]
        assert headers["Content-Type"].startswith("application/json")

        _, body, _ = fei.seen()[-1]
        key = f"{body['timestamp']}\n{SIGNING}".encode()
        wanted = base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
        assert body["sign"] == wanted and "sanyao" in body["content"]["text"]

        _, body, _ = wecom.seen()[-1]
        assert "1 / 2" in body["markdown"]["content"]
        assert not any(path.startswith("/elsewhere") for one in (ding, fei, wecom)
                       for path, _, _ in one.seen())
        no_address_was_logged(group, webhooks)
        assert len(group[0].wait_for_event("alert not delivered", count=9)) == 9


def test_a_webhook_that_has_it_is_not_told_again(replicas, redis, people, webhooks):
    with Receiver() as good, Receiver([500]) as bad:
        webhooks.add("good", "generic", good)
        webhooks.add("bad", "generic", bad)
        put_package(redis, "p-1", 2)
        group = replicas(1, ALERTS_WEBHOOKS=webhooks.setting, ALERTS_THRESHOLDS="50")
        spend(group, people, 1)
        wait_for_alert(redis, "package/p-1/50", delivered=True)
        assert (len(good.seen()), len(bad.seen())) == (1, 2)


@pytest.mark.longest
def test_another_replica_goes_on_where_the_holder_was_killed(replicas, redis, people, webhooks):
    with Receiver(["hang"]) as receiver:
        webhooks.add("ops", "generic", receiver)
        put_package(redis, "p-1", 2)
        group = replicas(2, ALERTS_WEBHOOKS=webhooks.setting, ALERTS_THRESHOLDS="50")
        spend(group, people, 1)
        receiver.wait_for(1)
        holder = wait_until(
            lambda: next((server for server in group if server.events("alert")), None), 10, "its line"
        )
        other = next(server for server in group if server is not holder)
        first = alerts(redis)["package/p-1/50"]["holder"]
        holder.kill()
        holder.process = None
        wait_for_alert(redis, "package/p-1/50", timeout=40, delivered=True)
        assert alerts(redis)["package/p-1/50"]["holder"] != first
        assert generic_ids(receiver.seen()) == ["package/p-1/50"] * 2
        assert len(other.wait_for_event("alert delivered")) == 1


def test_a_store_that_went_away_is_told_at_once_and_written_when_it_is_back(
        replicas, redis, webhooks):
    with Receiver() as receiver:
        webhooks.add("ops", "generic", receiver)
        group = replicas(1, ALERTS_WEBHOOKS=webhooks.setting)
        redis.freeze()
        _, body, _ = receiver.wait_for(1)[0]
        assert body["kind"] == "store" and body["state"] == "firing"
        redis.thaw()
        wait_for_alert(redis, body["id"], state="resolved", delivered=True)
        group[0].wait_until_ready()
        assert len(receiver.seen()) == 1


def test_an_unheard_of_status_is_told_once(replicas, redis, people, sandbox, webhooks):
    with Receiver() as receiver:
        webhooks.add("ops", "generic", receiver)
        group = replicas(2, ALERTS_WEBHOOKS=webhooks.setting)
        sandbox.behave(status="299")
        for server in group:
            server.ask(people.one())
        assert generic_ids(receiver.wait_for(1)) == ["status/299"]
        wait_for_alert(redis, "status/299", delivered=True)
        assert len(receiver.seen()) == 1


def test_a_refused_credential_is_told(replicas, redis, people, sandbox, webhooks):
    with Receiver() as receiver:
        webhooks.add("ops", "generic", receiver)
        group = replicas(2, ALERTS_WEBHOOKS=webhooks.setting, APPCODE=secrets.token_hex(16))
        for server in group:
            assert server.ask(people.one()).code == "upstream_refused_credential"
        assert generic_ids(receiver.wait_for(1)) == ["credential/main"]
        wait_for_alert(redis, "credential/main", delivered=True)
        assert len(receiver.seen()) == 1


def test_the_embedded_store_tells_too(start, people, webhooks):
    with Receiver() as receiver:
        webhooks.add("ops", "generic", receiver)
        server = start(ALERTS_WEBHOOKS=webhooks.setting, APPCODE=secrets.token_hex(16))
        assert server.ask(people.one()).code == "upstream_refused_credential"
        assert generic_ids(receiver.wait_for(1)) == ["credential/main"]
        server.wait_for_event("alert delivered")
        metrics = server.admin("GET", "/metrics").body.decode()
        assert "sanyao_alerts_fired_total 1\n" in metrics
        assert 'sanyao_alert_deliveries_total{outcome="delivered"} 1\n' in metrics


def start_with_package(start, calls, **settings):
    """The embedded store is closed while it is written to by hand."""
    server = start(**settings)
    server.stop()
    with contextlib.closing(sqlite3.connect(server.database)) as database, database:
        database.execute("INSERT INTO documents VALUES ('package', 'p-1', 1, ?)",
                         [json.dumps(package_document("p-1", calls))])
    return server.start()


def test_the_embedded_store_tells_of_each_crossing_once(start, people, webhooks):
    with Receiver([500]) as receiver:
        webhooks.add("ops", "generic", receiver)
        server = start_with_package(start, 4, ALERTS_WEBHOOKS=webhooks.setting,
                                    ALERTS_THRESHOLDS="50,0")
        spend([server], people, 2)
        receiver.wait_for(2)
        spend([server], people, 2)
        assert server.ask(people.one()).code == "package_exhausted"
        ids = generic_ids(receiver.wait_for(3))
        assert ids == ["package/p-1/50", "package/p-1/50", "package/p-1/0"]
        server.wait_for_event("alert delivered", count=2)
        server.stop()
        assert len(receiver.seen()) == 3
        no_address_was_logged([server], webhooks)


@pytest.mark.longest
def test_what_was_not_delivered_is_taken_over_by_the_next_start(start, people, webhooks):
    with Receiver(["hang"]) as receiver:
        webhooks.add("ops", "generic", receiver)
        server = start_with_package(start, 2, ALERTS_WEBHOOKS=webhooks.setting,
                                    ALERTS_THRESHOLDS="50")
        spend([server], people, 1)
        receiver.wait_for(1)
        server.kill()
        server.start()
        server.wait_for_event("alert delivered", timeout=40)
        assert generic_ids(receiver.seen()) == ["package/p-1/50"] * 2


def test_a_webhook_that_hangs_does_not_hold_up_the_end(start, people, webhooks):
    with Receiver(["hang"]) as receiver:
        webhooks.add("ops", "generic", receiver)
        server = start(ALERTS_WEBHOOKS=webhooks.setting, APPCODE=secrets.token_hex(16))
        server.ask(people.one())
        receiver.wait_for(1)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 4
