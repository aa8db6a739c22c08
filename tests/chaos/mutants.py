"""Faults put into the code on purpose: what the tests that guard it must notice.

Each takes away one of the steps that the product's promises rest on. A mutant that lives tells that
a promise is guarded by nobody.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MUTANTS", "OUTPUT", "ROOT", "Mutant", "Mutating", "mutated"]

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = "output"
"""The file with what the tests said."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One line changed, and tests of which at least one must fail then."""

    name: str
    file: str
    code: str
    instead: str
    noticed_by: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a message is acknowledged before its work is stored",
        "shared/runtime/consumer.py",
        "            await self._handle(delivery)\n        except Poison",
        "            await message.ack()\n"
        "            await self._handle(delivery)\n        except Poison",
        ("tests/integration/test_consumer.py::TestFailing::test_is_tried_again_until_it_succeeds",),
    ),
    Mutant(
        "messages of one key overtake each other",
        "shared/runtime/consumer.py",
        "            async with lock:\n                yield\n",
        "            yield\n",
        (
            "tests/integration/test_consumer.py::TestOrder::test_is_kept_per_key_while_keys_run_beside_each_other",
        ),
    ),
    Mutant(
        "an event is appended whatever came before it",
        "shared/adapters/event_log.py",
        "            headers[EXPECTED] = str(append.expected)\n"
        '            headers[EXPECTED_FOR] = f"{fence}.*"\n',
        "            pass\n",
        (
            "tests/contract/test_event_log.py::TestAppending::test_refuses_a_stale_append_and_keeps_nothing_of_it",
        ),
    ),
    Mutant(
        "a conflict is taken for success",
        "shared/adapters/event_log.py",
        "                raise StaleVersion(str(error.description)) from error\n",
        "                return [append.expected or 0 for append in events]\n",
        (
            "tests/contract/test_event_log.py::TestAppending::test_refuses_a_stale_append_and_keeps_nothing_of_it",
        ),
    ),
    Mutant(
        "a repeated command is not recognised",
        "shared/runtime/commands.py",
        "            if known is not None:\n                return known\n            if self",
        "            if self",
        (
            "tests/integration/test_command_handler.py::TestRefusing::test_a_refusal_is_stored_and_repeated_though_it_would_be_taken_now",
        ),
    ),
    Mutant(
        "a command delivered again does not know the event that it has appended",
        "shared/runtime/commands.py",
        "        if mine:\n",
        "        if mine and loaded.version < 0:\n",
        ("tests/integration/test_command_faults.py::TestCrashing",),
    ),
    Mutant(
        "a projector commits behind a checkpoint that another one moved",
        "shared/adapters/read_model.py",
        '            if said != "UPDATE 1":\n',
        '            if said != "UPDATE 1" and before < 0:\n',
        (
            "tests/integration/test_projector.py::TestExactlyOnce::test_a_batch_behind_which_another_moved_the_checkpoint_is_left",
        ),
    ),
    Mutant(
        "rows of another log are gone on with",
        "shared/adapters/projector.py",
        "        if log_identity != identity or position > last:\n",
        "        if position > last:\n",
        (
            "tests/integration/test_projector.py::TestRefusing::test_rows_of_another_log_are_refused",
        ),
    ),
    Mutant(
        "the broker writes to the disk when it has time",
        "shared/embedded/nats_server.py",
        "  sync_interval: always\n",
        "",
        ("tests/contract/test_topology.py",),
    ),
    Mutant(
        "a delivery that was made is made again after a crash of the database",
        "services/webhooks/reactions/attempts.py",
        "delivery.attempts >= pending.attempt:",
        "delivery.attempts < 0:",
        ("tests/unit/webhooks/test_attempts.py",),
    ),
    Mutant(
        "a webhook has another id at every attempt",
        "services/webhooks/reactions/attempts.py",
        "endpoint, cause, pending.event_type, pending.message_id, pending.body.encode()",
        'endpoint, cause, pending.event_type, f"{utc_now():%f}", pending.body.encode()',
        ("tests/unit/webhooks/test_attempts.py",),
    ),
    Mutant(
        "the end of an answer is told before the answer is stored",
        "services/chat/reactions/answering.py",
        '        done = await self.execute(command, recorded.metadata, "answer")\n',
        '        await speech.once("done", {})\n'
        '        done = await self.execute(command, recorded.metadata, "answer")\n',
        ("tests/unit/chat/test_answering.py",),
    ),
    Mutant(
        "a stolen refresh token is good for ever",
        "services/gateway/domain/sessions.py",
        "    just_spent = command.generation == session.generation - 1\n",
        "    just_spent = True\n",
        ("tests/unit/gateway/test_sessions.py",),
    ),
    Mutant(
        "links to anywhere leave with an answer",
        "services/chat/domain/links.py",
        "        if plain in self.hosts or",
        "        if plain or",
        ("tests/unit/chat/test_output.py",),
    ),
    Mutant(
        "numbers of passages that nobody was given stay in an answer",
        "services/chat/domain/citing.py",
        " for number in numbers if number in self._known)",
        " for number in numbers)",
        ("tests/unit/chat/test_citing.py",),
    ),
    Mutant(
        "inner addresses are reached",
        "shared/adapters/addresses.py",
        '    "a link-local address": ("169.254.0.0/16", "fe80::/10"),\n',
        "",
        ("tests/unit/adapters/test_addresses.py",),
    ),
    Mutant(
        "a passage can end the block of data it stands in",
        "services/chat/domain/prompt.py",
        'MARK.sub(r"(\\1)", text.replace(boundary, " "))',
        "text",
        ("tests/unit/chat/test_prompt.py",),
    ),
)


def mutated(mutant: Mutant) -> str:
    """The text of its file with the fault in it. Raises `ValueError` if that has no place."""
    text = (ROOT / mutant.file).read_text()
    if text.count(mutant.code) != 1:
        raise ValueError(f"{mutant.file} does not hold this once: {mutant.code!r}")
    return text.replace(mutant.code, mutant.instead)


class Mutating:
    """The program that runs tests with faults, as long as it is needed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.mutating"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def outcome(self, mutant: Mutant, folder: Path) -> tuple[int, str]:
        """What the tests that must notice it end with, and what they say."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mutant.name}\t{folder}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return code, (folder / OUTPUT).read_text()

    def close(self) -> None:
        """End it, with whatever it runs."""
        self._process.communicate()
