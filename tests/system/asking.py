"""The commands that ask the service itself (verify, batch, health), as processes before a real one.

What is asked stands in files outside of what is searched at the end; what comes of it stands within.
"""

import csv
import json
import os
import subprocess

from harness import clean_environment, note
from sandbox_control import default_bin_dir

PROGRAM = os.path.join(default_bin_dir(), "sanyao")


def environment_of(server, key=None, **settings):
    names = {
        "LISTEN": f"127.0.0.1:{server.port}",
        "ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}",
        "ADMIN_TOKEN": server.settings["ADMIN_TOKEN"],
        "AUTH": server.settings["AUTH"],
        "KEY": key,
        **settings,
    }
    return {**clean_environment(),
            **{"SANYAO_" + name: value for name, value in names.items() if value is not None}}


def start_command(server, *arguments, key=None, given=None, **settings):
    process = subprocess.Popen(
        [PROGRAM, *map(str, arguments)], env=environment_of(server, key, **settings),
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=server.directory,
    )
    if given is not None:
        process.stdin.write(given)
    return process


def end_command(process, code=0):
    """What it wrote to its two outputs."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, f"exit code {process.returncode}: {out}{err}"
    return out, err


def command(server, *arguments, code=0, **more):
    out, err = end_command(start_command(server, *arguments, **more), code)
    assert server.settings["ADMIN_TOKEN"] not in out + err
    return out, err


def told(server, *arguments, **more):
    return json.loads(command(server, *arguments, "--json", **more)[0])


# --- files of questions ---


def write_csv(path, people, headings="name,idCard,mobile", encoding="utf-8"):
    """A file of them, in which each has its place as its id."""
    lines = [headings + ",id"]
    for index, person in enumerate(people):
        note(person)
        lines.append(f"{person.name},{person.id_card},{person.mobile},n{index}")
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def write_ndjson(path, people):
    lines = []
    for index, person in enumerate(people):
        note(person)
        lines.append(json.dumps({"id": f"n{index}", **person.question()}, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_of(path):
    """Of a file of results, by the line asked about; no line may stand there twice."""
    with open(path, encoding="utf-8", newline="") as file:
        if str(path).endswith("ndjson"):
            rows = [json.loads(line) for line in file][1:]
        else:
            rows = list(csv.DictReader(file))
    by_line = {int(row["line"]): row for row in rows}
    assert len(by_line) == len(rows)
    return by_line
