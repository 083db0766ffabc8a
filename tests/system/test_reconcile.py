"""`sanyao reconcile`: the seller's usage export against the ledger, on both stores."""

import json
import os
import subprocess
from datetime import datetime, timedelta

import pytest
from harness import clean_environment
from sandbox_control import default_bin_dir
from test_ledger_export import CHINA, plant, server  # noqa: F401 (a fixture)

HEADINGS = ["流水编号", "处理时间", "备注", "消耗"]
BEGIN = datetime(2026, 3, 19, 10, 0, 1, tzinfo=CHINA)


def window(index):
    return BEGIN + timedelta(minutes=10 * index)


def span(index):
    begin, end = window(index), window(index + 1)
    return f"{begin:%Y-%m-%d %H:%M:%S} - {end:%Y-%m-%d %H:%M:%S}"


def calls(index, count):
    """Moments of calls within a window."""
    return [int(window(index).timestamp() * 1000) + 1000 * number for number in range(count)]


def export(place, counts, encoding="utf-8", end="\n", more=()):
    """The seller's file: newest first, as its console gives it."""
    lines = [",".join(HEADINGS)]
    lines += [
        f"4557{index:08d},{span(index)},套餐包消耗,{count}次"
        for index, count in sorted(counts.items(), reverse=True)
    ]
    path = os.path.join(place, "usage.csv")
    with open(path, "wb") as file:
        file.write((end.join([*lines, *more]) + end).encode(encoding))
    return path


def run(server, *arguments):  # noqa: F811
    environment = {**clean_environment(), **{
        "SANYAO_" + key: str(value) for key, value in server.settings.items() if value is not None
    }, "SANYAO_ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}"}
    return subprocess.run(
        [os.path.join(default_bin_dir(), "sanyao"), "reconcile", *arguments], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        cwd=server.directory,
    )


def reconcile(server, path, code, *more):  # noqa: F811
    done = run(server, "--json", *more, path)
    assert (done.returncode, done.stderr) == (code, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_agrees(server, place, encoding, end):  # noqa: F811
    plant(server, calls(0, 7) + calls(1, 6) + calls(3, 7))
    said = reconcile(server, export(place, {0: 7, 1: 6, 3: 7}, encoding, end), 0)
    assert said["agree"] is True and said["windows"] == [] and said["pending"] == 0
    assert said["total"] == {
        "ours": 20, "theirs": 20, "agreed": 20, "late": 0, "oursOnly": 0, "theirsOnly": 0,
    }


def test_calls_in_flight_are_billed_in_the_next_window(server, place):  # noqa: F811
    """One of the window before the file, and one of its last, too."""
    plant(server, calls(-1, 4) + calls(0, 5) + calls(1, 5) + calls(2, 3))
    said = reconcile(server, export(place, {0: 4, 1: 7, 2: 2}), 0, "--all")
    assert said["agree"] is True and said["pending"] == 1
    assert said["total"]["late"] >= 1 and said["total"]["theirsOnly"] == 0


def test_what_differs(server, place):  # noqa: F811
    plant(server, calls(0, 5) + calls(2, 3) + calls(5, 2))
    path = export(place, {0: 3, 4: 6, 5: 2})
    said = reconcile(server, path, 3)
    assert said["agree"] is False
    assert said["total"] == {
        "ours": 10, "theirs": 11, "agreed": 5, "late": 0, "oursOnly": 5, "theirsOnly": 6,
    }
    assert [(one["begin"], one["oursOnly"], one["theirsOnly"]) for one in said["windows"]] == [
        (f"{window(0):%Y-%m-%d %H:%M:%S}", 2, 0),
        (f"{window(2):%Y-%m-%d %H:%M:%S}", 3, 0),
        (f"{window(4):%Y-%m-%d %H:%M:%S}", 0, 6),
    ]
    assert len(reconcile(server, path, 3, "--all")["windows"]) == 4
    people_read = run(server, path)
    assert people_read.returncode == 3
    assert "10 of ours, 11 of theirs: 5 agreed" in people_read.stdout
    assert "THEIRS ONLY" in people_read.stdout


def test_lines_that_cannot_be_read_are_named(server, place):  # noqa: F811
    plant(server, calls(0, 2))
    path = export(place, {0: 2}, more=["1,yesterday,套餐包消耗,7次", f"2,{span(1)},套餐包消耗,some"])
    said = reconcile(server, path, 3)
    assert said["malformed"] == 2 and [one["line"] for one in said["malformedLines"]] == [3, 4]
    assert said["total"]["agreed"] == 2
    done = run(server, path)
    assert done.returncode == 3 and "line 3: " in done.stderr and "line 4: " in done.stderr


def test_what_is_no_export_fails(server, place):  # noqa: F811
    for content in (b"", b"a,b\n1,2\n", b"\xff\xfe\x00", ",".join(HEADINGS).encode() + b"\n"):
        path = os.path.join(place, "usage.csv")
        with open(path, "wb") as file:
            file.write(content)
        done = run(server, path)
        assert done.returncode == 1 and done.stderr.startswith("sanyao: ") and not done.stdout
    assert run(server, os.path.join(place, "absent.csv")).returncode == 1
    assert run(server).returncode == 2
    assert run(server, path, path).returncode == 2


def test_the_service_must_run(server, place):  # noqa: F811
    path = export(place, {0: 1})
    server.stop()
    done = run(server, path)
    assert done.returncode == 1 and done.stderr.startswith("sanyao: ")
