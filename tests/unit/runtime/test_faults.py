"""Fault points: nothing unless told so, one fault of one process when told, never in production."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services.scheduler.settings import Settings
from shared.kernel import faults
from shared.kernel.errors import Unusable
from shared.kernel.faults import FaultPoint
from shared.runtime.faults import FIRED, JOURNAL, Injected, Switchboard, arm

HERE = {
    "nats_url": "nats://127.0.0.1:4222",
    "database_url": "postgresql://minirag@localhost/minirag",
    "vault_key": "a key of some length",
    "blob_url": "file:///blobs",
}
POINT = FaultPoint.BLOB_WRITTEN
PASSING = """
import sys
from pathlib import Path
from shared.kernel.faults import FaultPoint
from shared.runtime.faults import Switchboard

passed = Switchboard(Path(sys.argv[1]), ['chat'])
for n in range(int(sys.argv[2])):
    passed(FaultPoint.BLOB_WRITTEN, "blob", n)
"""


@pytest.fixture(autouse=True)
def _bound_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "passed", faults.passed)


def settings(**values: Any) -> Settings:
    return Settings(**{**HERE, **values})


def passing(folder: Path, times: int) -> int:
    """A process that passes the point so often; how it ended."""
    command = [sys.executable, "-c", PASSING, str(folder), str(times)]
    return subprocess.run(command, check=False).returncode


def test_without_the_setting_nothing_is_bound() -> None:
    before = faults.passed
    arm({"scheduler": settings()})
    assert faults.passed is before
    faults.passed(POINT, "somebody")


def test_with_it_every_passage_is_looked_at(tmp_path: Path) -> None:
    arm({"chat": settings(), "scheduler": settings(fault_dir=tmp_path)})
    assert isinstance(faults.passed, Switchboard)
    faults.passed(POINT, "somebody", 3)
    [line] = (tmp_path / JOURNAL).read_text().splitlines()
    assert line.split()[0] == POINT
    assert line.split()[2:] == ["somebody", "3"]


def test_a_process_ends_at_the_passage_that_is_wanted_and_no_other_does(tmp_path: Path) -> None:
    (tmp_path / POINT).write_text("3")
    assert passing(tmp_path, 2) == 0
    assert passing(tmp_path, 9) == -9
    assert passing(tmp_path, 9) == 0
    assert (tmp_path / f"{POINT}{FIRED}").exists()
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 2 + 3 + 9


def test_a_process_of_another_service_goes_on(tmp_path: Path) -> None:
    (tmp_path / POINT).write_text("1 ingest")
    assert passing(tmp_path, 2) == 0
    (tmp_path / POINT).write_text("1 chat")
    assert passing(tmp_path, 1) == -9


def test_a_process_stops_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    (tmp_path / POINT).write_text("2 * stop")
    command = [sys.executable, "-c", PASSING, str(tmp_path), "3"]
    with subprocess.Popen(command) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert len((tmp_path / JOURNAL).read_text().splitlines()) == 2
        assert (tmp_path / f"{POINT}{FIRED}").read_text() == str(process.pid)
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 0
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 3


def test_a_passage_fails_once_like_a_mistake_in_the_code(tmp_path: Path) -> None:
    passed = Switchboard(tmp_path, ["chat"])
    (tmp_path / POINT).write_text("2 chat raise")
    passed(POINT)
    with pytest.raises(Injected, match=POINT):
        passed(POINT)
    passed(POINT)


def test_a_passage_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    (tmp_path / POINT).write_text("1 * sleep=2.5")
    Switchboard(tmp_path, ["chat"])(POINT)
    assert slept == [2.5]


def test_passages_are_counted_from_when_it_was_wanted(tmp_path: Path) -> None:
    passed = Switchboard(tmp_path, ["chat"])
    (tmp_path / POINT).write_text("3")
    passed(POINT)
    passed(POINT)
    (tmp_path / POINT).unlink()
    passed(POINT)
    (tmp_path / POINT).write_text("3")
    passed(POINT)
    passed(POINT)


@pytest.mark.parametrize(
    ("elsewhere", "url"),
    [
        ("nats_url", "nats://minirag@nats:4222"),
        ("nats_url", "nats://127.0.0.1:4222,nats://nats-1.nats:4222"),
        ("database_url", "postgresql://minirag@postgres/minirag"),
    ],
)
def test_an_installation_of_several_machines_does_not_start_with_it(
    tmp_path: Path, elsewhere: str, url: str
) -> None:
    with pytest.raises(Unusable, match=f"{elsewhere.upper()} leads to another"):
        arm({"scheduler": settings(fault_dir=tmp_path, **{elsewhere: url})})


def test_a_point_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blob.burnt").write_text("1")
    with pytest.raises(Unusable, match=r"no such fault point: blob\.burnt"):
        arm({"scheduler": settings(fault_dir=tmp_path)})


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="is not a folder"):
        arm({"scheduler": settings(fault_dir=tmp_path / "nowhere")})
