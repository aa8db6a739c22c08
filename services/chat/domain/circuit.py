"""A circuit breaker: a provider that keeps failing is not waited for by every turn.

After Michael Nygard, "Release It!", chapter "Stability Patterns".
"""

from dataclasses import dataclass

FAILURES = 5
"""In a row; then nothing is asked for a while."""
OPEN_SECONDS = 30.0


@dataclass
class Circuit:
    """What is known of one model with one key. Times are seconds of a steady clock."""

    failures: int = 0
    open_until: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until it may be asked again; 0: it may be asked."""
        return max(0.0, self.open_until - now)

    def failed(self, now: float) -> None:
        """It did not answer. Once it was open, the next failure opens it again."""
        self.failures += 1
        if self.failures >= FAILURES:
            self.open_until = now + OPEN_SECONDS

    def answered(self) -> None:
        """It works."""
        self.failures = 0
