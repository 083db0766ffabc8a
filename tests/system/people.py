"""Made-up people: names, ID numbers and mobile numbers that hold by their check digits and belong to
nobody who is known to us.

    crowd = People(seed=7)
    person = crowd.one()
    limited = crowd.one(status="203")  # by the sandbox's magic numbers

Everybody who is made is remembered in `People.made`, so that whatever is left at rest can be searched
for them. A person's text form says nothing of them: test output shows no name and no number.
"""

import random

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"
PROVINCES = (
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65"
).split()
SEGMENTS = (
    "130 131 132 133 134 135 136 137 138 139 150 151 152 153 155 156 157 158 159 166 173 175 176 177 178"
    " 180 181 182 183 184 185 186 187 188 189 191 193 198 199"
).split()
VIRTUAL_SEGMENTS = ("162", "165", "167", "170", "171")
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗"
# A mobile number that ends in this and a status of three digits chooses the sandbox's answer.
MAGIC = "99"


def check_digit(seventeen):
    total = sum(int(digit) * weight for digit, weight in zip(seventeen, WEIGHTS))
    return CHECK_DIGITS[total % 11]


class Person:
    """One question's three elements, in canonical form."""

    __slots__ = ("name", "id_card", "mobile")

    def __init__(self, name, id_card, mobile):
        self.name, self.id_card, self.mobile = name, id_card, mobile

    def __repr__(self):
        return "<a person>"

    def question(self):
        return {"name": self.name, "idCard": self.id_card, "mobile": self.mobile}

    def but(self, **changes):
        """The same person with some values changed (remembered as well)."""
        values = {"name": self.name, "id_card": self.id_card, "mobile": self.mobile, **changes}
        return remember(Person(**values))

    def masked(self):
        """The seller's echoes of this question."""
        return {
            "name": self.name[:1] + "*",
            "idCard": f"{self.id_card[:2]}*****{self.id_card[-4:]}",
            "mobile": f"{self.mobile[:2]}*****{self.mobile[-3:]}",
        }


class People:
    """A source of people who are all different; the same seed gives the same people."""

    made = []  # everybody of this process

    def __init__(self, seed=None):
        self.random = random.Random(seed)
        self.mobiles = set()

    def one(self, status=None, segment=None, rare=False):
        return remember(Person(self.name(rare), self.id_card(), self.mobile(status, segment)))

    def some(self, count):
        return [self.one() for _ in range(count)]

    def mixed(self, values=60):
        """Without end: people made of few values, no two alike, neighbours with other numbers. What
        is asked by the thousand is made so, or the search at the end would take long. Neither sanyao nor
        the sandbox may limit numbers then."""
        crowd = self.some(values)
        for index in range(values**3):
            yield Person(
                crowd[index // values % values].name,
                crowd[index // values**2].id_card,
                crowd[index % values].mobile,
            )

    def name(self, rare=False):
        """A surname and two Han characters; `rare`: from beyond the basic plane."""
        given = (0x20000, 0x2A6DF) if rare else (0x4E00, 0x9FA5)
        return self.random.choice(SURNAMES) + "".join(
            chr(self.random.randint(*given)) for _ in range(2)
        )

    def id_card(self):
        body = "{}{:04d}{:04d}{:02d}{:02d}{:03d}".format(
            self.random.choice(PROVINCES),
            self.random.randrange(10000),
            self.random.randint(1940, 2006),
            self.random.randint(1, 12),
            self.random.randint(1, 28),
            self.random.randrange(1000),
        )
        return body + check_digit(body)

    def mobile(self, status=None, segment=None):
        while True:
            middle = f"{self.random.randrange(10**3):03d}"
            ends = MAGIC + status.zfill(3) if status else f"{self.random.randrange(10**5):05d}"
            mobile = (segment or self.random.choice(SEGMENTS)) + middle + ends
            if mobile not in self.mobiles and (status or not ends.startswith(MAGIC)):
                self.mobiles.add(mobile)
                return mobile


def remember(person):
    People.made.append(person)
    return person
