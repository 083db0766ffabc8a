"""batch before a real service and the sandbox: every line has its answer, and none is paid for twice."""

import collections
import http.server
import os
import signal
import stat
import threading
import time

import pytest
from asking import (
    command, end_command, rows_of, start_command, told, write_csv, write_ndjson,
)
from desk import Desk
from sandbox_control import wait_until


@pytest.fixture
def output(place):
    return os.path.join(place, "results.csv")


@pytest.fixture
def questions(tmp_path):
    return tmp_path / "questions"


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def lines_of(path):
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file) - 1


def has_nobody(path, people):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return not any(value in text for one in people for value in one.question().values())


# --- files ---


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_csv_is_asked_line_by_line(start, sandbox, people, questions, output, encoding):
    server = start()
    crowd = [people.one(), people.one(status="02"), people.one(status="202"), people.one()]
    write_csv(questions, [*crowd, crowd[0]], "姓名,身份证号码,手机号", encoding)
    summary = told(server, "batch", questions, "--output", output)
    assert summary["answered"] == summary["lines"] == 5 and summary["stopped"] is None
    assert summary["billedCalls"] == sandbox.calls() == 4
    assert summary["results"] == {"match": 3, "mismatch": 1, "unverifiable": 1}
    rows = rows_of(output)
    assert [rows[line]["id"] for line in range(2, 7)] == ["n0", "n1", "n2", "n3", "n4"]
    assert [rows[line]["status"] for line in range(2, 7)] == ["01", "02", "202", "01", "01"]
    assert sum(row["billed"] == "true" for row in rows.values()) == 4
    assert has_nobody(output, crowd) and stat.S_IMODE(os.stat(output).st_mode) == 0o600
    out, err = command(server, "batch", questions, "--output", output)
    assert "5 of 5 lines have an answer" in out and err == "" and sandbox.calls() == 4


def test_ndjson_is_asked_too(start, sandbox, people, questions, place):
    server, crowd = start(), people.some(3)
    output = os.path.join(place, "results.ndjson")
    write_ndjson(questions, crowd)
    told(server, "batch", questions, "--output", output)
    rows = rows_of(output)
    assert [(rows[line]["id"], rows[line]["result"]) for line in (1, 2, 3)] == [
        ("n0", "match"), ("n1", "match"), ("n2", "match")]
    assert has_nobody(output, crowd) and sandbox.calls() == 3
    command(server, "batch", questions)
    assert len(rows_of(str(questions) + ".results.ndjson")) == 3 and sandbox.calls() == 3


def test_lines_that_cannot_be_asked_are_named(start, sandbox, people, questions, output):
    server, crowd = start(), people.some(2)
    write_csv(questions, crowd)
    with open(questions, "ab") as file:
        file.write(b"x,,1,n2\n\xff\xfe,1,2,n3\n")
    out, err = command(server, "batch", questions, "--output", output, code=1)
    rows = rows_of(output)
    assert [rows[line]["code"] for line in range(2, 6)] == ["", "", *["malformed_request"] * 2]
    assert "line 4: " in err and "line 5: " in err and "without an answer: 2" in err
    assert "2 of 4 lines have an answer" in out and sandbox.calls() == 2
    command(server, "batch", questions, "--output", output, code=1)
    assert len(rows_of(output)) == 4


# --- what is tried again ---


def test_after_kill_9_nothing_is_paid_for_twice(start, sandbox, people, questions, output):
    server, crowd = start(), people.some(60)
    write_csv(questions, [*crowd, *crowd[:10]])
    sandbox.settings(latencyMs=20)
    for share in (10, 30, 45):
        process = start_command(server, "batch", questions, "--output", output)
        wait_until(lambda: lines_of(output) >= share, 20, f"{share} results")
        process.kill()
        end_command(process, -signal.SIGKILL)
    assert told(server, "batch", questions, "--output", output)["answered"] == 70
    assert sandbox.calls() == 60
    assert len(rows_of(output)) == 70 and has_nobody(output, crowd)
    assert all(sandbox.calls(mobile=one.mobile) == 1 for one in crowd)
    assert set(server.states()) == {"settled"}


def test_a_signal_waits_for_what_is_under_way(start, sandbox, people, questions, output):
    server, crowd = start(), people.some(40)
    write_csv(questions, crowd)
    sandbox.behave(hang=True, calls=4)
    process = start_command(server, "batch", questions, "--output", output, "--concurrency", "4")
    sandbox.wait_for_hanging(4)
    process.send_signal(signal.SIGTERM)
    sandbox.release()
    out, err = end_command(process, 1)
    assert "stopped: interrupted" in err and "goes on where it stopped" in err
    told_rows = rows_of(output)
    assert len(told_rows) == sandbox.calls() < 40 and f"{len(told_rows)} of 40" in out
    told(server, "batch", questions, "--output", output)
    assert len(rows_of(output)) == sandbox.calls() == 40


def test_a_torn_row_is_asked_again_and_not_paid(start, sandbox, people, questions, output):
    server = start()
    write_csv(questions, people.some(5))
    told(server, "batch", questions, "--output", output)
    os.truncate(output, size_of(output) - 7)
    summary = told(server, "batch", questions, "--output", output)
    assert summary["answered"] == 5 and summary["billedCalls"] == 0
    assert len(rows_of(output)) == sandbox.calls() == 5


def test_what_may_have_been_paid_is_not_asked_again(start, sandbox, people, questions, output):
    server = start()
    crowd = people.some(4)
    write_csv(questions, crowd)
    sandbox.behave(cut="request", mobile=crowd[1].mobile, calls=1)
    summary = told(server, "batch", questions, "--output", output, code=1)
    assert (summary["answered"], summary["mayBePaid"], summary["billedCalls"]) == (3, 1, 4)
    row = rows_of(output)[3]
    assert (row["billed"], row["id"], row["result"]) == ("unknown", "n1", "") and row["code"]
    out, err = command(server, "batch", questions, "--output", output, code=1)
    assert "--retry-unknown" in out and "without an answer: 1" in err and sandbox.calls() == 4
    assert told(server, "batch", questions, "--output", output, "--retry-unknown")["answered"] == 4
    assert len(rows_of(output)) == 4 and sandbox.calls() == 5


def test_what_cost_nothing_is_asked_again(start, sandbox, people, questions, output):
    server, crowd = start(), people.some(6)
    write_csv(questions, crowd)
    sandbox.behave(gateway="invalid-appcode")
    _, err = command(server, "batch", questions, "--output", output, code=1)
    assert "upstream_refused_credential" in err and not rows_of(output)


# --- limits ---


def test_no_more_calls_than_allowed(start, sandbox, people, questions, output):
    server = start()
    write_csv(questions, people.some(30))
    summary = told(server, "batch", questions, "--output", output, "--max-calls", "11", code=1)
    assert summary["billedCalls"] == sandbox.calls() == 11 and "--max-calls" in summary["stopped"]
    assert len(rows_of(output)) == 11
    told(server, "batch", questions, "--output", output, "--max-calls", "0", code=1)
    assert sandbox.calls() == 11
    told(server, "batch", questions, "--output", output, "--max-calls", "19")
    assert sandbox.calls() == 30


def test_a_quota_stops_it_and_it_goes_on(start, sandbox, people, questions, output):
    server = start(AUTH="keys")
    desk = Desk(server)
    key = desk.add_client("shop", dailyCalls=7)
    write_csv(questions, people.some(20))
    _, err = command(server, "batch", questions, "--output", output, code=1)
    assert "unauthenticated" in err and not rows_of(output)
    _, err = command(server, "batch", questions, "--output", output, key=key, code=1)
    assert "client_quota_exhausted" in err and len(rows_of(output)) == sandbox.calls() == 7
    desk.set_client("shop", dailyCalls=100)
    assert told(server, "batch", questions, "--output", output, key=key)["answered"] == 20
    assert sandbox.calls() == 20


def test_a_package_stops_it_and_spend_is_told(start, sandbox, people, questions, output):
    server = start()
    desk = Desk(server)
    desk.add_package("one", 5, 10)
    write_csv(questions, people.some(8))
    summary = told(server, "batch", questions, "--output", output, code=1)
    assert "package_exhausted" in summary["stopped"]
    assert (summary["billedCalls"], summary["spentCny"]) == (5, 10)
    desk.add_package("two", 100, 50)
    summary = told(server, "batch", questions, "--output", output)
    assert (summary["answered"], summary["billedCalls"], summary["spentCny"]) == (8, 3, 1.5)
    assert sandbox.calls() == 8


def test_a_client_that_asks_too_fast_is_patient(start, sandbox, people, questions, output):
    server = start(AUTH="keys")
    key = Desk(server).add_client("shop", requestsPerSecond=20, burst=3)
    write_csv(questions, people.some(12))
    assert told(server, "batch", questions, "--output", output, key=key)["answered"] == 12
    assert sandbox.calls() == 12


def test_a_rate_is_kept(start, people, questions, output):
    server = start()
    write_csv(questions, people.some(11))
    begun = time.monotonic()
    told(server, "batch", questions, "--output", output, "--rate", "20")
    assert time.monotonic() - begun >= 0.48
    for wrong in (["--rate", "0"], ["--concurrency", "0"], ["--concurrency", "257"]):
        command(server, "batch", questions, *wrong, code=2)


# --- trouble ---


def test_a_service_that_is_away(start, sandbox, people, questions, output):
    server, crowd = start(), people.some(12)
    write_csv(questions, crowd)
    _, err = command(server, "batch", questions, "--output", output, "--url", "unix:/nonexistent",
                     code=1)
    assert "cannot be reached" in err and not rows_of(output)
    sandbox.behave(hang=True, calls=2)
    process = start_command(server, "batch", questions, "--output", output, "--concurrency", "2")
    sandbox.wait_for_hanging(2)
    server.kill()
    _, err = end_command(process, 1)
    assert "sanyao:" in err
    assert [row["code"] for row in rows_of(output).values()] == ["reply_lost"] * 2
    assert {row["billed"] for row in rows_of(output).values()} == {"unknown"}
    sandbox.release()
    server.start()
    summary = told(server, "batch", questions, "--output", output, code=1)
    assert (summary["answered"], summary["mayBePaid"]) == (10, 2)
    assert sandbox.calls() == 12


@pytest.mark.parametrize("status, rows", [(404, 0), (502, 1)])
def test_what_is_not_sanyao_gets_no_more_than_one_line(start, people, questions, output, status, rows):
    """What a gateway refuses went no further; what it failed at may have been paid for."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_error(status)

        def log_message(self, *_):
            pass

    server = start()
    write_csv(questions, people.some(5))
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        command(server, "batch", questions, "--output", output, "--concurrency", "1", "--url",
                f"http://127.0.0.1:{other.server_port}", code=1)
        other.shutdown()
        thread.join()
    assert [row["billed"] for row in rows_of(output).values()] == ["unknown"] * rows
    summary = told(server, "batch", questions, "--output", output, "--retry-unknown")
    assert summary["answered"] == summary["billedCalls"] == 5


def test_one_at_a_time_and_one_input(start, sandbox, people, questions, output, tmp_path):
    server = start()
    crowd = people.some(4)
    write_csv(questions, crowd)
    sandbox.behave(hang=True, calls=4)
    first = start_command(server, "batch", questions, "--output", output)
    sandbox.wait_for_hanging(4)
    _, err = command(server, "batch", questions, "--output", output, code=1)
    assert "another batch" in err
    sandbox.release()
    end_command(first)
    other = write_csv(tmp_path / "other", people.some(5))
    before = open(output, "rb").read()
    _, err = command(server, "batch", other, "--output", output, code=1)
    assert "no results of this input" in err
    _, err = command(server, "batch", questions, "--output", questions, code=1)
    assert "no results of this input" in err and questions.stat().st_size > 0
    assert open(output, "rb").read() == before and sandbox.calls() == 4
    command(server, "batch", tmp_path / "none", code=1)
    command(server, "batch", code=2)


# --- what it would cost ---


def test_a_dry_run_tells_what_the_run_then_costs(start, sandbox, people, questions, output):
    server = start()
    Desk(server).add_package("small", 2, 3)
    Desk(server).add_package("large", 100, 50)
    known, fresh = people.some(3), people.some(4)
    for person in known:
        server.ask(person)
    wrong = [people.one().but(id_card="110000194912310007"), people.one(segment="170")]
    write_csv(questions, [*known, *fresh, fresh[0], known[0], *wrong])
    assert Desk(server).balance()["left"] == 99
    found = told(server, "batch", questions, "--output", output, "--dry-run")
    assert found == {"questions": 11, "malformed": 0, "duplicates": 2, "refused": 2, "kept": 3,
                     "toBuy": 4, "notFoundOut": 0, "costCny": 2, "suffices": True}
    assert sandbox.calls() == 3 and not os.path.exists(output)
    out, _ = command(server, "batch", questions, "--dry-run")
    assert "That costs 2.00 CNY; 99 calls are left, which is enough." in out
    summary = told(server, "batch", questions, "--output", output)
    assert (summary["billedCalls"], summary["spentCny"]) == (4, 2)
    assert sandbox.calls() == 7
    sources = collections.Counter(row["source"] for row in rows_of(output).values())
    assert sources["local"] == 2
    assert told(server, "batch", questions, "--dry-run")["toBuy"] == 0


def test_a_dry_run_tells_that_it_would_not_do(start, sandbox, people, questions):
    server = start()
    write_csv(questions, people.some(5))
    found = told(server, "batch", questions, "--dry-run")
    assert (found["toBuy"], found["costCny"], found["suffices"]) == (5, None, None)
    Desk(server).add_package("small", 2, 3)
    found = told(server, "batch", questions, "--dry-run")
    assert (found["costCny"], found["suffices"]) == (3, False)
    assert "3 more must be bought" in command(server, "batch", questions, "--dry-run")[0]
    out, _ = command(server, "batch", questions, "--dry-run", ADMIN_TOKEN=None)
    assert "price is not known" in out and sandbox.calls() == 0
