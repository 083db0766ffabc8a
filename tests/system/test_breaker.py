"""Breakers: an outage costs a few calls and no patience, and ends by itself."""

import pytest
from desk import Desk
from harness import Needlework, has_reply, read_answer, send_question, wait_until
from sandbox_control import APPCODE, Sandbox
from test_alerts import Receiver, webhooks  # noqa: F401 (a fixture)

LEAST_CALLS = 4
SETTINGS = {
    "BREAKER_LEAST_CALLS": LEAST_CALLS,
    "BREAKER_WINDOW": "1m",
    "BREAKER_OPEN_FOR": "1m",
    "BREAKER_PROBES": 1,
    "UPSTREAM_RETRIES": 0,
}
SOON = "300ms"
CLOSED, HALF_OPEN, OPEN = 0, 1, 2
OUTAGE = {"gateway": "backend-failed"}
SECOND = "sandbox-appcode-of-the-second"


def sample(server, family, kind="provider", name="guide"):
    lines = server.admin("GET", "/metrics").body.decode().splitlines()
    start = f'{family}{{kind="{kind}",name="{name}"}} '
    value, = (line.removeprefix(start) for line in lines if line.startswith(start))
    return int(value)


def state(server, kind="provider", name="guide"):
    return sample(server, "sanyao_breaker_state", kind, name)


def opened(server, kind="provider", name="guide"):
    return sample(server, "sanyao_breaker_opened_total", kind, name)


def wait_for_state(server, wanted, kind="provider", name="guide"):
    wait_until(lambda: state(server, kind, name) == wanted, 20, f"the state {wanted} of {name}")


def shown_by(request):
    """The provider's breaker in a readiness that it does not change."""
    reply = request("GET", "/readyz")
    assert (reply.status, reply.json["status"]) == (200, "ready")
    shown, = (one for one in reply.json["breakers"] if one["kind"] == "provider")
    return shown


def heal(sandbox):
    """Whatever hangs is answered."""
    sandbox.reset("behaviours")


def break_down(server, sandbox, people, **outage):
    """So many calls fail as it takes, and one call less does not open it."""
    sandbox.behave(**(outage or OUTAGE))
    for person in people.some(LEAST_CALLS - 1):
        assert server.ask(person).code == "upstream_unavailable"
    assert state(server) == CLOSED
    assert server.ask(people.one()).code == "upstream_unavailable"
    wait_for_state(server, OPEN)


def ask_in_vain(server, sandbox, people, count=5):
    """Nobody is called, and nothing is reserved."""
    calls, rows = sandbox.calls(), len(server.rows())
    replies = [server.ask(person) for person in people.some(count)]
    assert (sandbox.calls(), len(server.rows())) == (calls, rows)
    for reply in replies:
        assert (reply.status, reply.code) == (503, "upstream_unavailable")
        assert (reply.json["billed"], reply.json["retryable"]) == (False, True)
    return replies


@pytest.mark.parametrize(
    "outage",
    [OUTAGE, {"gateway": "service-unavailable"}, {"cut": "request"}, {"http": 500}],
    ids=["gateway", "unavailable", "cut", "500"],
)
def test_an_outage_opens_it(outage, start, sandbox, people):
    server = start(**SETTINGS)
    break_down(server, sandbox, people, **outage)
    assert sandbox.calls() == LEAST_CALLS
    for reply in ask_in_vain(server, sandbox, people):
        assert 1 <= int(reply.header("Retry-After")) <= 60
    heal(sandbox)
    ask_in_vain(server, sandbox, people, 1)
    assert opened(server) == 1


def test_nobody_there_opens_it(start, sandbox, people):
    server = start(**SETTINGS)
    sandbox.stop()
    for person in people.some(LEAST_CALLS):
        assert server.ask(person).code == "upstream_unavailable"
    wait_for_state(server, OPEN)
    rows = len(server.rows())
    assert server.ask(people.one()).code == "upstream_unavailable"
    assert len(server.rows()) == rows


def test_on_a_shared_store_nothing_is_reserved_either(replicas, sandbox, people):
    """And each replica finds out for itself."""
    first, other = replicas(2, **SETTINGS)
    break_down(first, sandbox, people)
    ask_in_vain(first, sandbox, people)
    heal(sandbox)
    assert state(other) == CLOSED
    assert other.ask(people.one()).json["source"] == "upstream"


def test_some_failures_do_not_open_it(start, sandbox, people):
    server = start(**SETTINGS)
    for person in people.some(LEAST_CALLS):
        assert server.ask(person).status == 200
    sandbox.behave(**OUTAGE)
    for person in people.some(LEAST_CALLS - 1):
        server.ask(person)
    assert state(server) == CLOSED
    server.ask(people.one())  # the half
    wait_for_state(server, OPEN)


def test_it_can_be_turned_off(start, sandbox, people):
    server = start(**{**SETTINGS, "BREAKER_FAILURES": 0})
    sandbox.behave(**OUTAGE)
    for person in people.some(3 * LEAST_CALLS):
        server.ask(person)
    assert sandbox.calls() == 3 * LEAST_CALLS and state(server) == CLOSED


def test_what_is_known_is_served_meanwhile(start, sandbox, people):
    server = start(CACHE_TTL_02="1s", **SETTINGS)
    kept, expired = people.one(), people.one(status="02")
    for person in (kept, expired):
        assert server.ask(person).json["source"] == "upstream"
    sandbox.behave(**OUTAGE)
    for person in people.some(LEAST_CALLS):
        server.ask(person)
    wait_for_state(server, OPEN)
    wait_until(lambda: server.ask(expired, "only-if-cached").code == "not_cached", 10, "expiry")
    calls = sandbox.calls()
    assert server.ask(kept).json["source"] == "cache"
    assert server.ask(expired).json["source"] == "stale"
    assert server.ask(expired, "no-cache").code == "upstream_unavailable"
    assert sandbox.calls() == calls


def test_metrics_and_readiness_show_it(start, sandbox, people):
    server = start(**SETTINGS)
    break_down(server, sandbox, people)
    assert opened(server) == 1
    for request in (server.request, server.admin):
        shown = shown_by(request)
        assert 1 <= shown.pop("retryInSeconds") <= 60
        assert shown == {"kind": "provider", "name": "guide", "state": "open"}


@pytest.mark.parametrize("probes", [1, 2])
def test_half_open_so_many_calls_try(probes, start, sandbox, people):
    server = start(**{**SETTINGS, "BREAKER_OPEN_FOR": SOON, "BREAKER_PROBES": probes})
    break_down(server, sandbox, people)
    wait_for_state(server, HALF_OPEN)
    shown = shown_by(server.request)
    assert shown == {"kind": "provider", "name": "guide", "state": "half_open"}
    heal(sandbox)
    sandbox.behave(hang=True)
    calls, rows = sandbox.calls(), len(server.rows())
    crowd = people.some(probes + 4)
    connections = [server.connect() for _ in crowd]
    for connection, person in zip(connections, crowd):
        send_question(connection, person)
    sandbox.wait_for_hanging(probes)
    wait_until(lambda: sum(map(has_reply, connections)) == 4, 20, "the refusal of the others")
    assert sandbox.calls() == calls + probes and len(server.rows()) == rows + probes
    heal(sandbox)
    statuses = []
    for connection, person in zip(connections, crowd):
        statuses.append(read_answer(connection, person).status)
        connection.close()
    assert sorted(statuses) == [200] * probes + [503] * 4
    wait_for_state(server, CLOSED)
    for person in people.some(5):
        assert server.ask(person).json["source"] == "upstream"
    assert opened(server) == 1


def test_a_bad_probe_opens_it_again(start, sandbox, people):
    server = start(**{**SETTINGS, "BREAKER_OPEN_FOR": SOON})
    break_down(server, sandbox, people)
    for times in (2, 3):
        wait_for_state(server, HALF_OPEN)
        calls = sandbox.calls()
        assert server.ask(people.one()).code == "upstream_unavailable"
        wait_until(lambda: opened(server) == times, 20, "its opening again")
        assert sandbox.calls() == calls + 1
    heal(sandbox)
    wait_for_state(server, HALF_OPEN)
    assert server.ask(people.one()).json["source"] == "upstream"
    wait_for_state(server, CLOSED)


def test_a_caller_that_leaves_does_not_keep_the_probe(start, sandbox, people):
    server = start(**{**SETTINGS, "BREAKER_OPEN_FOR": SOON, "UPSTREAM_TIMEOUT": "2s"})
    break_down(server, sandbox, people)
    heal(sandbox)
    sandbox.behave(hang=True, calls=1)
    wait_for_state(server, HALF_OPEN)
    person = people.one()
    with server.connect() as connection:
        send_question(connection, person)
        sandbox.wait_for_hanging(1)
    wait_until(lambda: opened(server) == 2, 20, "the end of the probe that got no answer")
    wait_for_state(server, HALF_OPEN)
    assert server.ask(people.one()).json["source"] == "upstream"
    wait_for_state(server, CLOSED)


def test_slow_calls_count_as_failed(start, sandbox, people):
    server = start(BREAKER_SLOW_CALL="100ms", **SETTINGS)
    sandbox.settings(latencyMs=250)
    for person in people.some(LEAST_CALLS):
        assert server.ask(person).json["source"] == "upstream"
    wait_for_state(server, OPEN)
    ask_in_vain(server, sandbox, people)


def test_its_alert_fires_once_and_is_resolved(start, sandbox, people, webhooks):  # noqa: F811
    with Receiver() as receiver:
        webhooks.add("ops", "generic", receiver)
        settings = {**SETTINGS, "BREAKER_OPEN_FOR": SOON, "ALERTS_WEBHOOKS": webhooks.setting}
        server = start(**settings)
        break_down(server, sandbox, people)
        _, told, _ = receiver.wait_for(1)[0]
        assert (told["kind"], told["state"]) == ("breaker", "firing")
        assert told["id"].startswith("breaker/") and told["id"].endswith("/provider/guide")
        wait_for_state(server, HALF_OPEN)
        assert server.ask(people.one()).code == "upstream_unavailable"
        wait_until(lambda: opened(server) == 2, 20, "its opening again")
        heal(sandbox)
        wait_for_state(server, HALF_OPEN)
        assert server.ask(people.one()).status == 200
        wait_for_state(server, CLOSED)

        def alert():
            shown, = Desk(server).do("GET", "alerts")["alerts"]
            return shown

        assert (alert()["id"], alert()["state"]) == (told["id"], "firing")
        wait_until(lambda: alert()["state"] == "resolved", 90, "a minute of calm")
        assert len(receiver.seen()) == 1
        assert [event["alert"] for event in server.events("alert")] == [told["id"]]


@pytest.fixture
def two_codes():
    Needlework.write("secret", SECOND)
    codes = ("--appcode", APPCODE, "--appcode", SECOND)
    with Sandbox(None, "--number-limit", "0", *codes) as running:
        yield running


def test_each_code_has_its_own(start, two_codes, tmp_path, people):
    """The package of the one that is throttled is drawn first."""
    path = tmp_path / "second-appcode"
    path.write_text(SECOND + "\n", "ascii")
    path.chmod(0o600)
    settings = {**SETTINGS, "UPSTREAM_RETRIES": 2, "CREDENTIALS": f"second={path}"}
    server = start(upstream_url=two_codes.url, **settings)
    desk = Desk(server)
    desk.add_package("first", 50, credential="second", expiresAt="2098-01-01")
    desk.add_package("then", 50, credential="main", expiresAt="2099-01-01")
    wait_until(lambda: server.ask(people.one()).status == 200 and received(two_codes, SECOND), 10,
               "the package of the second code")
    two_codes.behave(appCode=SECOND, gateway="throttled")

    def is_open():
        server.ask(people.one())
        return state(server, "credential", "second") == OPEN

    wait_until(is_open, 20, "the opening of the throttled code's")
    assert state(server, "credential", "main") == state(server) == CLOSED
    before = received(two_codes, SECOND)
    for person in people.some(5):
        assert server.ask(person).json["source"] == "upstream"
    assert received(two_codes, SECOND) == before
    assert opened(server, "credential", "main") == opened(server) == 0
    ready = server.request("GET", "/readyz")
    assert ready.status == 200
    assert [one["name"] for one in ready.json["breakers"]] == ["second"]
    assert Desk(server).do("GET", "alerts")["alerts"] == []


def received(sandbox, code):
    counts = {one["appCode"]: one["received"] for one in sandbox.stats()["byAppCode"]}
    return counts[code]
