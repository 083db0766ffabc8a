"""verify, health and keygen before a real service: answers, refusals, and exit codes."""

import json
import re
import signal
import socket
import stat
import subprocess

import pytest
from asking import PROGRAM, command, told
from desk import Desk
from harness import Needlework, clean_environment, note


def question(person):
    note(person)
    return json.dumps(person.question(), ensure_ascii=False)


def lines(person):
    note(person)
    return f"{person.name}\n{person.id_card}\n{person.mobile}\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- verify ---


def test_the_exit_code_says_whether_they_belong_together(start, people):
    server = start()
    person = people.one()
    answer = told(server, "verify", given=question(person))
    assert (answer["result"], answer["source"], answer["billed"]) == ("match", "upstream", True)
    out, err = command(server, "verify", given=lines(person))
    assert re.search(r"^source +cache$", out, re.MULTILINE) and err == ""
    assert re.search(r"^billed +no$", out, re.MULTILINE)
    for value in person.question().values():
        assert value not in out
    other = people.one(status="02")
    answer = told(server, "verify", given=question(other), code=3)
    assert (answer["status"], answer["result"]) == ("02", "mismatch")
    command(server, "verify", given=f"{other.name}, {other.id_card} ,{other.mobile}", code=3)
    answer = told(server, "verify", given=question(other.but(id_card="1")), code=3)
    assert (answer["result"], answer["source"]) == ("invalid_id_card", "local")


def test_a_person_is_read_from_a_file(start, people, tmp_path):
    server, path = start(), tmp_path / "person"
    path.write_text(question(people.one()), encoding="utf-8")
    command(server, "verify", "--file", path)
    _, err = command(server, "verify", "--file", tmp_path / "none", code=1)
    assert "cannot be opened" in err
    for given in ("", "x", "a,b", "a,b,c,d", "{"):
        command(server, "verify", given=given, code=1)
    command(server, "verify", "a-word", code=2)


def test_directives_are_passed_on(start, sandbox, people):
    server, person = start(), people.one()
    _, err = command(server, "verify", "--only-if-cached", given=question(person), code=1)
    assert "not_cached" in err and "billed: false" in err and sandbox.calls() == 0
    command(server, "verify", given=question(person))
    assert told(server, "verify", "--only-if-cached", given=question(person))["source"] == "cache"
    assert told(server, "verify", "--no-cache", given=question(person))["source"] == "upstream"
    assert told(server, "verify", "--max-age", "1000", given=question(person))["source"] == "cache"
    sandbox.behave(hang=True, calls=1)
    late = people.one()
    problem = told(server, "verify", "--wait", "1", given=question(late), code=1)
    assert (problem["code"], problem["billed"]) == ("upstream_timeout", "unknown")
    sandbox.release()
    command(server, "verify", "--wait", "601", given=question(late), code=2)


def test_a_key_is_asked_for(start, people, tmp_path):
    server, person = start(AUTH="keys"), people.one()
    key = Desk(server).add_client("shop", dailyCalls=1)
    path = tmp_path / "key"
    path.write_text(key + "\n", encoding="ascii")
    path.chmod(0o600)
    _, err = command(server, "verify", given=question(person), code=1)
    assert "unauthenticated" in err and "--key-file" in err
    assert told(server, "verify", given=question(person), key=key)["billed"] is True
    assert told(server, "verify", "--key-file", path, given=question(person))["source"] == "cache"
    _, err = command(server, "verify", given=question(people.one()), key=key, code=1)
    assert "client_quota_exhausted" in err and key not in err
    _, err = command(server, "verify", given=question(person), key="no key", code=1)
    assert "no key" not in err


def test_a_service_that_is_down_is_told(start, people):
    server = start()
    for url in (f"http://127.0.0.1:{free_port()}", "unix:/nonexistent"):
        _, err = command(server, "verify", "--url", url, given=question(people.one()), code=1)
        assert "cannot be reached" in err
    _, err = command(server, "verify", "--url", "ftp://x", given=question(people.one()), code=1)
    assert "http://" in err
    _, err = command(server, "verify", given=question(people.one()), code=1, LISTEN="127.0.0.1:0")
    assert "port 0" in err


def test_a_unix_socket_will_do(start, people, tmp_path):
    address = f"unix:{tmp_path}/service.sock"
    server = start(LISTEN="127.0.0.1:0," + address)
    assert told(server, "verify", given=question(people.one()), LISTEN=address)["status"] == "01"
    command(server, "health", LISTEN=address)
    command(server, "health", "--url", address)


# --- health ---


def test_readiness_is_a_line_and_an_exit_code(start):
    server = start()
    assert command(server, "health") == ("ready\n", "")
    assert command(server, "health", "--live") == ("up\n", "")
    assert told(server, "health")["checks"]["store"] == "ok"
    without = start(APPCODE=None)
    out, err = command(without, "health", code=3)
    assert out == "not ready; credential: no AppCode is set\n" and err == ""
    assert command(without, "health", "--live") == ("up\n", "")


def test_health_waits_for_nobody(start):
    server = start()
    _, err = command(server, "health", code=1, LISTEN=f"127.0.0.1:{free_port()}")
    assert "cannot be reached" in err
    server.signal(signal.SIGSTOP)
    try:
        _, err = command(server, "health", code=1)
        assert "did not come whole" in err
    finally:
        server.signal(signal.SIGCONT)


def test_health_needs_no_secret_and_writes_nothing(start):
    server = start()
    done = subprocess.run(
        [PROGRAM, "health"], cwd="/", capture_output=True, text=True, timeout=30, check=False,
        env={**clean_environment(), "SANYAO_LISTEN": f"127.0.0.1:{server.port}"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")


# --- keygen ---


def keygen(*arguments, code=0):
    done = subprocess.run([PROGRAM, "keygen", *map(str, arguments)], env=clean_environment(),
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    return done


def test_keys_are_new_and_of_use(start):
    first, second = keygen(), keygen("--kind", "token")
    for done in (first, second):
        assert re.fullmatch(r"[0-9a-f]{64}\n", done.stdout)
        Needlework.write("secret", done.stdout.strip())
    assert first.stdout != second.stdout
    assert "loses the cache" in first.stderr and "admin token" in second.stderr
    start(HASH_KEY=first.stdout.strip(), ADMIN_TOKEN=second.stdout.strip())
    assert re.fullmatch("[0-9a-f]{64}", json.loads(keygen("--json").stdout)["key"])


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "key"
    done = keygen("--output", path)
    assert done.stdout == "" and stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", text) and text.strip() not in done.stderr
    done = keygen("--output", path, code=1)
    assert "is there already" in done.stderr and path.read_text() == text
    keygen("--output", tmp_path / "none" / "key", code=1)
    keygen("--kind", "other", code=2)


@pytest.mark.parametrize("name", ["verify", "batch", "health", "keygen"])
def test_help_is_there(name):
    done = subprocess.run([PROGRAM, name, "--help"], env=clean_environment(), capture_output=True,
                          text=True, timeout=30, check=True)
    assert done.stdout.startswith(f"Usage: sanyao {name}") and "Exit code" in done.stdout
