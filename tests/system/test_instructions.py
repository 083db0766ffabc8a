"""What a memory hit costs: its instructions in user space are written down in instructions.json, and a
change that makes them a tenth more fails here. So does one that makes them a tenth fewer, until the new figure
is written down; or what was won could be lost again unseen.

A time would say more of what a caller feels and nothing that can be relied on: instructions are the same on a
busy machine and on an idle one (counting.py has how they are counted). They are not the same with other
libraries or another compiler, so each has a row of its own. Where none is written yet, a hit may take a
quarter more than the most that is written: what differs there is not ours, but a loop too many still shows.
"""

import ctypes
import json
import os
import platform
import re

import pytest
from contract import SOURCE_DIR
from counting import CountedServer, Hits, instructions
from people import People

WRITTEN = os.path.join(SOURCE_DIR, "tests/system/instructions.json")
WRITE = "SANYAO_TEST_WRITE_INSTRUCTIONS"
HOW = f"{WRITE}=1 scripts/test --quick -- -k test_instructions"
PROCESSES = 2  # the heap lies otherwise in each
PEOPLE = 200
HITS = 400
TOLERANCE = 0.10
STRANGE_TOLERANCE = 0.25


def libraries():
    """What a row is about: who compiled it, for what, and the library that has most of the rest."""
    library = ctypes.CDLL("libmicrohttpd.so.12")
    library.MHD_get_version.restype = ctypes.c_char_p
    with open(os.path.join(os.environ["BIN_DIR"], "sanyao"), "rb") as file:
        program = file.read()
    compiler = re.search(rb"clang version \d+|GCC: \([^)]*\) \d+", program)[0].decode()
    name = "clang" if compiler.startswith("clang") else "gcc"
    version = compiler.rsplit(" ", 1)[1]
    return f"libmicrohttpd {library.MHD_get_version().decode()}, {name} {version}, {platform.machine()}"


def measure(directory, sandbox):
    """The least of several processes, {"GET": …, "POST": …}."""
    found = {"GET": [], "POST": []}
    for index in range(PROCESSES):
        with CountedServer(os.path.join(directory, str(index)), sandbox.url) as server:
            hits = Hits(server, People("instructions").some(PEOPLE))
            for method, load in (("GET", hits.get), ("POST", hits.post)):
                dump = server.count(hits.connection, lambda: load(HITS))
                found[method].append(instructions(dump) / HITS)
            assert hits_counted(server) == 2 * (PEOPLE + HITS), "metrics are part of a hit"
    return {method: round(min(figures)) for method, figures in found.items()}


def hits_counted(server):
    """How many hits of the client the metrics tell of."""
    text = server.admin("GET", "/metrics").body.decode()
    samples = re.findall(r"^sanyao_requests_total\{(.*)\} (\d+)$", text, re.MULTILINE)
    return sum(int(value) for labels, value in samples
               if 'client="shop"' in labels and 'source="cache"' in labels)


def write(written, row, found):
    rounded = {method: round(figure, -2) for method, figure in found.items()}
    with open(WRITTEN, "w", encoding="utf-8") as file:
        json.dump({**written, row: rounded}, file, indent=4, sort_keys=True)
        file.write("\n")


@pytest.mark.longest
@pytest.mark.timeout(120)
@pytest.mark.skipif(
    os.path.basename(os.path.dirname(os.environ["BIN_DIR"])) != "release",
    reason="the figures are those of a release build",
)
def test_a_hit_takes_the_instructions_that_are_written_down(place, sandbox, summaries):
    with open(WRITTEN, encoding="utf-8") as file:
        written = json.load(file)
    row = libraries()
    found = measure(place, sandbox)
    summaries(f"instructions a hit: GET {found['GET']}, POST {found['POST']} ({row})")
    if os.environ.get(WRITE):
        write(written, row, found)
        return
    complaints = [
        complaint for method, figure in found.items()
        if (complaint := judge(method, figure, row, written))
    ]
    if row not in written:
        summaries(f"  none is written for these; if they are here to stay: {HOW}")
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def judge(method, figure, row, written):
    """What is wrong with the figure, or None."""
    if row in written:
        expected, tolerance = written[row][method], TOLERANCE
    else:
        expected, tolerance = max(each[method] for each in written.values()), STRANGE_TOLERANCE
    change = f"a hit by {method} takes {figure} instructions; {expected} are written down"
    change += f" ({figure / expected - 1:+.1%})"
    if figure > expected * (1 + tolerance):
        return f"{change}. bench/profile tells where they are. If it must be so: {HOW}"
    if row in written and figure < expected * (1 - tolerance):
        return f"{change}. That is to be kept: {HOW}"
    return None
