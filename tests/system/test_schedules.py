"""The promises, as invariants over random schedules (schedules.py).

SANYAO_TEST_SCHEDULES        how many (40)
SANYAO_TEST_SCHEDULE_SEED    the first one's seed; the others follow (1)
SANYAO_TEST_SCHEDULE_SECONDS instead of a number: until so many seconds are over, also after a violation

A violation names the seed and the steps. The same seed makes the same steps; what the machine makes of
their timing may differ, so a rare violation may need several runs to be seen again.
"""

import collections
import os
import shutil
import time

import pytest
from schedules import Cluster, Schedule

COUNT = int(os.environ.get("SANYAO_TEST_SCHEDULES") or 40)
SEED = int(os.environ.get("SANYAO_TEST_SCHEDULE_SEED") or 1)
SECONDS = int(os.environ.get("SANYAO_TEST_SCHEDULE_SECONDS") or 0)
# A cluster's ledger is read after every schedule, so it gets a new one before that takes long. People are
# the same in every cluster, under another hash key.
CLUSTER_LIFE = 150
# Run side by side where pytest has several processes; each with a cluster and seeds of its own.
PARTS = 1 if SECONDS else min(4, COUNT)


class Tally:
    def __init__(self, part):
        self.said = []
        self.count = COUNT // PARTS + (part < COUNT % PARTS)
        self.seed = SEED + part * (COUNT // PARTS) + min(part, COUNT % PARTS)
        self.begin = time.monotonic()
        self.schedules = self.asked = 0
        self.faults = collections.Counter()
        self.violations = []

    def say(self, line):
        self.said.append(line)

    def is_over(self):
        if SECONDS:
            return time.monotonic() - self.begin > SECONDS
        return self.schedules >= self.count or bool(self.violations)

    def add(self, schedule, violations):
        self.schedules += 1
        for violation in violations:
            self.violations.append((schedule.seed, violation))
            self.say(f"schedule {schedule.seed}: {violation}")
        if violations:
            self.say(f"  SANYAO_TEST_SCHEDULES=1 SANYAO_TEST_SCHEDULE_SEED={schedule.seed}")
            self.say(f"  {schedule}")

    def summary(self):
        seconds = time.monotonic() - self.begin
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        return (
            f"schedules: {self.schedules} in {seconds:.0f} s, {self.asked} questions, "
            f"{sum(self.faults.values())} faults ({faults}), {len(self.violations)} violations"
        )


def run_on(cluster, tally):
    """Schedules until one is violated, the cluster is old, or it is over."""
    for _ in range(CLUSTER_LIFE):
        if tally.is_over():
            break
        schedule = Schedule(tally.seed + tally.schedules)
        try:
            violations = cluster.run(schedule)
        except AssertionError as error:
            violations = [str(error)]
        tally.add(schedule, violations)
        if violations:
            return
    cluster.redis.check_lifetimes()


@pytest.mark.longest
@pytest.mark.timeout(SECONDS + 300 if SECONDS else 60 + 10 * COUNT)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_schedules_break_no_promise(place, summaries, part):
    tally = Tally(part)
    clusters = 0
    while not tally.is_over():
        clusters += 1
        directory = os.path.join(place, f"cluster-{clusters}")
        before = len(tally.violations)
        cluster = Cluster(directory)
        try:
            with cluster:
                run_on(cluster, tally)
        except AssertionError as error:  # something that did not end as it should
            tally.violations.append((tally.seed + tally.schedules - 1, str(error)))
            tally.say(f"after schedule {tally.seed + tally.schedules - 1}: {error}")
        tally.faults += cluster.faults
        tally.asked += cluster.asked
        if SECONDS and len(tally.violations) == before and not tally.is_over():
            shutil.rmtree(directory)
    summaries(tally.summary())
    assert not tally.violations, "promises were broken:\n" + "\n".join(tally.said)
