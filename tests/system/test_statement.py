"""GET /admin/v1/statement: a month's calls and costs, and that they are those of the ledger."""

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest
from harness import wait_until
from test_alerts import start_with_package

CHINA = timezone(timedelta(hours=8))
PATH = "/admin/v1/statement"
NAMES = "month,client,package,credential,calls,unknown,costCny,hits,savedCny"


def this_month():
    return datetime.now(CHINA).strftime("%Y-%m")


def statement(server, query=""):
    reply = server.admin("GET", PATH + query, server.bearer())
    assert reply.status == 200
    return reply


def test_calls_and_hits_are_charged_by_the_package(start, people):
    server = start_with_package(start, 7)
    asked = [people.one() for _ in range(3)]
    for person in asked:
        assert server.ask(person).json["source"] == "upstream"
    for person in asked[:2]:
        assert server.ask(person).json["source"] == "cache"
    # Three of seven calls for 30 yuan are 12.857 yuan, two are 8.571.
    figures = {"calls": 3, "unknown": 0, "costCny": 12.86, "hits": 2, "savedCny": 8.57}
    wait_until(lambda: statement(server).json["total"]["hits"] == 2, 20, "the hits in the store")
    assert statement(server, "?month=" + this_month()).json == {
        "month": this_month(),
        "timezone": "Asia/Shanghai",
        "clients": [{"client": "anonymous", **figures,
                     "lines": [{"package": "p-1", "credential": "main", **figures}]}],
        "total": figures,
    }
    reply = statement(server, "?format=csv&bom=true")
    assert reply.body.startswith(b"\xef\xbb\xbf") and reply.body.endswith(b"\r\n")
    text = reply.body.decode("utf-8-sig")
    assert text.splitlines()[0] == NAMES
    assert list(csv.reader(io.StringIO(text)))[1:] == [
        [this_month(), "anonymous", "p-1", "main", "3", "0", "12.86", "2", "8.57"]]


def test_a_month_has_what_its_ledger_counts(start, people):
    server = start()
    for _ in range(300):  # more than a page
        server.ask(people.one())
    assert statement(server).json["total"]["calls"] == len(server.rows()) == 300
    empty = statement(server, "?month=2020-02").json
    assert empty["clients"] == [] and empty["total"]["calls"] == 0


@pytest.mark.parametrize("query", [
    "?month=2026-13", "?month=2026-1", "?month=", "?month=2026-11&month=2026-11", "?format=xml",
    "?bom=maybe&format=csv", "?bom=true", "?client=shop", "?month=2026-11%00",
])
def test_what_is_not_understood_is_refused(shared, query):
    reply = shared.admin("GET", PATH + query, shared.bearer())
    assert (reply.status, reply.code) == (400, "malformed_request")


def test_it_is_for_whoever_has_the_token(shared):
    assert shared.admin("GET", PATH).status == 401


def test_no_person_is_in_it(start, people):
    server = start()
    person = people.one()
    server.ask(person)
    text = json.dumps(statement(server).json, ensure_ascii=False)
    assert person.mobile not in text and person.name not in text
