"""Packages and credentials under concurrency: never one call more than was bought, none too few, and sums
that agree to the unit."""

import itertools
import secrets

import pytest
from desk import Desk, bearer, counts, used_by
from harness import Needlework, together, wait_until
from sandbox_control import APPCODE, Sandbox

SPARE = secrets.token_hex(16)
# What is counted here is money, and not how fast a busy machine is.
PATIENT = {"REQUEST_TIMEOUT": "30s", "STORE_TIMEOUT": "5s"}


@pytest.fixture
def two_codes():
    """A seller that knows two AppCodes; each is good for as many calls as set_package says."""
    Needlework.write("secret", SPARE)
    with Sandbox(None, "--number-limit", "0", "--appcode", APPCODE, "--appcode", SPARE) as running:
        yield running


@pytest.fixture
def spare_file(tmp_path):
    path = f"{tmp_path}/spare-appcode"
    with open(path, "w", encoding="ascii") as file:
        file.write(SPARE + "\n")
    return path


def check_sums(group, redis, desk):
    """Rows, counters, and what the API says are one."""
    rows = group.wait_for_ends()
    packages = {name: count for name, count in used_by(rows, "package").items() if name}
    stored = redis.counters("used:package")
    assert {name: count for name, count in stored.items() if count} == packages
    clients = used_by(rows, "client")
    days = [redis.counters(key) for key in redis.ledger_keys("used:day:")]
    months = [redis.counters(key) for key in redis.ledger_keys("used:month:")]
    for periods in (days, months):
        total = {}
        for period in periods:
            for name, count in period.items():
                total[name] = total.get(name, 0) + count
        assert {name: count for name, count in total.items() if count} == clients
    shown = {name: package["used"] for name, package in desk.packages().items()}
    assert {name: count for name, count in shown.items() if count} == packages
    return rows


def ask_all(group, people, count, key=None):
    """`count` different people asked at once, spread over the replicas; the replies."""
    askers = [people.one() for _ in range(count)]
    headers = bearer(key) if key else []

    def ask(index):
        return group[index % len(group)].ask(askers[index], headers=headers, timeout=60)

    return together(count, ask)


def codes(replies):
    told = {}
    for reply in replies:
        name = reply.json.get("source") if reply.status == 200 else reply.code
        told[name] = told.get(name, 0) + 1
    return told


@pytest.mark.parametrize("bought", [1, 20])
def test_a_package_is_sold_out_exactly(replicas, redis, people, sandbox, bought):
    group = replicas(3, AUTH="keys", **PATIENT)
    desk = Desk(group[0])
    desk.add_package("only", bought)
    key = desk.add_client("shop")
    wait_for_client(group, key, people)
    replies = ask_all(group, people, 10 * bought, key)
    assert codes(replies) == {"upstream": bought, "package_exhausted": 9 * bought}
    refused = [reply for reply in replies if reply.status == 503]
    assert all((reply.json["limit"], reply.json["used"]) == (bought, bought) for reply in refused)
    assert sandbox.stats()["received"] == bought
    rows = check_sums(group, redis, desk)
    assert len(rows) == bought, "a refusal writes nothing"


def wait_for_client(group, key, people):
    """Until every replica knows it. Costs nothing."""
    person = people.one()
    for server in group:
        wait_until(
            lambda server=server: server.ask(person, "only-if-cached", headers=bearer(key)).code
            == "not_cached", 10, "the client everywhere",
        )


def test_quotas_of_several_clients_are_exact_together(replicas, redis, people, sandbox):
    group = replicas(3, AUTH="keys", **PATIENT)
    desk = Desk(group[0])
    desk.add_package("only", 40)
    limits = {"one": 5, "two": 12, "three": 23}  # in all what was bought
    keys = {
        name: desk.add_client(name, dailyCalls=limit) for name, limit in limits.items()
    }
    for key in keys.values():
        wait_for_client(group, key, people)
    askers = [(name, people.one()) for name in itertools.islice(itertools.cycle(limits), 150)]

    def ask(index):
        name, person = askers[index]
        return group[index % 3].ask(person, headers=bearer(keys[name]), timeout=60)

    replies = together(len(askers), ask)
    assert codes(replies)["upstream"] == 40
    used = used_by(check_sums(group, redis, desk), "client")
    assert used == {"one": 5, "two": 12, "three": 23}
    assert sandbox.stats()["received"] == 40


def test_one_package_hands_over_to_the_next_without_an_error(replicas, redis, people, sandbox):
    group = replicas(3, **PATIENT)
    desk = Desk(group[0])
    desk.add_package("later", 30, purchasedAt="2026-03-01")
    desk.add_package("first", 7, purchasedAt="2026-02-01")
    desk.add_package("expires", 5, purchasedAt="2026-04-01", expiresAt="2099-01-01")
    desk.add_package("gone", 5, expiresAt="2026-01-01")
    replies = ask_all(group, people, 42)
    assert codes(replies) == {"upstream": 42}
    rows = check_sums(group, redis, desk)
    assert used_by(rows, "package") == {"expires": 5, "first": 7, "later": 30}
    states = {name: package["state"] for name, package in desk.packages().items()}
    assert states == {
        "expires": "exhausted", "first": "exhausted", "later": "exhausted", "gone": "expired"
    }
    assert codes(ask_all(group, people, 3)) == {"package_exhausted": 3}
    desk.add_package("new", 2)
    wait_until(lambda: codes(ask_all(group, people, 1)) == {"upstream": 1}, 10, "the new package")
    assert sandbox.stats()["received"] == 43


def test_a_spent_credential_hands_over_without_an_error(
    replicas, redis, people, two_codes, spare_file
):
    """The seller counts 10 calls on the first AppCode; our books believe in 50."""
    two_codes.settings(package=10)
    group = replicas(3, upstream_url=two_codes.url, CREDENTIALS="spare=" + spare_file, **PATIENT)
    desk = Desk(group[0])
    desk.add_package("believed", 50, credential="main", purchasedAt="2026-01-01")
    desk.add_package("other", 50, credential="spare", purchasedAt="2026-02-01")
    replies = ask_all(group, people, 18)
    assert codes(replies) == {"upstream": 18}
    rows = check_sums(group, redis, desk)
    assert used_by(rows, "credential") == {"main": 10, "spare": 8}
    seller = {code["appCode"]: code for code in two_codes.stats()["byAppCode"]}
    assert seller[APPCODE]["billed"] == 10
    credentials = {one["id"]: one for one in desk.balance()["credentials"]}
    assert credentials["main"]["mark"] == "exhausted"
    # As the books stood when it was marked: calls that were under way then counted as used.
    assert 30 <= credentials["main"]["drift"] <= 40
    assert credentials["spare"]["mark"] is None
    # It is not tried again …
    received = seller[APPCODE]["received"]
    assert codes(ask_all(group, people, 2)) == {"upstream": 2}
    two_codes.settings(package=100)
    seller = {code["appCode"]: code for code in two_codes.stats()["byAppCode"]}
    assert seller[APPCODE]["received"] == received
    # … until something changes.
    desk.add_package("topped", 5, credential="main", purchasedAt="2026-01-02")
    wait_until(
        lambda: ask_all(group, people, 1)[0].status == 200
        and used_by(group.rows(), "credential")["main"] > 10, 10, "the credential's return",
    )


def test_without_a_package_the_balance_is_unmetered(start, people):
    server = start()
    desk = Desk(server)
    assert server.ask(people.one()).json["source"] == "upstream"
    assert desk.balance()["metered"] is False
    desk.add_package("first", 1)
    assert desk.balance()["metered"] is True
    assert server.ask(people.one()).json["source"] == "upstream"
    assert server.ask(people.one()).code == "package_exhausted"
    rows = server.rows()
    assert [row["package"] or "" for row in rows] == ["", "first"]


def test_what_certainly_was_not_billed_is_refunded(start, people, sandbox):
    server = start()
    desk = Desk(server)
    desk.add_package("only", 5)
    kinds = (
        {"gateway": "throttled"}, {"gateway": "quota-exhausted"}, {"reply": "html"}, {"cut": "reset"}
    )
    expected = [0, 0, 1, 2]
    for kind, used in zip(kinds, expected):
        person = people.one()
        sandbox.behave(mobile=person.mobile, calls=1, **kind)
        assert server.ask(person).status >= 500
        if kind.get("gateway") == "quota-exhausted":
            desk.set_package("only", calls=6)
        assert desk.packages()["only"]["used"] == used
    assert sum(counts(row) for row in server.rows()) == 2
    balance = desk.balance()
    assert (balance["used"], balance["left"], balance["unknown"]) == (2, 4, 1)
