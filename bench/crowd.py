"""People that do not exist: number i is always the same one, with a check digit that is right.

The same rule is in store_fill.c, which fills a store with the answers about them.
"""

import random
import urllib.parse

PEOPLE_MAX = 16_800_000  # then ID numbers would repeat

_SURNAMES = "王李张刘陈杨赵黄"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def name(person):
    return _SURNAMES[person % 8] + _GIVEN[person // 8 % 16] + _GIVEN[person // 128 % 16]


def id_card(person):
    digits = (f"110101{1950 + person % 50}{1 + person // 50 % 12:02}"
              f"{1 + person // 600 % 28:02}{person // 16800 % 1000:03}")
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS))
    return digits + "10X98765432"[total % 11]


def mobile(person):
    return str(13_000_000_000 + person)


def question(person):
    """As POST /verify takes it."""
    return {"name": name(person), "idCard": id_card(person), "mobile": mobile(person)}


def query(person):
    """As GET /verify and GET /carrieroperator take it."""
    return urllib.parse.urlencode(question(person))


def sample(people, count, seed=1):
    """`count` of the people 0 … people-1, over all of them; the same ones for the same seed."""
    generator = random.Random(seed)
    return [generator.randrange(people) for _ in range(count)]
