"""The commands of the admin API before a real service: clients, packages, and what is left."""

import json
import os
import re
import subprocess

import pytest
from harness import Needlework, clean_environment
from sandbox_control import default_bin_dir

KEY = re.compile(r"^Key \(shown only now\): (sy_shop_[A-Za-z0-9_-]{43})$", re.MULTILINE)


def run(server, *arguments, code=0, given=""):
    done = subprocess.run(
        [os.path.join(default_bin_dir(), "sanyao"), *arguments],
        env={**clean_environment(), "SANYAO_ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}",
             "SANYAO_ADMIN_TOKEN": server.settings["ADMIN_TOKEN"]},
        input=given, capture_output=True, text=True, timeout=30, check=False, cwd=server.directory,
    )
    assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    assert (done.stderr == "") == (code == 0)
    assert server.settings["ADMIN_TOKEN"] not in done.stdout + done.stderr
    return done


def shown(server, *arguments):
    return run(server, *arguments).stdout


def told(server, *arguments):
    return json.loads(run(server, *arguments, "--json").stdout)


def new_key(text):
    key = KEY.search(text)[1]
    Needlework.write("key", key)
    return key


def ask(server, person, key):
    return server.ask(person, headers=[("X-API-Key", key)])


@pytest.fixture
def server(start):
    return start(AUTH="keys")


# --- clients ---


def test_a_client_from_its_first_key_to_its_end(server, people):
    assert "no clients" in shown(server, "client", "list")
    text = shown(server, "client", "add", "shop", "--name", "商城", "--daily", "100", "--rate", "50")
    key = new_key(text)
    assert ask(server, people.one(), key).status == 200
    assert "商城" in text and re.search(r"^calls a day +100$", text, re.MULTILINE)

    assert key not in shown(server, "client", "show", "shop")
    client = told(server, "client", "show", "shop")
    assert (client["dailyCalls"], client["monthlyCalls"], client["requestsPerSecond"]) == (100, None, 50)
    assert client["usage"]["day"]["used"] == client["usage"]["month"]["used"] == 1
    assert [one["id"] for one in told(server, "client", "list")["clients"]] == ["shop"]

    second = new_key(shown(server, "client", "rotate", "shop", "--grace", "1h"))
    assert second != key
    for one in (key, second):
        assert ask(server, people.one(), one).status == 200
    assert len(told(server, "client", "show", "shop")["keys"]) == 2

    shown(server, "client", "set", "shop", "--disabled", "yes")
    assert ask(server, people.one(), second).code == "client_disabled"
    shown(server, "client", "set", "shop", "--disabled", "no", "--daily", "none", "--refresh", "yes")
    client = told(server, "client", "show", "shop")
    assert (client["dailyCalls"], client["refresh"], client["name"]) == (None, True, "商城")

    assert "removed" in shown(server, "client", "remove", "shop")
    assert told(server, "client", "remove", "shop") == {"removed": True}
    assert ask(server, people.one(), second).status == 401
    run(server, "client", "show", "shop", code=1)
    run(server, "client", "add", "shop", code=1)


def test_the_same_words_again_change_nothing(server):
    words = ("client", "add", "shop", "--name", "Shop", "--reserve", "20", "--shadow")
    new_key(shown(server, *words))
    before = told(server, "client", "show", "shop")
    again = shown(server, *words)
    assert "already there, as given" in again and not KEY.search(again)
    assert told(server, *words)["key"] is None
    assert told(server, "client", "show", "shop") == before
    assert "another client" in run(server, "client", "add", "shop", "--daily", "7", code=1).stderr
    assert told(server, "client", "show", "shop") == before


@pytest.mark.parametrize("words", [
    ("add", "anonymous"), ("add", "-- -x"), ("add", "UPPER"), ("add", "x", "--burst", "5"),
    ("add", "x", "--reserve", "101"), ("show", "nobody"), ("set", "nobody", "--daily", "5"),
    ("rotate", "nobody"), ("remove", "nobody"), ("show", "../packages"), ("show", "a?b"),
])
def test_what_the_service_refuses_is_told_in_a_line(server, words):
    done = run(server, "client", *words[:1], *words[1].split(" "), *words[2:], code=1)
    assert done.stdout == "" and done.stderr.startswith("sanyao: the service refuses: ")
    assert done.stderr.count("\n") == 1


# --- packages, and what is left of them ---


def test_packages_and_what_was_drawn(server, people):
    assert "unmetered" in shown(server, "balance") and "no packages" in shown(server, "package", "list")
    key = new_key(shown(server, "client", "add", "shop"))
    old = ("package", "add", "old", "--calls", "2", "--price", "0.60", "--purchased", "2026-01-01")
    new = ("package", "add", "new", "--calls", "1000", "--price", "288.10", "--purchased",
           "2026-02-01", "--expires", "2999-01-01")
    assert " next " in shown(server, *old) and "288.10" in shown(server, *new)
    for words in (old, new):
        assert "already there, as given" in shown(server, *words)
    assert "another package" in run(server, *old[:-1], "2026-01-02", code=1).stderr

    for person in people.some(3):
        assert ask(server, person, key).status == 200
    packages = {one["id"]: one for one in told(server, "package", "list")["packages"]}
    assert sum(one["used"] for one in packages.values()) == 3
    assert packages["new"]["used"] == 3, "the one that expires is drawn first"
    text = shown(server, "balance")
    assert text.startswith("1002 bought, 3 used, 999 left\n")
    assert re.search(r"^new +main +next +1000 +3 +997 +288\.10 ", text, re.MULTILINE)

    shown(server, "package", "set", "new", "--removed", "yes")
    assert " removed " in shown(server, "package", "list")
    assert ask(server, people.one(), key).status == 200
    assert told(server, "balance")["used"] == 1
    shown(server, "package", "set", "new", "--removed", "no", "--calls", "500", "--expires", "never")
    package = {one["id"]: one for one in told(server, "package", "list")["packages"]}["new"]
    assert (package["calls"], package["expiresAt"], package["used"]) == (500, None, 3)


def test_json_is_what_the_api_says(server):
    new_key(shown(server, "client", "add", "shop"))
    shown(server, "package", "add", "p", "--calls", "5", "--price", "1")
    for words, path in ((("client", "list"), "clients"), (("client", "show", "shop"), "clients/shop"),
                        (("package", "list"), "packages")):
        reply = server.admin("GET", "/admin/v1/" + path, server.bearer())
        assert run(server, *words, "--json").stdout.rstrip("\n") == reply.body.decode().rstrip("\n")


def test_a_balance_is_explained_by_its_rows(server, sandbox, people):
    key = new_key(shown(server, "client", "add", "shop"))
    shown(server, "package", "add", "p", "--calls", "100", "--price", "30")
    for person in people.some(4):
        ask(server, person, key)
    for how in ({"gateway": "throttled"}, {"cut": "request"}):
        person = people.one()
        sandbox.behave(mobile=person.mobile, calls=1, **how)
        ask(server, person, key)
    server.wait_for_states(settled=4, released=1, unknown=1)
    text = shown(server, "balance", "--explain")
    assert "5 rows, as package p says" in text
    assert text.count(" settled ") == 4 and text.count(" unknown ") == 1 and "released" not in text
    rows = run(server, "ledger", "--package", "p", "--counted", "--json").stdout.splitlines()
    assert len(rows) == 5 and {json.loads(row)["package"] for row in rows} == {"p"}
    assert run(server, "ledger", "--package", "other", "--json").stdout == ""
    assert len(run(server, "ledger", "--credential", "main", "--json").stdout.splitlines()) == 6
