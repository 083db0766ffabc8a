"""kill -9, a hundred times, at random moments under load.

What holds after each: everybody who was answered is known; upstream billed no more calls than the
ledger admits to (what counts as billed: settled and unknown); no row is left `reserved`.
"""

import random
import threading
import time

import pytest
from harness import Closed, Server, read_answer, send_question
from people import People

KILLS = 100
ASKERS = 4
LONGEST_LIFE = 0.15  # seconds under load


class Load:
    """Threads that ask about new people until the server is gone."""

    def __init__(self, server, crowd):
        self.server, self.crowd = server, crowd
        self.lock = threading.Lock()
        self.answered, self.faults = [], []
        self.threads = [threading.Thread(target=self.run) for _ in range(ASKERS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        try:
            with self.server.connect() as connection:
                while True:
                    with self.lock:
                        person = next(self.crowd)
                    send_question(connection, person)
                    if read_answer(connection, person).status == 200:
                        self.answered.append(person)
        except (OSError, Closed):
            pass
        except BaseException as fault:  # a reply that breaks the contract
            self.faults.append(fault)

    def join(self):
        for thread in self.threads:
            thread.join()
        for fault in self.faults:
            raise fault


def known(server, crowd):
    with server.connect() as connection:
        for person in crowd:
            send_question(connection, person, "only-if-cached")
        return sum(read_answer(connection, person).status == 200 for person in crowd)


@pytest.mark.longest
@pytest.mark.timeout(170)
def test_a_hundred_kills_lose_nothing(place, sandbox):
    chance = random.Random(23)
    crowd = People(29).mixed()
    server = Server(place, sandbox.url, WORKERS="2", NUMBER_LIMIT_MAX_CALLS="1000000")
    answered = []
    server.start()
    for _ in range(KILLS):
        load = Load(server, crowd)
        # The moment is random on purpose: nothing is waited for here.
        time.sleep(chance.random() ** 2 * LONGEST_LIFE)
        server.kill()
        load.join()
        answered += load.answered
        server.start()
        assert known(server, load.answered) == len(load.answered)
        states = server.states()
        assert "reserved" not in states
        spent = states.get("settled", 0) + states.get("unknown", 0)
        assert sandbox.stats()["billed"] <= spent
    assert len(answered) > KILLS
    assert known(server, answered) == len(answered)
    for person in chance.sample(answered, 20):
        assert sandbox.calls(person.mobile, person.id_card, person.name) == 1
    server.stop()


def test_a_kill_while_a_call_is_under_way_is_unknown(start, sandbox, people):
    server = start()
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True, calls=1)
    with server.connect() as connection:
        send_question(connection, person)
        sandbox.wait_for_hanging(1)
        assert server.states() == {"reserved": 1}, "the intent stands before the call"
        server.kill()
    sandbox.release()
    server.start()
    assert server.states() == {"unknown": 1}
    row, = server.rows()
    assert row["billed"] is None
    assert server.ask(person).json["billed"] is True
    assert server.states() == {"unknown": 1, "settled": 1}
