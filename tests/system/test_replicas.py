"""Replicas on one Redis: one question, one call, and numbers left alone, over all of them."""

import collections
import random
import signal
import time

import pytest
from harness import has_reply, read_answer, send_question, together, wait_until, wait_until_read
from people import People
from redis_server import RedisServer, free_port, key_of, totals_of
from sandbox_control import Sandbox
from test_crash import Load, known
from test_drain import wait_for_draining
from test_number_limit import is_guarded, others

DAY = 24 * 3600
PATIENT = {"REQUEST_TIMEOUT": "30s"}
# How long followers may take from the leader's answer to theirs. It is milliseconds; polling for it, or
# waiting for the lease to end, would take much longer than this.
FOLLOWERS = 5


def ask_on(servers, person, each, **wishes):
    """Open connections, `each` at every server, on which the question was sent and read."""
    connections = []
    for server in servers:
        for _ in range(each):
            connections.append(server.connect())
            send_question(connections[-1], person, **wishes)
    for server in servers:
        wait_until_read(server)
    return connections


def read_all(connections, person):
    replies = [read_answer(connection, person) for connection in connections]
    for connection in connections:
        connection.close()
    return replies


def lead(sandbox, server, person, **behaviour):
    """A connection whose question is asked upstream, and stays there until sandbox.release()."""
    sandbox.behave(mobile=person.mobile, hang=True, calls=1, **behaviour)
    connection, = ask_on([server], person, 1)
    sandbox.wait_for_hanging(1)
    return connection


def check_books(replicas):
    """Every row has ended, or does so by itself, and the totals are the rows' sum."""
    rows = replicas.wait_for_ends()
    assert replicas.redis.totals() == totals_of(rows)


# --- one question, one call ---


@pytest.mark.parametrize("memory", ["0", "1000"])
def test_one_call_for_all_replicas(replicas, sandbox, people, memory):
    group = replicas(3, CACHE_MEMORY_ENTRIES=memory, **PATIENT)
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True, calls=1)
    connections = ask_on(group, person, 20)
    sandbox.wait_for_hanging(1)
    sandbox.release()
    begin = time.monotonic()
    replies = read_all(connections, person)
    assert time.monotonic() - begin < FOLLOWERS
    assert sandbox.calls() == 1 and group.states() == {"settled": 1}
    assert [reply.json["result"] for reply in replies] == ["match"] * 60
    assert sum(reply.json["billed"] for reply in replies) == 1
    told = collections.Counter(reply.cache_status.split("ttl=")[0] for reply in replies)
    assert told["sanyao; fwd=miss; stored"] == 1
    assert told["sanyao; fwd=miss; collapsed"] > 30, "they waited for the one"
    assert len({reply.json["traceId"] for reply in replies}) == 1
    check_books(group)


def test_without_a_pause_they_are_one_call_each(replicas, sandbox, people):
    group = replicas(3)
    crowd = people.some(10)
    replies = together(60, lambda index: group[index % 3].ask(crowd[index % 10]))
    assert all(reply.status == 200 for reply in replies)
    assert sandbox.calls() == sum(reply.json["billed"] for reply in replies) == 10
    assert group.states() == {"settled": 10}
    check_books(group)


def test_a_stampede_that_repeats_is_one_call_each_time(replicas, sandbox, people):
    """No call, and nobody forgotten, in the moment in which one round's call ends."""
    group = replicas(2)
    for _ in range(20):
        person = people.one()
        replies = together(6, lambda index, person=person: group[index % 2].ask(person))
        assert [reply.status for reply in replies] == [200] * 6
        assert sandbox.calls(mobile=person.mobile) == 1


FAILURES = [
    ({"gateway": "invalid-appcode"}, "upstream_refused_credential", False),
    ({"gateway": "throttled"}, "upstream_unavailable", False),
    ({"reply": "html"}, "upstream_invalid_reply", True),
    ({"cut": "request"}, "upstream_unavailable", "unknown"),
]


@pytest.mark.parametrize("behaviour, code, billed", FAILURES, ids=lambda v: str(v))
def test_the_leaders_failure_reaches_other_replicas(
    replicas, sandbox, people, behaviour, code, billed
):
    group = replicas(3, **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person, **behaviour)
    followers = ask_on(group, person, 5)
    sandbox.release()
    first, *replies = read_all([leader, *followers], person)
    assert (first.code, first.json["billed"]) == (code, billed)
    failed = [reply for reply in replies if reply.code == code]
    assert len(failed) > 7 and all(reply.code in (code, None) for reply in replies)
    assert all(reply.json["billed"] is False for reply in failed)
    assert sandbox.calls() <= 2, "those who came too late ask anew, together"
    check_books(group)


def test_a_wish_for_a_new_answer_joins_the_call_of_another_replica(replicas, sandbox, people):
    group = replicas(2, **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person)
    followers = ask_on([group[1]], person, 4, cache_control="no-cache")
    sandbox.release()
    replies = read_all([leader, *followers], person)
    assert all(reply.json["source"] == "upstream" for reply in replies)
    assert sandbox.calls() == sum(reply.json["billed"] for reply in replies) <= 2


def test_only_if_cached_waits_for_no_replica(replicas, sandbox, people):
    group = replicas(2, **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person)
    assert group[1].ask(person, "only-if-cached").code == "not_cached"
    sandbox.release()
    assert read_all([leader], person)[0].status == 200
    assert group[1].ask(person, "only-if-cached").json["source"] == "cache"


# --- one cache ---


@pytest.mark.parametrize("status", ["01", "02", "202", "206", "999"])
def test_what_one_replica_learnt_all_know(replicas, sandbox, people, status):
    group = replicas(3)
    person = people.one()
    sandbox.behave(mobile=person.mobile, status=status)
    first = group[0].ask(person)
    for reply in group.ask_everywhere(person):
        assert (reply.json["source"], reply.json["billed"]) == ("cache", False)
        assert reply.json["status"] == status and reply.json["traceId"] == first.json["traceId"]
        assert reply.json["expiresAt"] == first.json["expiresAt"]
    assert sandbox.calls() == 1
    left = group.redis.command("PTTL", key_of(group.hash_key, person))
    assert left > 0, "what is kept of people ends"


def test_a_newer_answer_replaces_the_copies_in_memory(replicas, sandbox, people):
    group = replicas(2)
    person = people.one()
    for _ in range(8):
        assert all(reply.json["result"] == "match" for reply in group.ask_everywhere(person))
    sandbox.behave(mobile=person.mobile, status="02")
    assert group[0].ask(person, "no-cache").json["result"] == "mismatch"

    def everywhere():
        replies = [reply for _ in range(8) for reply in group.ask_everywhere(person)]
        return all(reply.json["result"] == "mismatch" for reply in replies)

    wait_until(everywhere, 10, "the newer answer everywhere")
    assert sandbox.calls() == 2


def test_a_newer_answer_reaches_a_replica_that_was_cut_off(replicas, sandbox, people):
    """A notice may be lost with the connection; what it was about may not stay."""
    group = replicas(2)
    person = people.one()
    for _ in range(8):
        group.ask_everywhere(person)
    sandbox.behave(mobile=person.mobile, status="02")
    group[1].signal(signal.SIGSTOP)
    try:
        assert group[0].ask(person, "no-cache").json["result"] == "mismatch"
        group.redis.cut_connections()
    finally:
        group[1].signal(signal.SIGCONT)

    def everywhere():
        replies = [group[1].ask(person) for _ in range(8)]
        return all(reply.status == 200 and reply.json["result"] == "mismatch" for reply in replies)

    wait_until(everywhere, 10, "the newer answer at the replica that was cut off")
    assert sandbox.calls() == 2


# --- numbers ---


def test_the_window_of_a_number_is_one_for_all(replicas, sandbox, people):
    group = replicas(3, NUMBER_LIMIT_MAX_CALLS="3")
    person = people.one()
    asked = others(person, people, 30)
    replies = together(30, lambda index: group[index % 3].ask(asked[index]))
    sources = [reply.json["source"] for reply in replies]
    assert sources.count("upstream") == 3 and sources.count("guard") == 27
    assert sandbox.calls(mobile=person.mobile) == 3 and group.states() == {"settled": 3}
    for server in group:
        is_guarded(server.ask(asked[0].but(name=people.one().name)), DAY)
    check_books(group)


def test_a_refusal_says_when_the_number_opens(replicas, people):
    group = replicas(2, NUMBER_LIMIT_MAX_CALLS="1", NUMBER_LIMIT_WINDOW="1h")
    first, second = others(people.one(), people, 2)
    group[0].ask(first)
    is_guarded(group[1].ask(second), 3600)


def test_a_short_window_opens_again_everywhere(replicas, sandbox, people):
    group = replicas(2, NUMBER_LIMIT_MAX_CALLS="1", NUMBER_LIMIT_WINDOW="1s")
    first, second = others(people.one(), people, 2)
    group[0].ask(first)
    wait_until(
        lambda: group[1].ask(second).json["source"] in ("upstream", "cache"), 10, "the opening"
    )
    assert sandbox.calls(mobile=first.mobile) == 2


def test_a_203_closes_the_number_for_all(replicas, sandbox, people):
    group = replicas(3)
    person = people.one()
    first, *rest = others(person, people, 4)
    sandbox.behave(mobile=person.mobile, status="203", calls=1)
    assert group[0].ask(first).json["source"] == "upstream"
    for server, one in zip(group, rest):
        is_guarded(server.ask(one), DAY)
        is_guarded(server.ask(first), DAY)
    assert sandbox.calls(mobile=person.mobile) == 1


def test_a_guards_refusals_write_nothing(replicas, people):
    group = replicas(3, NUMBER_LIMIT_MAX_CALLS="1")
    first, *rest = others(people.one(), people, 31)
    group[0].ask(first)
    check_books(group)
    changes = group.redis.info("persistence")["rdb_changes_since_last_save"]
    keys = group.redis.keys()
    for index, one in enumerate(rest):
        is_guarded(group[index % 3].ask(one), DAY)
    assert group.redis.info("persistence")["rdb_changes_since_last_save"] == changes
    assert group.redis.keys() == keys


def test_calls_that_were_never_sent_do_not_count(replicas, people):
    port = free_port()
    group = replicas(
        3, upstream_url=f"http://127.0.0.1:{port}/carrieroperator", NUMBER_LIMIT_MAX_CALLS="1"
    )
    person = people.one()
    for one in others(person, people, 2):
        for reply in group.ask_everywhere(one):
            assert (reply.code, reply.json["billed"]) == ("upstream_unavailable", False)
    group.wait_for_states(released=6)
    window = key_of(group.hash_key, person, "window")
    assert group.redis.command("ZCARD", window) == 0
    with Sandbox(None, "--listen", f"127.0.0.1:{port}"):
        wait_until(
            lambda: group[1].ask(person).status == 200, 20, "the first call that is sent"
        )
        is_guarded(group[2].ask(others(person, people, 1)[0]), DAY)
    check_books(group)


def test_a_proven_number_answers_for_others_everywhere(replicas, sandbox, people):
    group = replicas(2, INFERENCE="true")
    person = people.one()
    assert group[0].ask(person).json["result"] == "match"
    reply = group[1].ask(others(person, people, 1)[0])
    assert (reply.json["status"], reply.json["source"], reply.json["billed"]) == (
        "02", "inferred", False,
    )
    assert sandbox.calls() == 1
    sandbox.behave(mobile=person.mobile, status="02")
    assert group[1].ask(person, "no-cache").json["result"] == "mismatch"
    assert group[0].ask(others(person, people, 1)[0]).json["source"] == "upstream", "proven no more"


# --- leaders that leave ---


def test_a_leaders_caller_may_hang_up(replicas, sandbox, people):
    group = replicas(3, **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person)
    followers = ask_on([group[1], group[2]], person, 3)
    leader.reset()
    sandbox.release()
    assert all(reply.json["result"] == "match" for reply in read_all(followers, person))
    assert group[2].ask(person).json["source"] == "cache"
    assert sandbox.calls() == 1 and group.states() == {"settled": 1}


def test_followers_wait_no_longer_than_they_want(replicas, sandbox, people):
    group = replicas(2, **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person)
    begin = time.monotonic()
    reply = group[1].ask(person, prefer="wait=1")
    assert 0.9 <= time.monotonic() - begin < 1 + FOLLOWERS
    assert (reply.status, reply.code) == (504, "upstream_timeout")
    sandbox.release()
    assert read_all([leader], person)[0].json["billed"] is True
    # Who asks before its notice has come joins those that wait for the call.
    wait_until(lambda: group[1].ask(person).json["source"] == "cache", 10, "the kept answer")
    assert sandbox.calls() == 1


def test_a_leader_that_drains_finishes_for_all(replicas, sandbox, people):
    group = replicas(3, DRAIN_TIMEOUT="30s", **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person)
    followers = ask_on([group[1]], person, 5)
    group[0].signal()
    wait_for_draining(group[0])
    assert group[0].process.poll() is None, "it waits for the call"
    sandbox.release()
    replies = read_all([leader, *followers], person)
    assert [reply.json["result"] for reply in replies] == ["match"] * 6
    assert group[0].wait() == 0
    group[0].process = None
    assert group[2].ask(person).json["source"] == "cache"
    assert sandbox.calls() == 1 and group.states() == {"settled": 1}
    check_books(group)


def test_a_killed_leaders_lease_ends_when_it_is_back(replicas, sandbox, people):
    group = replicas(2, REQUEST_TIMEOUT="1s")
    person = people.one()
    lead(sandbox, group[0], person)
    followers = ask_on([group[1]], person, 5)
    assert group.states() == {"reserved": 1}, "the intent stands before the call"
    group[0].kill()
    begin = time.monotonic()
    replies = read_all(followers, person)
    assert time.monotonic() - begin < 1 + FOLLOWERS
    assert [reply.code for reply in replies] == ["upstream_timeout"] * 5
    assert sandbox.calls() == 1, "nobody leads while the lease holds"
    group[0].start().wait_until_ready()
    group.wait_for_states(unknown=1)
    row, = group.rows()
    assert row["billed"] is None
    wait_until(lambda: group[1].ask(person).status == 200, 5, "the next leader")
    assert sandbox.calls() == 2
    group.wait_for_states(unknown=1, settled=1)
    assert group[0].ask(person).json["source"] == "cache"
    check_books(group)


def test_those_who_wait_are_told_when_a_killed_leader_is_back(replicas, sandbox, people):
    group = replicas(2, **PATIENT)
    person = people.one()
    lead(sandbox, group[0], person)
    followers = ask_on([group[1]], person, 5)
    group[0].kill()
    assert not any(has_reply(connection) for connection in followers)
    begin = time.monotonic()
    group[0].start()
    replies = read_all(followers, person)
    assert time.monotonic() - begin < 8, "long before the lease ends"
    assert all(reply.status in (200, 503, 504) for reply in replies)
    assert sandbox.calls() <= 2
    wait_until(lambda: group[1].ask(person).status == 200, 5, "the answer")


@pytest.mark.longest
def test_a_lease_runs_out_when_its_leader_never_comes_back(replicas, sandbox, people):
    """Its length is the longest call's and ten seconds: this test has to wait for that."""
    group = replicas(
        2, UPSTREAM_TIMEOUT="1s", UPSTREAM_CONNECT_TIMEOUT="500ms", REQUEST_TIMEOUT="1s"
    )
    person = people.one()
    lead(sandbox, group[0], person)
    group[0].kill()
    assert group[1].ask(person).code == "upstream_timeout"
    lease = group.redis.command("PTTL", key_of(group.hash_key, person, "lease"))
    assert 0 < lease <= 11000
    wait_until(lambda: group[1].ask(person).status == 200, 20, "the end of the lease")
    assert sandbox.calls() == 2
    group[0].start().wait_until_ready()
    group.wait_for_states(unknown=1, settled=1)
    check_books(group)


@pytest.mark.longest
def test_a_stopped_leader_that_goes_on_is_still_counted(replicas, sandbox, people):
    """A process that stood still for longer than its lease: its answer was paid for, too."""
    group = replicas(
        2, UPSTREAM_TIMEOUT="1s", UPSTREAM_CONNECT_TIMEOUT="500ms", REQUEST_TIMEOUT="20s"
    )
    person = people.one()
    leader = lead(sandbox, group[0], person)
    group[0].signal(signal.SIGSTOP)
    try:
        sandbox.release()
        reply = group[1].ask(person)
        assert (reply.json["source"], reply.json["billed"]) == ("upstream", True)
    finally:
        group[0].signal(signal.SIGCONT)
    assert read_answer(leader, person).status in (200, 504)
    wait_until(lambda: group.redis.open_calls() == 0, 10, "the end of both calls")
    states = group.states()
    assert states["settled"] >= 1 and states["settled"] + states.get("unknown", 0) == 2
    check_books(group)


# --- kill -9 under load ---

KILLS = 12
LONGEST_LIFE = 0.4  # seconds under load
ENDS_EVERY = 6  # rounds: some reservations end only when their lease does


@pytest.mark.longest
@pytest.mark.timeout(170)
def test_kills_under_load_lose_nothing(replicas, sandbox):
    chance = random.Random(31)
    crowds = [People(37).mixed(), People(38).mixed()]
    # A reservation whose intent was not yet written lapses 10 s after the longest call.
    group = replicas(
        2, NUMBER_LIMIT_MAX_CALLS="1000000", UPSTREAM_TIMEOUT="1s", UPSTREAM_CONNECT_TIMEOUT="500ms"
    )
    answered = []
    for round_number in range(KILLS):
        loads = [Load(server, crowd) for server, crowd in zip(group, crowds)]
        # The moment is random on purpose: nothing is waited for here.
        time.sleep(chance.random() ** 2 * LONGEST_LIFE)
        if round_number % 3 == 0:
            for server in group:
                server.kill()
            for server in group:
                server.start()
        else:
            for server in group:  # one after the other, while the others serve
                server.kill()
                server.start()
        for load in loads:
            load.join()
        group.wait_until_ready()
        for load in loads:
            for server in group:
                assert known(server, load.answered) == len(load.answered)
            answered += load.answered
        if (round_number + 1) % ENDS_EVERY == 0:
            group.wait_for_ends(30)
        states = group.states()
        counted = sum(states.get(state, 0) for state in ("settled", "unknown", "reserved"))
        assert sandbox.stats()["billed"] <= counted
    states = group.states()
    assert "reserved" not in states
    assert sandbox.stats()["billed"] <= states.get("settled", 0) + states.get("unknown", 0)
    assert len(answered) > KILLS
    for person in chance.sample(answered, min(20, len(answered))):
        assert sandbox.calls(person.mobile, person.id_card, person.name) == 1
    check_books(group)


# --- money elsewhere ---


def test_money_may_have_a_redis_of_its_own(replicas, place, sandbox, people):
    with RedisServer(place + "/ledger") as ledger:
        group = replicas(2, STORE_LEDGER_URL=ledger.url)
        person, other = people.some(2)
        group[0].ask(person)
        assert group[1].ask(person).json["source"] == "cache"
        assert ledger.totals() == totals_of(ledger.ledger_rows()) == {"s": 1, "billed": 1}
        known = {key for key in ledger.keys() if not key.startswith(b"{ledger}")}
        assert known <= {b"sanyao:probe"}, "only what asks whether it takes writes"
        assert not any(key.startswith(b"{ledger}") for key in group.redis.keys())
        ledger.kill()
        wait_until(lambda: not group[0].is_ready(), 10, "the news that money is away")
        reply = group[0].ask(other)
        assert (reply.code, reply.json["billed"]) == ("store_unavailable", False)
        assert group[1].ask(person).json["source"] == "cache", "knowledge is open"
        assert sandbox.calls() == 1
        ledger.start()
        group.wait_until_ready()
        assert group[0].ask(other).json["source"] == "upstream"
        assert ledger.totals() == totals_of(ledger.ledger_rows()) == {"s": 2, "billed": 2}
