"""What a second worker brings."""

import contextlib
import functools

from load import HEADINGS, PEOPLE, SEED, Load, interleave, questions, rows_of
from people import People
from report import Row, table
from sandbox_control import Sandbox
from servers import Sanyao

TITLE = "Two workers against one"
CONNECTIONS = 256
TARGET = 1.7
CORES_FOR_BOTH = 4  # from which on the load has cores of its own


class Team(Sanyao):
    """One with so many workers."""

    def __init__(self, bench, workers, cores, upstream_url):
        super().__init__(bench, cores=cores, upstream_url=upstream_url, WORKERS=str(workers))
        self.name = f"{workers} worker" + ("s" if workers > 1 else "")


def measure_on(bench, teams, cores):
    """Medians, with the load on these cores."""
    runs = {}
    people = People(SEED).some(PEOPLE)
    for team in teams:
        load = Load(bench, questions(people, team.key))
        load.warm(team)
        load.run(team, CONNECTIONS, cores)  # each worker has a memory of its own
        runs[team.name] = functools.partial(load.run, team, CONNECTIONS, cores)
    return interleave(bench.rounds, runs)


def measure_teams(bench, cores, load_cores):
    """cores: for each number of workers, from one."""
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(None, "--number-limit", 0))
        teams = [
            stack.enter_context(Team(bench, workers, of_team, sandbox.url))
            for workers, of_team in enumerate(cores, 1)
        ]
        return measure_on(bench, teams, load_cores)


def measure_apart(bench):
    """One core for each worker, and the rest for the load."""
    cores = bench.cores
    medians = measure_teams(bench, (cores[:1], cores[:2]), cores[2:])
    one, two = medians.values()
    return medians, two.rate / one.rate, "Each worker has a core, and the load all others:"


def measure_together(bench):
    """Where there is no core for the load alone, what counts is how much a worker's core second brings."""
    medians = measure_teams(bench, (bench.cores, bench.cores), bench.cores)
    one, two = medians.values()
    title = (
        f"This machine has {len(bench.cores)} cores, too few for two workers and the load: all share them."
        " So the ratio is not of requests a second, but twice that of requests for each second of"
        " processor time: what two workers would do on two cores that nobody shares, as far as they do not"
        " sleep while they wait for each other:"
    )
    return medians, 2 * two.per_cpu_s / one.per_cpu_s, title


def measure(bench):
    apart = len(bench.cores) >= CORES_FOR_BOTH
    medians, measured, title = (measure_apart if apart else measure_together)(bench)
    what = f"two workers, memory hits, {CONNECTIONS} connections"
    what += "" if apart else ", by processor time"
    rows = rows_of(CONNECTIONS, medians, next(iter(medians.values())))
    lines = [title, "", *table(HEADINGS[:-1], [row[:-1] for row in rows])]
    return lines, [Row(what, "one worker", TARGET, measured)]
