"""What is kept for a while is found out anew before that is over, by one of those who ask.

If it went for everybody at once, all who ask just then would wait. So the first who asks in the
last part of its time looks, and everybody else has what is kept meanwhile. The moment is drawn, as
in Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention" (VLDB
2015), so that what was found out together is not looked for together ever after.
"""

import random
from dataclasses import dataclass
from typing import Self

SOONEST, LATEST = 0.5, 0.9
"""Of the time that something is kept."""


@dataclass(slots=True)
class Renewal:
    """When something kept is to be looked for, and whether somebody does."""

    at: float
    begun: bool = False

    @classmethod
    def within(cls, now: float, seconds: float) -> Self:
        """Of something that is kept so long from now."""
        part = random.uniform(SOONEST, LATEST)  # noqa: S311  nobody gains by guessing it
        return cls(now + part * seconds)

    def is_wanted(self, now: float) -> bool:
        """Whether it is time, and nobody has begun. Whoever looks for it then sets `begun`."""
        return now >= self.at and not self.begun
