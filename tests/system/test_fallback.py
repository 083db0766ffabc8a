"""Several sellers in order: the next one is asked when the first refuses, is out, or does not know."""

import json

import pytest
from desk import Desk, bearer
from harness import together, wait_until
from sandbox_control import APPCODE, Sandbox
from test_providers import described
from test_reload import Settings
from test_replicas import PATIENT, ask_on, check_books, read_all

# The sandbox of the second seller knows its code as its own.
THEIRS = "89abcdef0123456789abcdef01234567"


@pytest.fixture
def other():
    """The second seller's own gateway."""
    with Sandbox(None, "--appcode", f"{THEIRS}:1000000") as sandbox:
        yield sandbox


def order_of(other):
    return {
        "order": ["guide", "second"],
        "providers": {"second": described(other, credentials=["theirs"])},
    }


@pytest.fixture
def both(tmp_path, start, sandbox, other):
    """both(**environment): a server that asks the sandbox, then the other one."""
    code = tmp_path / "theirs"
    code.write_text(THEIRS)

    def make(**environment):
        settings = Settings(tmp_path, start)
        return settings.start({"upstream": order_of(other), "credentials": [f"theirs={code}"]},
                              upstream_url=sandbox.url, **environment)
    return make


def credentials_of(server):
    return [(row["credential"], row["state"], row["billed"]) for row in server.rows()]


def test_the_first_one_answers_alone(both, sandbox, other, people):
    server = both()
    assert server.ask(people.one()).json["source"] == "upstream"
    assert (sandbox.calls(), other.calls()) == (1, 0)


REFUSALS = ["invalid-appcode", "unauthorized", "user-arrears", "quota-exhausted", "quota-expired",
            "throttled", "internal-error", "backend-failed", "service-busy", "invalid-path"]


@pytest.mark.parametrize("gateway", REFUSALS)
def test_a_refusal_is_answered_by_the_next(both, sandbox, other, people, gateway):
    server = both()
    sandbox.behave(gateway=gateway)
    reply = server.ask(people.one())
    assert (reply.status, reply.json["source"], reply.json["billed"]) == (200, "upstream", True)
    assert (sandbox.calls(), other.calls()) == (1, 1)
    assert credentials_of(server) == [("main", "released", 0), ("theirs", "settled", 1)]


def test_an_outage_is_answered_by_the_next_and_not_waited_for(both, sandbox, other, people):
    server = both(BREAKER_LEAST_CALLS="4", BREAKER_OPEN_FOR="1m")
    sandbox.stop()
    for person in people.some(12):
        assert server.ask(person).json["source"] == "upstream"
    assert other.calls() == 12
    rows = [row[0] for row in credentials_of(server)]
    assert rows.count("theirs") == 12
    assert rows.count("main") == 4, "then the breaker is open, and nothing is reserved for it"


def test_what_one_does_not_know_the_next_may(both, sandbox, other, people):
    server = both()
    person = people.one()
    sandbox.behave(mobile=person.mobile, status="207")
    reply = server.ask(person)
    assert (reply.json["status"], reply.json["billed"]) == ("01", True)
    assert credentials_of(server) == [("main", "settled", 1), ("theirs", "settled", 1)]
    assert server.ask(person).json["source"] == "cache"


def test_what_neither_knows_is_207(both, sandbox, other, people):
    server = both()
    person = people.one()
    sandbox.behave(mobile=person.mobile, status="207")
    other.behave(mobile=person.mobile, status="207")
    reply = server.ask(person)
    assert (reply.json["status"], reply.json["result"]) == ("207", "unsupported_segment")
    assert server.ask(person).json["source"] == "cache"
    assert (sandbox.calls(), other.calls()) == (1, 1)


def test_207_is_told_where_the_next_fails(both, sandbox, other, people):
    server = both()
    person = people.one()
    sandbox.behave(mobile=person.mobile, status="207")
    other.behave(gateway="internal-error")
    reply = server.ask(person)
    assert (reply.status, reply.json["status"], reply.json["billed"]) == (200, "207", True)
    assert server.ask(person).json["source"] == "cache"


@pytest.mark.parametrize("cut", ["request", "reset", "body"])
def test_what_may_have_been_billed_is_not_asked_of_the_next(both, sandbox, other, people, cut):
    server = both()
    person = people.one()
    sandbox.behave(mobile=person.mobile, cut=cut)
    reply = server.ask(person)
    assert (reply.status, reply.json["billed"]) == (503, "unknown")
    assert other.calls() == 0
    assert server.states() == {"unknown": 1}


def test_each_has_its_own_packages(both, sandbox, other, people):
    server = both()
    desk = Desk(server)
    desk.add_package("first", 3)
    desk.add_package("second", 4, credential="theirs")
    crowd = people.some(9)
    replies = together(len(crowd), lambda index: server.ask(crowd[index]))
    assert sorted(reply.status for reply in replies) == [200] * 7 + [503] * 2
    assert {reply.code for reply in replies if reply.status == 503} == {"package_exhausted"}
    packages = desk.packages()
    assert (packages["first"]["used"], packages["second"]["used"]) == (3, 4)
    assert (sandbox.calls(), other.calls()) == (3, 4)


def test_each_has_its_own_window_of_a_number(both, sandbox, other, people):
    """The first one's limit is not counted by the other's calls."""
    server = both(NUMBER_LIMIT_MAX_CALLS="2")
    person = people.one()
    sandbox.behave(gateway="internal-error", calls=2)
    for _ in range(2):
        assert server.ask(person, cache_control="no-cache").json["source"] == "upstream"
    assert (sandbox.calls(), other.calls()) == (2, 2)
    for _ in range(2):
        assert server.ask(person, cache_control="no-cache").json["source"] == "upstream"
    assert (sandbox.calls(), other.calls()) == (4, 2)
    assert server.ask(person, cache_control="no-cache").json["source"] == "guard"
    assert (sandbox.calls(), other.calls()) == (4, 2)


def test_a_clients_quota_counts_the_calls_of_all(both, sandbox, other, people):
    server = both(AUTH="keys")
    desk = Desk(server)
    key = desk.add_client("shop", dailyCalls=3)
    sandbox.behave(gateway="internal-error")
    replies = [server.ask(person, headers=bearer(key)) for person in people.some(5)]
    assert [reply.status for reply in replies] == [200] * 3 + [429] * 2
    assert other.calls() == 3


def test_over_replicas_followers_get_the_last_answer(replicas, sandbox, other, people, tmp_path):
    code = tmp_path / "theirs"
    code.write_text(THEIRS)
    order = order_of(other)
    group = replicas(3, CREDENTIALS=f"theirs={code}", UPSTREAM_ORDER="guide,second",
                     UPSTREAM_PROVIDERS=json.dumps(order["providers"]), **PATIENT)
    for person in people.some(4):
        sandbox.behave(mobile=person.mobile, status="207", latencyMs=100)
        other.behave(mobile=person.mobile, latencyMs=100)
        replies = read_all(ask_on(group, person, 4), person)
        assert {reply.json["status"] for reply in replies} == {"01"}
        assert [reply.json["billed"] for reply in replies].count(True) == 1
        assert (sandbox.calls(mobile=person.mobile), other.calls(mobile=person.mobile)) == (1, 1)
    check_books(group)


def test_the_order_is_changed_by_a_reload(both, sandbox, other, people):
    server = both()
    assert server.ask(people.one()).status == 200
    assert (sandbox.calls(), other.calls()) == (1, 0)
    path = server.settings["CONFIG"]
    text = json.loads(open(path).read())
    text["upstream"]["order"] = ["second", "guide"]
    with open(path, "w") as file:
        json.dump(text, file)
    Desk(server).do("POST", "reload")
    assert server.ask(people.one()).status == 200
    assert (sandbox.calls(), other.calls()) == (1, 1)
    wait_until(lambda: Desk(server).balance() is not None, 5, "the books")
    assert APPCODE != THEIRS
