"""The command line: what it tells a person, above all when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Installation

MINIRAG = (sys.executable, "-m", "shared.cli.app")


def told(installation: Installation, *args: str) -> str:
    """What a command that fails tells: one line, and no trace of our code."""
    done = installation.cli(*args)
    assert done.returncode != 0
    assert done.stderr.startswith("minirag: ")
    assert "Traceback" not in done.stderr
    return done.stderr


class TestAnsweringInTheTerminal:
    def test_the_demo_bot_answers_from_the_documentation_with_a_citation(
        self, installation: Installation
    ) -> None:
        question = "What happens if a service crashes while it ingests a document?"
        done = installation.cli("ask", question)
        assert done.returncode == 0, done.stderr
        assert "[1]" in done.stdout
        assert "/v1/citations/" in done.stdout
        assert "local/extractive" in done.stdout

    def test_status_names_every_service_and_stream(self, installation: Installation) -> None:
        done = installation.cli("status")
        assert done.returncode == 0, done.stderr
        for name in ("gateway", "ingest", "chat", "webhooks", "EVENTS", "CMDS", "JOBS", "DLQ"):
            assert name in done.stdout

    def test_the_last_lines_of_a_start_tell_how_to_ask_this_installation(
        self, installation: Installation
    ) -> None:
        said = "".join(installation.output)
        assert f"ask --data-dir {installation.data_dir}" in said


class TestWhatIsWrong:
    def test_an_unknown_bot(self, installation: Installation) -> None:
        nobody = "00000000-0000-4000-8000-000000000007"
        assert "Bot profile not found" in told(installation, "ask", "--bot", nobody, "Anybody?")
        said = told(installation, "ask", "--bot", "none", "Anybody?")
        assert "bot_profile_id: Input should be a valid UUID" in said

    def test_nothing_to_import(self, installation: Installation, tmp_path: Path) -> None:
        assert "neither an address" in told(installation, "import", str(tmp_path / "none"))
        (tmp_path / "picture.png").touch()
        assert "nothing to import" in told(installation, "import", str(tmp_path))

    def test_an_unknown_read_model(self, installation: Installation) -> None:
        assert "no service keeps" in told(installation, "rebuild", "none")

    def test_a_gateway_and_a_broker_that_are_gone(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        for name in ("demo.json", "secrets.json"):
            (tmp_path / name).write_bytes((installation.data_dir / name).read_bytes())
        (tmp_path / "run.json").write_text(json.dumps({"url": "http://127.0.0.1:9"}))
        (tmp_path / "ports.json").write_text(json.dumps({"nats": 9, "nats_monitor": 9}))
        gone = Installation(tmp_path)
        assert "does not answer" in told(gone, "ask", "Anybody?")
        assert "does not answer" in told(gone, "status")

    @pytest.mark.parametrize("command", ["ask", "import"])
    def test_a_data_directory_on_which_nothing_runs(self, tmp_path: Path, command: str) -> None:
        assert "minirag up" in told(Installation(tmp_path), command, "something")

    def test_missing_settings_are_named_and_given_ones_are_not_shown(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [*MINIRAG, "run", "gateway"],
            env={
                "NATS_URL": "nats://user:canary@127.0.0.1:9",
                "MINIRAG_VAULT_KEY": "canary",
                "MINIRAG_PORT": "canary",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 78
        assert "MINIRAG_BLOB_URL: Field required" in done.stderr
        assert "MINIRAG_PORT: " in done.stderr
        assert "canary" not in done.stderr
