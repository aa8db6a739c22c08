"""The drill: saved while it works, wiped, and brought back with all that was acknowledged."""

import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import inside
from tests.harness import Installation, Tenant, eventually

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TEXT = "# Opening hours\n\nThe shop in Lindau opens at {hour} o'clock and closes at noon."
QUESTION = "When does the shop in Lindau open?"


class Writer:
    """Writes without end, and knows of which sources all was acknowledged."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._bot = tenant.bot()
        self.sources: list[str] = []

    @contextmanager
    def writing(self) -> Iterator[None]:
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                made = self._tenant.source(self._bot, TEXT.format(hour=len(self.sources)))
                self._tenant.ingest(made)
                self.sources.append(made)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def rows_of(tenant: Tenant, data_dir: Path) -> dict[str, list[str]]:
    """A tenant's rows in every read model, but for when its tokens were last used."""
    return {
        table: [row for row in rows if tenant.id in row and '"api_token"' not in row]
        for table, rows in inside.rows(data_dir).items()
        if table != "gateway_identity.api_tokens"
    }


def test_what_was_acknowledged_before_a_backup_under_load_comes_back_and_looks_the_same(
    data_dir: Path, tmp_path: Path, register: Callable[[str], Tenant]
) -> None:
    running = Installation(data_dir, demo=False).start()
    settled, busy = register(running.url), register(running.url)
    bot = settled.bot(credentials={"api_key": "sk-something"}, model="local/extractive")
    source = settled.source(bot, TEXT.format(hour="nine"), refresh_schedule="weekly")
    settled.ingest(source)
    settled.ready(source)
    answer = settled.ask(bot, QUESTION)["message"]["content"]
    eventually(lambda: not inside.busy(data_dir))
    before = rows_of(settled, data_dir)
    writer = Writer(busy)
    with writer.writing():
        eventually(lambda: len(writer.sources) > 5)
        acknowledged = list(writer.sources)
        done = running.cli("backup", str(tmp_path / "backup"))
    assert done.returncode == 0, done.stderr
    assert len(writer.sources) > len(acknowledged)
    running.kill_everything()
    shutil.rmtree(data_dir)

    restored = Installation(data_dir, demo=False)
    done = restored.cli("restore", str(tmp_path / "backup"))
    assert done.returncode == 0, done.stderr
    restored.start()
    for tenant in (settled, busy):
        tenant.http.base_url = restored.url
    for made in acknowledged:
        busy.ready(made)
    log.info("%s sources were acknowledged before the backup, all are back", len(acknowledged))
    eventually(lambda: not inside.busy(data_dir))
    assert rows_of(settled, data_dir) == before
    assert inside.given_up(data_dir) == 0
    assert settled.ask(bot, QUESTION)["message"]["content"] == answer
    assert restored.stop() == 0


def test_a_second_backup_adds_what_is_new_and_a_damaged_one_is_refused(
    installation: Installation, tenant: Tenant, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    assert installation.cli("backup", str(folder)).returncode == 0
    first = json.loads((folder / "manifest.json").read_bytes())
    made = tenant.bot()
    assert installation.cli("backup", str(folder)).returncode == 0
    second = json.loads((folder / "manifest.json").read_bytes())
    events = [one for one in second["segments"] if one["stream"] == "EVENTS"]
    assert events[0] in first["segments"]
    assert events[1]["first"] == first["last_sequence"] + 1
    assert installation.cli("backup", "--verify", str(folder)).returncode == 0

    segment = folder / "streams" / events[1]["file"]
    body = bytearray(segment.read_bytes())
    body[len(body) // 2] ^= 1
    segment.write_bytes(body)
    done = installation.cli("backup", "--verify", str(folder))
    assert done.returncode == 1
    assert f"{events[1]['file']} is damaged" in done.stdout
    done = Installation(tmp_path / "fresh").cli("restore", str(folder))
    assert done.returncode == 78
    assert "not whole" in done.stderr
    assert not (tmp_path / "fresh").exists()
    assert tenant.http.get(f"/v1/bot-profiles/{made}").status_code == 200


def test_nothing_is_restored_over_something(
    installation: Installation, data_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    assert installation.cli("backup", "--no-keys", str(folder)).returncode == 0
    assert not [*(folder / "keys").iterdir()]
    done = Installation(data_dir).cli("restore", str(folder))
    assert done.returncode == 78
    assert "--secrets" in done.stderr
    keys = str(installation.data_dir / "secrets.json")
    done = installation.cli("restore", "--secrets", keys, str(folder))
    assert "in use by another" in done.stderr
