"""How fast a build of Python is: microseconds of CPU for a fixed loop of integers, calls, tables and texts.

Builds of one version differ by a quarter, as profile-guided optimisation was used or not; `sysconfig` does not tell.
The least of some rounds counts, since a machine is never quiet.
"""

import time


def step(table: dict[int, int], number: int) -> int:
    """Do a little of everything."""
    table[number & 255] = number
    return len(str(number)) + table.get(number >> 3 & 255, 1)


def loop() -> float:
    """Return the seconds of one round."""
    began, table, total = time.process_time(), dict[int, int](), 0
    for number in range(60_000):
        total += step(table, number)
    return time.process_time() - began


if __name__ == "__main__":
    print(int(1e6 * min(loop() for _ in range(5))))
