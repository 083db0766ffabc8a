"""Stores full of answers about people who do not exist: number i is always the same one, with a check digit
that is right. The same rule is in store_fill.c, which fills a store with the answers about them.

    path = fill(bench.place("store"), 1_000_000)
    requests = questions(some(1_000_000, 1000), key)
"""

import os
import random
import subprocess

SURNAMES = "王李张刘陈杨赵黄"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"
SEED = 20261128


class Person:
    def __init__(self, number):
        self.number = number

    def name(self):
        number = self.number
        return SURNAMES[number % 8] + GIVEN[number // 8 % 16] + GIVEN[number // 128 % 16]

    def id_card(self):
        number = self.number
        digits = (
            f"110101{1950 + number % 50}{1 + number // 50 % 12:02}{1 + number // 600 % 28:02}"
            f"{number // 16800 % 1000:03}"
        )
        total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS))
        return digits + CHECK_DIGITS[total % len(CHECK_DIGITS)]

    def mobile(self):
        return str(13_000_000_000 + self.number)

    def question(self):
        return {"name": self.name(), "idCard": self.id_card(), "mobile": self.mobile()}


def some(people, count):
    """`count` of the first `people`, from anywhere among them."""
    generator = random.Random(SEED)
    return [Person(generator.randrange(people)) for _ in range(count)]


def fill(directory, people, rows=0):
    """The path of a store with answers about the first `people`, and a row of the ledger for the first
    `rows` of them. The hash key lies beside it."""
    path = os.path.join(directory, "store.db")
    subprocess.run(
        ["build/release/bench/store_fill", path, str(people), str(rows)], check=True,
        stdout=subprocess.DEVNULL,
    )
    return path
