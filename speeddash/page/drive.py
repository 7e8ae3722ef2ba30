"""The drive that the page's simulator makes up: a person would believe it, and each visit has another one. Pure."""

from random import Random
from typing import Final

#: Its length; then it begins again.
DRIVE_S: Final = 600
TARGETS_KMH: Final = (0, 0, 30, 50, 50, 70, 100, 120, 130, 160, 190)
FIRST_TARGET_KMH: Final = 50
TOP_KMH: Final = 200.0
BRAKE_KMH_S: Final = 11.0
#: Time before the end in which it comes to a stand.
STOPPING_S: Final = 30


def drive(chance: Random) -> list[float]:
    """Return a speed in km/h for each second: pull away, cruise, slow down, stand still."""
    speed, target, hold_s = 0.0, FIRST_TARGET_KMH, 0.0
    speeds = []
    for second in range(DRIVE_S):
        if second >= DRIVE_S - STOPPING_S:
            target = 0
        gap = target - speed
        if abs(gap) > 2:
            # Strong at low speed, weak near the top.
            step = min(gap, 1.5 + 9 * max(0.0, 1 - speed / 160)) if gap > 0 else max(gap, -BRAKE_KMH_S)
            speed += step * (0.75 + 0.5 * chance.random())
            hold_s = 0.0
        elif hold_s <= 0:
            hold_s = 3 + 10 * chance.random() if target == 0 else 8 + 25 * chance.random()
        elif hold_s <= 1:
            target, hold_s = chance.choice(TARGETS_KMH), 0.0
        else:
            hold_s -= 1
            speed += -speed if target == 0 else (chance.random() - 0.5) * 1.6
        speed = min(TOP_KMH, max(0.0, speed))
        speeds.append(round(speed, 1))
    return speeds
