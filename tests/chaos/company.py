"""Servers of others that an installation has to do with: a model, and receivers of webhooks."""

import logging
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from tests.chaos.corpus import FACTS
from tests.chaos.moods import MOODS, MoodyModel, mood_of, moody_model
from tests.chaos.work import PART, PATIENCE, Work
from tests.e2e.receivers import Hit, Receiver, receiving
from tests.e2e.test_webhooks import deliveries
from tests.harness import eventually

log = logging.getLogger(__name__)

EVENT = "chat.message"
FIRST = 1001
"""Number of the first part that the model is asked about; nobody else asks about those."""


@dataclass
class Company:
    """What all of them were asked and told."""

    model: MoodyModel
    receivers: dict[str, Receiver]
    secrets: list[str] = field(default_factory=list)
    """What the installation was entrusted with."""
    questions: list[str] = field(default_factory=list)
    """Those that the model need not answer."""
    bot: str = ""
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def introduced(self, work: Work) -> None:
        """Have the tenant use them."""
        key = f"sk-chaos-{secrets.token_hex(16)}"
        self.secrets.append(key)
        credentials = {"api_key": key, "api_base": self.model.url}
        self.bot = work.profile(model="gpt-4o-mini", credentials=credentials)
        text = " ".join(FACTS.format(n=n) for n in self.numbers)
        work.ingest(work.write(bot_profile_id=self.bot, content=text))
        work.rest()
        for name, receiver in self.receivers.items():
            body = {"url": receiver.url, "events": [EVENT]}
            self.hooks[name] = work.told(201, "POST", "/v1/webhooks", json=body).json()
            self.secrets.append(str(self.hooks[name]["secret"]))

    @property
    def numbers(self) -> Sequence[int]:
        return range(FIRST, FIRST + len(MOODS))

    def called(self, work: Work) -> None:
        """Ask the model in each of its moods, and wait until those who should hear of it did."""
        with ThreadPoolExecutor(len(self.numbers)) as askers:
            told = list(askers.map(partial(self._ask, work), self.numbers))
        work.statuses.update(told)
        answered = told.count(HTTPStatus.OK)
        for name in ("healthy", "tired"):
            receiver, hook = self.receivers[name], self.hooks[name]

            def heard(receiver: Receiver = receiver, hook: dict[str, Any] = hook) -> bool:
                missed = answered - len({hit.id for hit in receiver.hits})
                return missed <= 0 and not deliveries(work.tenant, hook, status="pending")

            eventually(heard, lambda: f"{answered} answers, {self.hits()}", PATIENCE)

    def _ask(self, work: Work, n: int) -> int:
        question = PART.format(n=n)
        self.questions.append(question)
        body = {"bot_profile_id": self.bot, "message": question}
        answer = work.tenant.http.post("/v1/chat", json=body, timeout=PATIENCE)
        log.info("a model that is %s: %s %s", mood_of(n), answer.status_code, answer.text)
        return answer.status_code

    def hits(self) -> list[tuple[str, str, bytes]]:
        """What came to each receiver: the message's id and its body."""
        return [
            (name, hit.id, hit.body)
            for name, receiver in self.receivers.items()
            for hit in list(receiver.hits)
        ]


class Refusing:
    """Takes a message when it comes again."""

    def __init__(self) -> None:
        self._met: Counter[str] = Counter()

    def __call__(self, hit: Hit) -> int:
        self._met[hit.id] += 1
        return 503 if self._met[hit.id] == 1 else 204


@contextmanager
def accompanied() -> Iterator[Company]:
    """A model of many moods, and receivers of which one takes all, one later, and one nothing."""
    with ExitStack() as stack:
        receivers = {
            "healthy": stack.enter_context(receiving()),
            "tired": stack.enter_context(receiving(Refusing())),
            "gone": stack.enter_context(receiving(lambda _hit: 410)),
        }
        yield Company(stack.enter_context(moody_model()), receivers)
