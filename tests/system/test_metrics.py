"""What is counted, that it stays bounded and says nothing of anybody, and who reads it: promtool, a real
Prometheus, the rules and the dashboard of docker/monitoring."""

import base64
import collections
import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
import yaml
from contract import SOURCE_DIR
from desk import Desk, bearer
from harness import Connection, Needlework, query_of, wait_until
from redis_server import free_port
from sandbox_control import Sandbox
from test_replicas import ask_on, lead, read_all

MONITORING = os.path.join(SOURCE_DIR, "docker", "monitoring")
CLIENTS_MOST = 1000
CLIENTS = 1500
# A scrape of so many clients takes no more memory than one of few; the rest is what libraries do.
SCRAPE_BYTES = 4 * 1024 * 1024
SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? ([0-9.e+-]+|NaN|[+-]Inf)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')
OWN = re.compile(r"\b(?:sanyao|process)_[a-z0-9_]+")
RECORDED = re.compile(r"\bsanyao:[a-z0-9_:]+")


class Scrape:
    """One look at /metrics: samples by family and labels, and the families' types."""

    def __init__(self, text):
        self.text = text
        self.types = dict(
            line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE ")
        )
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line}"
            key = (match[1], frozenset(LABEL.findall(match[2] or "")))
            assert key not in self.samples, f"twice: {line}"
            self.samples[key] = float(match[3])

    def of(self, family, **labels):
        """{labels as a dict's items: value} of the family where these labels are so."""
        wanted = set(labels.items())
        return {
            found: value for (name, found), value in self.samples.items()
            if name == family and wanted <= found
        }

    def one(self, family, **labels):
        value, = self.of(family, **labels).values()
        return value

    def total(self, family, **labels):
        return sum(self.of(family, **labels).values())

    def names(self):
        """Of samples: what a query may ask for."""
        endings = {"histogram": ("_bucket", "_sum", "_count")}
        return {
            name + ending for name, kind in self.types.items() for ending in endings.get(kind, ("",))
        }


def scrape(server):
    reply = server.admin("GET", "/metrics")
    assert reply.status == 200
    assert reply.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(reply.body.decode())


def requests(server):
    """{(client, route, result, source): how many}"""
    return {
        tuple(dict(labels)[name] for name in ("client", "route", "result", "source")): value
        for labels, value in scrape(server).of("sanyao_requests_total").items()
    }


def more(server, before):
    """What was counted since."""
    return {key: value - before.get(key, 0) for key, value in requests(server).items()
            if value != before.get(key, 0)}


def promtool(*arguments, text=None):
    done = subprocess.run(
        [shutil.which("promtool"), *arguments], input=text, cwd=MONITORING, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def see_everything(server, sandbox, people):
    """A bit of everything that is counted: so that every family has a sample."""
    person = people.one()
    server.ask(person)
    server.ask(person)
    unheard = people.one()
    sandbox.behave(mobile=unheard.mobile, status="299")
    server.ask(unheard)
    server.ask(person.but(name="三"))
    server.get(person, "/carrieroperator")
    server.request("GET", "/nowhere")
    desk = Desk(server)
    desk.add_package("p-1", 100)
    closed = people.one(status="203")
    server.ask(closed)
    server.ask(closed)
    wait_until(lambda: scrape(server).of("sanyao_package_calls_remaining"), 20, "a look at packages")


# --- the page ---


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_promtool_has_nothing_to_say(request, start, sandbox, people, kind):
    redis = request.getfixturevalue("redis") if kind == "redis" else None
    server = start(redis=redis)
    server.wait_until_ready()
    assert promtool("check", "metrics", text=scrape(server).text) == ""
    see_everything(server, sandbox, people)
    found = scrape(server)
    assert promtool("check", "metrics", text=found.text) == ""
    silent = {name for name in found.types if not any(key[0].startswith(name) for key in found.samples)}
    assert silent == set()


def test_each_question_is_counted_once(start, sandbox, people):
    server = start(INFERENCE="true", ANONYMOUS_REFRESH="false")
    own, far, limited = people.one(), people.one(segment="170"), people.one(status="203")
    kept, unheard = people.one(status="02"), people.one()
    sandbox.behave(mobile=unheard.mobile, status="299")
    wrong_type = [("Content-Type", "text/plain")]
    other = own.but(name="欧阳测试")

    def post(headers, body):
        server.request("POST", "/verify", headers, body)

    script = [
        (lambda: server.ask(own), "verify_post", "match", "upstream"),
        (lambda: server.ask(own), "verify_post", "match", "cache"),
        (lambda: server.get(own), "verify_get", "match", "cache"),
        (lambda: server.get(own, "/carrieroperator"), "carrieroperator", "match", "cache"),
        (lambda: server.ask(other), "verify_post", "mismatch", "inferred"),
        (lambda: server.get(kept), "verify_get", "mismatch", "upstream"),
        (lambda: server.ask(people.one(status="202")), "verify_post", "unverifiable", "upstream"),
        (lambda: server.ask(people.one(status="207")), "verify_post", "unsupported_segment", "upstream"),
        (lambda: server.ask(unheard), "verify_post", "unknown", "upstream"),
        (lambda: server.ask(far), "verify_post", "virtual_operator", "local"),
        (lambda: server.ask(limited), "verify_post", "number_limited", "upstream"),
        (lambda: server.ask(limited), "verify_post", "number_limited", "guard"),
        (lambda: server.ask(own.but(name="三")), "verify_post", "invalid_name", "local"),
        (lambda: server.ask(own.but(id_card="11010519491231002")), "verify_post", "invalid_id_card", "local"),
        (lambda: server.ask(own.but(mobile="1380013800")), "verify_post", "invalid_mobile", "local"),
        (lambda: server.ask(people.one(), "only-if-cached"), "verify_post", "not_cached", "none"),
        (lambda: server.ask(own, "no-cache"), "verify_post", "refresh_not_allowed", "none"),
        (lambda: server.request("GET", "/verify?name=x"), "verify_get", "malformed_request", "none"),
        (lambda: post(wrong_type, b"{}"), "verify_post", "unsupported_media_type", "none"),
        (lambda: post([("Content-Type", "application/json")], b"x" * 20000), "verify_post",
         "body_too_large", "none"),
    ]
    for ask, route, result, source in script:
        before = requests(server)
        ask()
        client = "none" if result == "body_too_large" else "anonymous"
        assert more(server, before) == {(client, route, result, source): 1}
    strangers = [
        ("GET", "/nowhere", "not_found"), ("DELETE", "/verify", "method_not_allowed"),
        ("GET", "/verify?" + "x" * 5000, "uri_too_long"),
    ]
    for method, target, result in strangers:
        before = requests(server)
        server.request(method, target)
        route = "verify_get" if result == "uri_too_long" else "other"
        assert more(server, before) == {("none", route, result, "none"): 1}
    before = requests(server)
    for path in ("/healthz", "/readyz", "/openapi.yaml"):
        server.request("GET", path)
    assert more(server, before) == {}
    found = scrape(server)
    assert found.total("sanyao_request_duration_seconds_count") == sum(before.values())
    assert found.one("sanyao_number_window_closed_total") == 1


def test_clients_are_told_apart_and_strangers_are_not(start, people):
    server = start(AUTH="keys")
    desk = Desk(server)
    shop, slow = desk.add_client("shop"), desk.add_client("slow", requestsPerSecond=1, burst=1)
    off, other = desk.add_client("off"), desk.add_client("other")
    desk.set_client("off", disabled=True)
    person = people.one()
    for key in (shop, shop, other, slow, slow, off, "sy_shop_" + "A" * 43, "nonsense"):
        server.ask(person, headers=bearer(key))
    server.ask(person)
    assert requests(server) == {
        ("shop", "verify_post", "match", "upstream"): 1,
        ("shop", "verify_post", "match", "cache"): 1,
        ("other", "verify_post", "match", "cache"): 1,
        ("slow", "verify_post", "match", "cache"): 1,
        ("slow", "verify_post", "rate_limited", "none"): 1,
        ("off", "verify_post", "client_disabled", "none"): 1,
        ("none", "verify_post", "unauthenticated", "none"): 3,
    }
    promtool("check", "metrics", text=scrape(server).text)


def test_failures_and_stale_answers(start, sandbox, people):
    server = start(CACHE_TTL_01="1s", STALE_IF_ERROR="1h", BREAKER_FAILURES="0", UPSTREAM_TIMEOUT="1s",
                   UPSTREAM_CONNECT_TIMEOUT="500ms", REQUEST_TIMEOUT="5s")
    old, new = people.one(), people.one()
    server.ask(old)
    sandbox.behave(gateway="backend-failed")
    wait_until(lambda: server.ask(old).json["source"] == "stale", 10, "a stale answer")
    assert server.ask(new).code == "upstream_unavailable"
    sandbox.reset("behaviours")
    sandbox.behave(mobile=new.mobile, hang=True)
    assert server.ask(new).code == "upstream_timeout"
    found = requests(server)
    assert found[("anonymous", "verify_post", "match", "stale")] == 1
    assert found[("anonymous", "verify_post", "upstream_unavailable", "none")] == 1
    assert found[("anonymous", "verify_post", "upstream_timeout", "none")] == 1
    calls = scrape(server)
    label = {"credential": "main"}
    assert calls.one("sanyao_upstream_calls_total", status="01", billed="yes", **label) == 1
    assert calls.one("sanyao_upstream_calls_total", status="gateway_failed", billed="no", **label) == 2
    assert calls.one("sanyao_upstream_calls_total", status="timed_out", billed="unknown", **label) == 1
    assert calls.one("sanyao_upstream_duration_seconds_count", **label) == 4
    assert calls.one("sanyao_upstream_duration_seconds_bucket", le="0.5", **label) == 3
    assert calls.total("sanyao_upstream_calls_total") == len(server.rows())


def test_what_was_never_sent_took_no_time_of_upstreams(start, people):
    server = start(upstream_url=f"http://127.0.0.1:{free_port()}/carrieroperator")
    assert server.ask(people.one()).code == "upstream_unavailable"
    found = scrape(server)
    assert found.one("sanyao_upstream_calls_total", status="not_sent", billed="no") == 1
    assert found.of("sanyao_upstream_duration_seconds_count") == {}


def test_several_credentials(start, tmp_path, people):
    path = str(tmp_path / "second")
    code = secrets.token_hex(16)
    Needlework.write("secret", code)
    with open(path, "w", encoding="ascii") as file:
        file.write(code)
    with Sandbox(None, "--number-limit", "0", "--appcode", code) as sandbox:
        server = start(upstream_url=sandbox.url, CREDENTIALS="second=" + path)
        assert server.ask(people.one()).status == 200
        found = scrape(server)
    name = "sanyao_upstream_calls_total"
    assert found.one(name, credential="main", status="credential_unknown", billed="no") == 1
    assert found.one(name, credential="second", status="01", billed="yes") == 1
    assert found.one("sanyao_breaker_state", kind="credential", name="main") == 2


# --- gauges ---


def test_who_waits_is_seen(start, sandbox, people):
    server = start(WORKERS="1")
    person = people.one()
    leader = lead(sandbox, server, person)
    followers = ask_on([server], person, 3)
    names = ["questions_waiting", "followers", "leases", "upstream_calls_under_way", "connections"]

    def seen():
        found = scrape(server)
        return [found.one("sanyao_" + name) for name in names]

    wait_until(lambda: seen() == [4, 3, 1, 1, 4], 10, "those who wait")
    sandbox.release()
    read_all([leader, *followers], person)
    wait_until(lambda: seen()[:4] == [0, 0, 0, 0], 10, "the end of waiting")
    wait_until(lambda: seen() == [0] * 5, 10, "the end of the connections")
    found = scrape(server)
    assert found.one("sanyao_cache_entries") == 1 and found.one("sanyao_collapsed_total") == 3


def test_what_waits_for_a_store_that_is_away_is_seen(start, sandbox, redis, people):
    server = start(redis=redis, WORKERS="1")
    server.wait_until_ready()
    person = people.one()
    server.ask(people.one())
    wait_until(lambda: scrape(server).one("sanyao_spill_settlements") == 0, 10, "the delivery")
    leader = lead(sandbox, server, person)
    redis.kill()
    sandbox.release()
    read_all([leader], person)
    found = scrape(server)
    assert found.one("sanyao_spill_settlements") == 1
    wait_until(lambda: scrape(server).one("sanyao_store_up") == 0, 10, "the store's absence")
    assert scrape(server).one("sanyao_ready") == 0
    redis.start()
    server.wait_until_ready()
    wait_until(lambda: scrape(server).one("sanyao_spill_settlements") == 0, 10, "the delivery")
    assert scrape(server).one("sanyao_store_up") == 1


def test_what_waits_for_a_file_that_is_locked_is_seen(start, sandbox, people):
    server = start(WORKERS="1")
    person = people.one()
    leader = lead(sandbox, server, person)
    other = sqlite3.connect(server.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    sandbox.release()
    read_all([leader], person)
    assert scrape(server).one("sanyao_spill_settlements") == 1
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: scrape(server).one("sanyao_spill_settlements") == 0, 10, "the writing")


def test_packages_and_alerts(start, sandbox, people):
    server = start()
    desk = Desk(server)
    assert scrape(server).one("sanyao_balance_unmetered") == 1
    desk.add_package("old", 5, purchasedAt="2020-01-01", expiresAt="2020-02-01")
    desk.add_package("p-1", 4)
    desk.add_package("gone", 9)
    desk.set_package("gone", removed=True)
    for person in people.some(3):
        server.ask(person)

    def left():
        return [(dict(labels), value) for labels, value
                in scrape(server).of("sanyao_package_calls_remaining").items()]

    wait_until(lambda: left() == [({"package": "p-1", "credential": "main"}, 1)], 20, "a look")
    found = scrape(server)
    assert found.one("sanyao_package_calls", package="p-1") == 4
    assert found.one("sanyao_balance_unmetered") == 0
    server.ask(people.one())
    wait_until(lambda: scrape(server).one("sanyao_alerts_firing", kind="package") > 0, 20, "an alert")
    assert scrape(server).one("sanyao_alerts_firing", kind="store") == 0


def test_the_store_is_timed_by_what_it_does(start, sandbox, people):
    server = start()
    person = people.one()
    leader = lead(sandbox, server, person)
    followers = ask_on([server], person, 4)
    wait_until(lambda: scrape(server).one("sanyao_questions_waiting") == 5, 10, "those who wait")
    sandbox.release()
    read_all([leader, *followers], person)
    found = scrape(server)
    name = "sanyao_store_duration_seconds_count"
    for op in ("admit", "settle"):
        assert found.one(name, op=op) == 1
    # Whoever asks the worker that is asking already needs no look into the store.
    assert 1 <= found.one(name, op="find") <= 5
    # On another worker a question waits for the leader, which says nothing of the store.
    assert sum(found.of(name, op="follow").values()) <= 1


def test_the_process_is_told_of(start):
    server = start()
    found = scrape(server)
    assert abs(found.one("process_start_time_seconds") - time.time()) < 60
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert found.one("process_resident_memory_bytes") == pytest.approx(resident, rel=0.3)
    assert 0 < found.one("process_open_fds") < found.one("process_max_fds")
    assert found.one("process_cpu_seconds_total") > 0
    info, = found.of("sanyao_build_info")
    version = subprocess.run([os.path.join(os.environ["BIN_DIR"], "sanyao"), "--version"],
                             capture_output=True, text=True, check=True).stdout.split()[-1]
    assert dict(info)["version"] == version


# --- nobody's data, and bounds ---


def test_nothing_of_a_person_or_a_stranger_is_a_label(start, sandbox, people):
    server = start(AUTH="keys")
    key = Desk(server).add_client("shop")
    asked = people.some(5)
    for person in asked:
        server.ask(person, headers=bearer(key))
        server.ask(person, headers=bearer("sy_" + "stranger-1" + "_" + "A" * 43))
        server.request("GET", "/" + person.mobile)
        server.request("GET", "/verify?" + query_of(person) + "&stranger-2=1", bearer(key))
    text = scrape(server).text
    for person in asked:
        for value in (person.name, person.id_card, person.mobile, urllib.parse.quote(person.name)):
            assert value not in text
    assert "stranger" not in text and key not in text


def plant_clients(server, key, count):
    """So many clients like that of the key, as if they had been there; their keys. The server is stopped
    meanwhile."""
    server.stop()
    keys = {}
    database = sqlite3.connect(server.database)
    with database:
        (body, version), = database.execute(
            "SELECT body, version FROM documents WHERE kind = 'client' AND id = 'c'")
        known = hashlib.sha256(key.encode()).hexdigest()
        assert known in body
        for number in range(count):
            name = f"c-{number:04d}"
            secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            keys[name] = f"sy_{name}_{secret}"
            planted = json.loads(body.replace(known, hashlib.sha256(keys[name].encode()).hexdigest()))
            planted["id"] = name
            database.execute("INSERT INTO documents VALUES ('client', ?, ?, ?)",
                             (name, version, json.dumps(planted)))
    database.close()
    server.start()
    server.wait_until_ready()
    return keys


def resident(server):
    return scrape(server).one("process_resident_memory_bytes")


def test_so_many_clients_and_no_more(start, people):
    server = start(AUTH="keys")
    keys = plant_clients(server, Desk(server).add_client("c"), CLIENTS - 1)
    person = people.one()
    query = "/verify?" + query_of(person)
    for turn in range(2):
        with server.connect() as connection:
            for key in keys.values():
                assert connection.request("GET", query, bearer(key)).status == 200
        before = resident(server)
        texts = {scrape(server).text.count("client=") for _ in range(5)}
        assert resident(server) - before < SCRAPE_BYTES, turn
        assert max(texts) <= 2 * (CLIENTS_MOST + 3)
    found = requests(server)
    names = {client for client, *_ in found}
    assert len(names - {"other"}) <= CLIENTS_MOST and "other" in names
    assert sum(found.values()) == 2 * len(keys)
    others = sum(value for (client, *_), value in found.items() if client == "other")
    # `c` has a number, too, and asked nothing.
    assert others == 2 * (len(keys) - CLIENTS_MOST + 1)
    assert promtool("check", "metrics", text=scrape(server).text) == ""


def test_a_scraper_that_goes_away_leaves_nothing(start, people):
    server = start()
    server.ask(people.one())
    for _ in range(30):
        with Connection(server.admin_port, "admin") as connection:
            connection.send("GET", "/metrics")
            connection.reset()
    assert scrape(server).one("sanyao_ready") == 1


# --- what reads it ---


def load_rules():
    with open(os.path.join(MONITORING, "rules.yml"), encoding="utf-8") as file:
        return [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]


def load_dashboard():
    with open(os.path.join(MONITORING, "dashboard.json"), encoding="utf-8") as file:
        return json.load(file)


def dashboard_queries():
    """[(panel's title, query as Grafana would send it)]"""
    found = [
        (panel["title"], target["expr"]) for panel in load_dashboard()["panels"]
        for target in panel.get("targets", ())
    ]
    assert len(found) > 30
    return [
        (title, query.replace("$instance", ".*").replace("$__rate_interval", "1m"))
        for title, query in found
    ]


def test_the_rules_do_what_they_say():
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")
    promtool("check", "config", "prometheus.yml")


def test_each_alert_has_a_test_and_a_runbook():
    with open(os.path.join(MONITORING, "rules_test.yml"), encoding="utf-8") as file:
        tests = file.read()
    with open(os.path.join(SOURCE_DIR, "docs", "operations.md"), encoding="utf-8") as file:
        headings = set(re.findall(r"^#+ (.*)$", file.read(), re.MULTILINE))
    with open(os.path.join(SOURCE_DIR, "README.md"), encoding="utf-8") as file:
        headings |= set(re.findall(r"^#+ (.*)$", file.read(), re.MULTILINE))
    alerts = [rule for rule in load_rules() if "alert" in rule]
    for rule in alerts:
        assert f"alertname: {rule['alert']}\n        exp_alerts:" in tests
        runbook = rule["annotations"]["runbook"]
        assert re.search(r"(?:docs/operations|README)\.md, (.*)$", runbook)[1] in headings, runbook
    assert len(alerts) > 10


def test_what_is_asked_for_exists_and_is_written_down(start, sandbox, people):
    server = start()
    see_everything(server, sandbox, people)
    found = scrape(server)
    names = found.names()
    recorded = {rule["record"] for rule in load_rules() if "record" in rule}
    queries = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in load_rules()]
    for title, query in queries + dashboard_queries():
        used = set(OWN.findall(query))
        assert used - names == set(), title
        assert set(RECORDED.findall(query)) <= recorded, title
    with open(os.path.join(SOURCE_DIR, "docs", "operations.md"), encoding="utf-8") as file:
        written = set(OWN.findall(re.sub(r"docker run .*", "", file.read())))  # volumes of ours
    assert set(found.types) <= written
    assert written - names - set(found.types) == set()


# --- a real Prometheus ---


class Prometheus:
    """On the configuration of docker/monitoring, but for its targets and its pace."""

    def __init__(self, directory, servers):
        self.directory, self.port = directory, free_port()
        os.makedirs(directory)
        with open(os.path.join(MONITORING, "prometheus.yml"), encoding="utf-8") as file:
            text = file.read()
        targets = ", ".join(f"127.0.0.1:{server.admin_port}" for server in servers)
        text, replaced = re.subn(r"targets: \[.*\]", f"targets: [{targets}]", text)
        assert replaced == 1
        text = re.sub(r"_interval: 15s", "_interval: 1s", text)
        with open(os.path.join(directory, "prometheus.yml"), "w", encoding="utf-8") as file:
            file.write(text)
        shutil.copy(os.path.join(MONITORING, "rules.yml"), directory)

    def __enter__(self):
        self.log = open(os.path.join(self.directory, "log.txt"), "wb")
        self.process = subprocess.Popen(
            [shutil.which("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            cwd=self.directory, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        wait_until(self.is_ready, 30, "Prometheus")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
            return json.load(reply)["data"]

    def is_ready(self):
        try:
            return self.get("/api/v1/status/runtimeinfo")
        except OSError:
            return False

    def query(self, query):
        """[(labels, value)]"""
        data = self.get("/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        return [(item["metric"], float(item["value"][1])) for item in data["result"]]

    def number(self, query):
        found = self.query(query)
        return found[0][1] if len(found) == 1 else None


@pytest.mark.longest
def test_prometheus_scrapes_two_replicas(place, replicas, sandbox, people):
    group = replicas(2)
    person = people.one()
    with Prometheus(os.path.join(place, "prometheus"), group) as prometheus:
        wait_until(lambda: prometheus.number('sum(up{job="sanyao"})') == 2, 30, "both replicas")
        see_everything(group[0], sandbox, people)
        group[1].ask(person)
        group[0].ask(person)
        asked = sum(sum(requests(server).values()) for server in group)
        wait_until(lambda: prometheus.number("sum(sanyao_requests_total)") == asked, 20, "all questions")
        calls = prometheus.number('sum(sanyao_upstream_calls_total{billed="yes"})')
        assert calls == sandbox.calls()
        assert prometheus.number("count(sanyao_build_info)") == 2
        assert prometheus.number("sum(sanyao_ready)") == 2

        def without_answer():
            """A rate needs a second scrape with more in it."""
            group[1].ask(person)
            return [title for title, query in dashboard_queries() if not prometheus.query(query)]

        wait_until(lambda: without_answer() == [], 30, "an answer to each of the dashboard's queries")
        rules = [rule for one in prometheus.get("/api/v1/rules")["groups"] for rule in one["rules"]]
        assert {rule["health"] for rule in rules} == {"ok"}
        targets = prometheus.get("/api/v1/targets")["activeTargets"]
        assert collections.Counter(target["health"] for target in targets) == {"up": 2}
