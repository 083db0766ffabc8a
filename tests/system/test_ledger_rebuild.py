"""A lost ledger comes back from the journals: by `sanyao ledger rebuild`, and by itself."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess

import pytest
from harness import Replicas, clean_environment, wait_until
from redis_server import RedisServer, totals_of
from sandbox_control import default_bin_dir
from test_number_limit import others
from test_replicas import check_books, lead

TIMEOUT = 30


def run(*arguments, **environment):
    return subprocess.run(
        [os.path.join(default_bin_dir(), "sanyao"), "ledger", "rebuild", *arguments],
        env={**clean_environment(), **{"SANYAO_" + k: v for k, v in environment.items()}},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )


def rebuild(redis, *journals, hash_key, **environment):
    """What the command says when it succeeds."""
    done = run(
        "--json", *journals, STORE_URL=redis.url, HASH_KEY=hash_key, AUTH="off", **environment
    )
    assert done.returncode == 0, f"exit code {done.returncode}"
    said = json.loads(done.stdout)
    assert set(said) >= {"restored", "present", "lines"}
    assert said["lines"] == said["restored"] + said["present"]
    return said


def spend(group, sandbox, people):
    """Rows of every kind at every replica: settled, released, and unknown by a kill. Returns the journals
    of the replicas, which are stopped, and the rows and totals."""
    for server in group:
        for _ in range(3):
            server.ask(people.one())
        person = people.one()
        sandbox.behave(mobile=person.mobile, calls=1, gateway="throttled")
        server.ask(person)
        person = people.one()
        sandbox.behave(mobile=person.mobile, calls=1, cut="request")
        server.ask(person)
    lead(sandbox, group[0], people.one())
    group[0].kill()
    sandbox.release()
    group[0].start().wait_until_ready()
    group.wait_for_states(settled=3 * len(group), released=len(group), unknown=len(group) + 1)
    check_books(group)
    group.stop()
    rows = group.rows()
    return [server.journal for server in group], rows, group.redis.totals()


def used(redis):
    """All that counts, by key and name."""
    return {
        (key, name): value
        for key in redis.ledger_keys("used:")
        for name, value in redis.counters(key).items()
        if value != 0
    }


def check_same(redis, rows, totals):
    assert redis.ledger_rows() == rows
    assert redis.totals() == totals == totals_of(rows)
    assert redis.open_calls() == 0


def test_after_everything_was_lost(replicas, redis, sandbox, people):
    group = replicas(3)
    journals, rows, totals = spend(group, sandbox, people)
    counted = used(redis)
    assert len(counted) >= 2, "a day's and a month's"
    redis.command("FLUSHALL")
    said = rebuild(redis, *journals, hash_key=group.hash_key)
    assert said["restored"] == len(rows)
    check_same(redis, rows, totals)
    assert used(redis) == counted
    said = rebuild(redis, *journals, hash_key=group.hash_key)
    assert (said["restored"], said["present"]) == (0, len(rows)), "twice changes nothing"
    check_same(redis, rows, totals)
    assert used(redis) == counted
    group.start()
    check_same(redis, rows, totals)


def in_journal(path, kind, name, version):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        query = "SELECT count(*) FROM documents WHERE kind = ? AND id = ? AND version = ?"
        return journal.execute(query, (kind, name, version)).fetchone()[0] == 1


def test_documents_come_back_with_no_process_running(replicas, redis):
    """Also those that another replica wrote, in the newest version that any journal has."""
    group = replicas(2)
    documents = {b"package:p1": b'1 {"id":"p1"}', b"client:shop": b'2 {"id":"shop"}'}
    group.stop()
    for version, (name, document) in enumerate(documents.items(), start=1):
        redis.command("HSET", "{ledger}documents", name, document)
        redis.command("ZADD", "{ledger}changes", version, name)
    redis.command("SET", "{ledger}version", 2)
    group.start()
    wait_until(lambda: in_journal(group[0].journal, "client", "shop", 2), 20, "what it read")
    wait_until(lambda: in_journal(group[1].journal, "client", "shop", 2), 20, "what it read")
    group[0].stop()
    documents[b"client:shop"] = b'3 {"id":"shop","name":"x"}'
    redis.command("HSET", "{ledger}documents", "client:shop", documents[b"client:shop"])
    redis.command("ZADD", "{ledger}changes", 3, "client:shop")
    redis.command("SET", "{ledger}version", 3)
    redis.command("CLIENT", "KILL", "TYPE", "pubsub")  # who may have missed a notice reads
    wait_until(lambda: in_journal(group[1].journal, "client", "shop", 3), 20, "what it read")
    group.stop()
    redis.command("FLUSHALL")
    journals = [server.journal for server in group]
    said = rebuild(redis, *journals, hash_key=group.hash_key)
    assert said["documents"] == 4
    assert said["documentsRestored"] in (2, 3)
    flat = redis.command("HGETALL", "{ledger}documents")
    assert dict(zip(flat[::2], flat[1::2])) == documents
    assert int(redis.command("GET", "{ledger}version")) == 3
    said = rebuild(redis, *reversed(journals), hash_key=group.hash_key)
    assert (said["documentsRestored"], said["documentsPresent"]) == (0, 4)


def test_with_nothing_lost_nothing_changes(replicas, redis, sandbox, people):
    group = replicas(2)
    journals, rows, totals = spend(group, sandbox, people)
    said = rebuild(redis, *journals, hash_key=group.hash_key)
    assert (said["restored"], said["present"]) == (0, len(rows))
    check_same(redis, rows, totals)


def test_while_the_replicas_serve(replicas, redis, sandbox, people):
    group = replicas(2)
    crowd = people.some(6)
    for index, person in enumerate(crowd):
        group[index % 2].ask(person)
    rows, totals = group.rows(), redis.totals()
    redis.command("FLUSHALL")
    said = rebuild(redis, *(server.journal for server in group), hash_key=group.hash_key)
    assert said["restored"] + said["present"] == 6
    check_same(redis, rows, totals)
    group[0].ask(people.one())
    check_books(group)
    assert redis.totals()["s"] == 7


def test_a_row_that_was_half_lost_is_made_whole(replicas, redis, sandbox, people):
    """Some rows are gone and the totals with them; others stayed."""
    group = replicas(2)
    journals, rows, totals = spend(group, sandbox, people)
    half = [row for index, row in enumerate(rows) if index % 2]
    for key in redis.keys():
        if key.startswith(b"{ledger}rows:"):
            redis.command("HDEL", key, *(row["id"] for row in half))
    for letter, count in totals_of(half).items():
        redis.command("HINCRBY", "{ledger}totals", letter, -count)
    said = rebuild(redis, *journals, hash_key=group.hash_key)
    assert (said["restored"], said["present"]) == (len(half), len(rows) - len(half))
    check_same(redis, rows, totals)


@pytest.mark.parametrize("heal", ["command", "replicas"])
def test_after_an_old_snapshot_came_back(place, sandbox, people, heal):
    with RedisServer(os.path.join(place, "redis"), appendonly="no") as redis:
        group = Replicas(place, redis, sandbox.url, count=2).start()
        for server in group:
            server.ask(people.one())
        redis.command("SAVE")
        snapshot = os.path.join(redis.directory, "dump.rdb")
        shutil.copy(snapshot, snapshot + ".old")
        journals, rows, totals = spend_more(group, sandbox, people)
        redis.stop()
        os.replace(snapshot + ".old", snapshot)
        redis.start()
        assert len(redis.ledger_rows()) == 2
        if heal == "command":
            said = rebuild(redis, *journals, hash_key=group.hash_key)
            assert (said["restored"], said["present"]) == (len(rows) - 2, 2)
        else:
            group.start()
            wait_until(lambda: redis.ledger_rows() == rows, 20, "the rows as before")
            group.stop()
        check_same(redis, rows, totals)


def spend_more(group, sandbox, people):
    for server in group:
        for _ in range(3):
            server.ask(people.one())
    person = people.one()
    sandbox.behave(mobile=person.mobile, calls=1, gateway="throttled")
    group[0].ask(person)
    group.stop()
    return [server.journal for server in group], group.rows(), group.redis.totals()


@pytest.mark.parametrize("heal", ["command", "replicas"])
def test_after_a_failover_to_a_copy_that_lagged(place, redis, sandbox, people, heal):
    with RedisServer(
        os.path.join(place, "lagging"), replicaof=f"127.0.0.1 {redis.port}"
    ) as lagging:
        wait_until(
            lambda: lagging.info("replication")["master_link_status"] == "up", 20, "the copy"
        )
        group = Replicas(place, redis, sandbox.url, count=2).start()
        person = people.one()
        for one in others(person, people, 2):
            group[0].ask(one)
        wait_until(lambda: len(lagging.ledger_rows()) == 2, 10, "the copy")
        lagging.command("REPLICAOF", "NO", "ONE")  # from here on it misses everything
        journals, rows, totals = spend_more(group, sandbox, people)
        redis.kill()
        assert len(lagging.ledger_rows()) == 2
        if heal == "command":
            said = rebuild(lagging, *journals, hash_key=group.hash_key)
            assert (said["restored"], said["present"]) == (len(rows) - 2, 2)
        else:
            for server in group:
                server.settings["STORE_URL"], server.redis = lagging.url, lagging
            group.start()
            wait_until(lambda: lagging.ledger_rows() == rows, 20, "the rows as before")
            group.stop()
        check_same(lagging, rows, totals)


def test_a_number_stays_closed_after_a_rebuild(replicas, redis, sandbox, people):
    """What is lost with a number's window is known to the journals as well, while the replicas run."""
    group = replicas(2, NUMBER_LIMIT_MAX_CALLS="2")
    person = people.one()
    asked = others(person, people, 3)
    for server, one in zip(group, asked):
        server.ask(one)
    redis.kill()
    redis.empty()
    redis.start()
    group.wait_until_ready()
    wait_until(lambda: len(group.rows()) == 2, 20, "the rows as before")
    assert group[0].ask(asked[2]).json["source"] == "guard"
    assert sandbox.calls(mobile=person.mobile) == 2


def test_the_end_of_a_call_that_was_lost_is_given_again(place, sandbox, people):
    """A snapshot that was taken while a call was under way: its row is there, its end and answer are
    not. It began before another one that was told all of."""
    with RedisServer(os.path.join(place, "redis"), appendonly="no") as redis:
        group = Replicas(place, redis, sandbox.url, count=2, REQUEST_TIMEOUT="20s").start()
        slow, quick = people.one(), people.one()
        connection = lead(sandbox, group[0], slow)
        group[0].ask(quick)
        redis.command("SAVE")
        snapshot = os.path.join(redis.directory, "dump.rdb")
        shutil.copy(snapshot, snapshot + ".old")
        sandbox.release()
        assert connection.read().json["source"] == "upstream"
        group.wait_for_states(settled=2)
        rows, totals = group.rows(), redis.totals()
        redis.kill()
        os.replace(snapshot + ".old", snapshot)
        redis.start()
        wait_until(lambda: redis.ledger_rows() == rows, 20, "the rows as before")
        group.wait_until_ready()
        check_same(redis, rows, totals)
        for person in (slow, quick):
            assert [reply.json["source"] for reply in group.ask_everywhere(person)] == ["cache"] * 2
        assert sandbox.calls() == 2
        group.stop()


def test_windows_and_answers_come_back_where_money_is_elsewhere(replicas, redis, place, sandbox, people):
    with RedisServer(os.path.join(place, "ledger")) as ledger:
        group = replicas(2, STORE_LEDGER_URL=ledger.url, NUMBER_LIMIT_MAX_CALLS="2")
        person, closed = people.one(), people.one()
        asked = others(person, people, 3)
        for server, one in zip(group, asked):
            server.ask(one)
        sandbox.behave(mobile=closed.mobile, status="203", calls=1)
        group[0].ask(closed)
        rows = ledger.ledger_rows()
        redis.kill()
        redis.empty()
        redis.start()
        wait_until(lambda: len(redis.keys()) >= 4, 20, "what was lost")
        group.wait_until_ready()
        assert group[0].ask(asked[2]).json["source"] == "guard"
        assert group[1].ask(others(closed, people, 1)[0]).json["source"] == "guard"
        assert group[1].ask(asked[0]).json["source"] == "cache"
        assert ledger.ledger_rows() == rows
        assert sandbox.calls() == 3
        group.stop()


def test_money_elsewhere_is_rebuilt_there(replicas, place, sandbox, people):
    with RedisServer(os.path.join(place, "ledger")) as ledger:
        group = replicas(1, STORE_LEDGER_URL=ledger.url)
        for person in people.some(3):
            group[0].ask(person)
        group.stop()
        rows, totals = ledger.ledger_rows(), ledger.totals()
        ledger.command("FLUSHALL")
        said = rebuild(
            group.redis, group[0].journal, hash_key=group.hash_key, STORE_LEDGER_URL=ledger.url
        )
        assert said["restored"] == 3
        check_same(ledger, rows, totals)
        assert not any(key.startswith(b"{ledger}") for key in group.redis.keys())


def test_what_is_no_journal_is_refused(replicas, redis, place, people):
    group = replicas(1)
    group[0].ask(people.one())
    rows = group.rows()
    path = os.path.join(place, "no-journal.db")
    with open(path, "wb") as file:
        file.write(b"SQLite format 3\0" + bytes(4080))
    for wrong in (path, os.path.join(place, "absent.db"), group[0].log_path):
        done = run(wrong, STORE_URL=redis.url, HASH_KEY=group.hash_key, AUTH="off")
        assert done.returncode == 1 and done.stderr
    assert run(STORE_URL=redis.url, HASH_KEY=group.hash_key, AUTH="off").returncode == 2
    assert group.rows() == rows
    assert not os.path.exists(os.path.join(place, "absent.db")), "nothing is made by reading"


def test_a_redis_that_is_away_is_said_so(replicas, redis, people):
    group = replicas(1)
    group[0].ask(people.one())
    group.stop()
    redis.kill()
    done = run(group[0].journal, STORE_URL=redis.url, HASH_KEY=group.hash_key, AUTH="off")
    assert done.returncode == 1 and done.stderr


def test_people_read_a_sentence(replicas, redis, people):
    group = replicas(1)
    group[0].ask(people.one())
    group.stop()
    redis.command("FLUSHALL")
    done = run(group[0].journal, STORE_URL=redis.url, HASH_KEY=group.hash_key, AUTH="off")
    assert done.returncode == 0 and "1" in done.stdout and not done.stdout.startswith("{")
