"""What the benches found: kept as bench/results/NAME.json, and shown together as bench/results.md."""

import glob
import json
import os
import platform
import subprocess
import time
import typing

RESULTS = "bench/results"
PAGE = "bench/results.md"
PACKAGES = (
    "libmicrohttpd12 nginx-light libnginx-mod-http-lua lua-nginx-redis varnish redis-server wrk"
).split()


class Row(typing.NamedTuple):
    """One promise. `measured` is to be at least `target`, or at most."""

    what: str
    against: str
    target: float
    measured: float
    at_most: bool = False
    unit: str = "x"

    @property
    def reached(self):
        return self.measured <= self.target if self.at_most else self.measured >= self.target

    def line(self):
        bound = "at most" if self.at_most else "at least"
        return table_line(
            self.what, self.against, f"{bound} {self.target:g}{self.unit}",
            f"{self.measured:.2f}{self.unit}",
            "reached" if self.reached else "**not reached**",
        )


# --- Markdown ---


def table_line(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def table(headings, rows):
    """Lines of a table whose first column is words, and all others numbers."""
    return [
        table_line(*headings), "|---|" + "---:|" * (len(headings) - 1),
        *(table_line(*row) for row in rows),
    ]


def summary(rows):
    rows = list(rows)
    if not rows:
        return []
    return ["| what | against | promised | measured | |", "|---|---|---:|---:|---|",
            *(row.line() for row in rows)]


# --- where and with what ---


def told(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return models[0] if models else platform.machine()


def release():
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def circumstances(command):
    """When, by what command, on which machine and with which versions."""
    packages = told("dpkg-query", "-W", "-f", "${Package} ${Version}, ", *PACKAGES).rstrip(", ")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": command,
        "machine": f"{processor()}, {os.cpu_count()} cores (load average before: {os.getloadavg()[0]:.1f});"
        f" Linux {platform.release()}; {release()}",
        "versions": f"{told('build/release/bin/sanyao', '--version')}"
        f" ({told('git', 'describe', '--always', '--dirty')}); {packages}",
    }


# --- keeping ---


def keep(name, result):
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, name + ".json"), "w", encoding="utf-8") as file:
        json.dump(result, file, ensure_ascii=False, indent=1)
        file.write("\n")


def kept():
    results = []
    for path in sorted(glob.glob(os.path.join(RESULTS, "*.json"))):
        with open(path, encoding="utf-8") as file:
            results.append(json.load(file))
    return results


def details(result):
    made = result["made"]
    return [
        f"## {result['title']}", "", *"\n".join(result["lines"]).strip().split("\n"), "",
        f"{made['date']}, `{made['command']}`; {made['machine']}; {made['versions']}", "",
    ]


def alone(result):
    """What is shown of one section when it has been measured."""
    return details(result) + summary(Row(*row) for row in result["rows"]) + [""]


def write_page():
    results = kept()
    rows = [Row(*row) for result in results for row in result["rows"]]
    lines = [
        "# sanyao beside others", "",
        "Made by `scripts/bench`, which says how with `--help`; what each section was made by, when, on"
        " which machine and with which versions stands at its end. The server runs on one core, the load on"
        " another, in turns; all numbers are medians. A ratio is of requests a second. Where the load's"
        " core was the limit and not the server, it is of requests for each second of the server's"
        " processor time; where it was the limit for one of the two, it is the lesser of both.", "",
        *summary(rows), "",
    ]
    for result in results:
        lines += details(result)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
