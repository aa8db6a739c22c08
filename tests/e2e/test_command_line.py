"""The command line: what it tells a person, above all when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from shared.embedded.secrets import new_jwt_secret, new_password, new_vault_key
from shared.kernel.ids import new_id
from tests.e2e import inside
from tests.harness import Installation, Tenant, eventually

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
            timeout=250,
            check=False,
        )
        assert done.returncode == 78
        assert "MINIRAG_BLOB_URL: Field required" in done.stderr
        assert "MINIRAG_PORT: " in done.stderr
        assert "canary" not in done.stderr


@pytest.mark.timeout(600)
class TestDeadLetters:
    def test_they_are_seen_sent_again_and_let_go(
        self, installation: Installation, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        named = new_id()
        subject = f"cmd.{tenant.id}.bot_profile.{named}.dance"
        inside.publish(installation.data_dir, tenant.id, subject, b'{"steps": 3}')

        def mine() -> list[dict[str, Any]]:
            listed = json.loads(installation.cli("dead-letters", "list", "--json").stdout)
            return [one for one in listed if one["subject"] == subject]

        (first,) = eventually(mine)
        assert first["tenant"] == tenant.id
        assert "takes no command" in first["reason"]
        eventually(lambda: tenant.http.get("/v1/system/dead-letters").json())
        told_to = [one.http.get("/v1/system/dead-letters") for one in (tenant, other_tenant)]
        ((seen,), nothing) = (answer.json() for answer in told_to)
        assert (seen["kind"], seen["aggregate_id"], seen["name"]) == ("command", named, "dance")
        assert (seen["id"], seen["service"], nothing) == (first["id"], "chat", [])
        assert "takes no command" not in told_to[0].text
        assert str(first["number"]) in installation.cli("dead-letters", "list").stdout
        number = str(first["number"])
        shown = json.loads(installation.cli("dead-letters", "show", number).stdout)
        assert shown["body"] == '{"steps": 3}'
        assert installation.cli("dead-letters", "replay", number).returncode == 0
        assert f"no dead letter {number}" in told(installation, "dead-letters", "show", number)
        (second,) = eventually(mine)
        assert second["number"] > first["number"]
        done = installation.cli("dead-letters", "discard", str(second["number"]))
        assert done.returncode == 0, done.stderr
        assert mine() == []
        assert tenant.http.get("/v1/system/dead-letters").json() == []
        settled = installation.cli("dead-letters", "list", "--state", "discarded").stdout
        assert subject not in settled, "an operator's doings stand in no log"

    def test_what_a_tenants_people_settled_is_listed_by_how_and_by_whom(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        inside.plant(installation.data_dir, tenant.id)
        path = "/v1/system/dead-letters"
        (letter,) = eventually(lambda: tenant.http.get(path).json())

        def mine(*state: str) -> list[dict[str, Any]]:
            listed = installation.cli("dead-letters", "list", *state, "--json")
            assert listed.returncode == 0, listed.stderr
            return [one for one in json.loads(listed.stdout) if one["tenant"] == tenant.id]

        assert [one["id"] for one in mine("--state", "open")] == [letter["id"]]
        tenant.http.delete(f"{path}/{letter['id']}").raise_for_status()
        (settled,) = mine("--state", "discarded")
        assert (settled["id"], settled["state"]) == (letter["id"], "discarded")
        assert settled["settled_by"].startswith("token/")
        assert settled["given_up"] <= settled["settled_at"]
        assert mine("--state", "replayed") == []
        eventually(lambda: mine() == [])
        shown = installation.cli("dead-letters", "list", "--state", "discarded").stdout
        assert settled["settled_by"] in shown
        unknown = installation.cli("dead-letters", "list", "--state", "lost")
        assert unknown.returncode == 2


@pytest.mark.timeout(600)
class TestDoctor:
    def test_an_installation_that_is_well(self, installation: Installation) -> None:
        def look() -> dict[str, Any] | None:
            done = installation.cli("doctor", "--json")
            found: dict[str, Any] = json.loads(done.stdout)
            assert (done.returncode == 0) == found["ok"]
            return found if found["ok"] else None

        found = eventually(look, lambda: installation.cli("doctor").stdout)
        seen = {one["what"]: one["status"] for one in found["findings"]}
        for what in (
            "secrets.json",
            "files of the log",
            "room of the broker",
            "broker",
            "syncing",
            "stream EVENTS",
            "clock",
            "service ingest",
            "read model identity",
            "postgres",
            "qdrant",
        ):
            assert seen[what] == "ok", found
        assert "stream EVENTS" in installation.cli("doctor").stdout

    def test_a_data_directory_on_which_nothing_runs_and_that_others_can_read(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        (tmp_path / "secrets.json").write_bytes(
            (installation.data_dir / "secrets.json").read_bytes()
        )
        (tmp_path / "secrets.json").chmod(0o644)
        (tmp_path / "nats").mkdir()
        (tmp_path / "nats" / "log-guard.json").write_text('{"1.blk": [100, 1]}')
        done = Installation(tmp_path).cli("doctor", "--json")
        assert done.returncode == 1
        found = {one["what"]: one for one in json.loads(done.stdout)["findings"]}
        assert "chmod 600" in found["secrets.json"]["detail"]
        assert found["files of the log"]["detail"] == "the file 1.blk is gone"
        assert found["broker"]["status"] == "error"
        assert found["disk"]["status"] in {"ok", "warning"}


@pytest.mark.timeout(600)
class TestConfiguration:
    COMPLETE: ClassVar = {
        "NATS_URL": f"nats://user:{new_password()}@127.0.0.1:4222",
        "DATABASE_URL": f"postgresql://user:{new_password()}@127.0.0.1/minirag",
        "MINIRAG_VAULT_KEY": new_vault_key(),
        "MINIRAG_BLOB_URL": "file:///var/lib/minirag",
        "MINIRAG_JWT_SECRET": new_jwt_secret(),
    }

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({}, "are complete"),
            ({"MINIRAG_BLOB_URL": ""}, "ingest: MINIRAG_BLOB_URL: Field required"),
            ({"MINIRAG_PROT": "80"}, "MINIRAG_PROT: nobody reads a variable of this name"),
            ({"MINIRAG_PORT": "canary"}, "gateway: MINIRAG_PORT: "),
        ],
    )
    def test_is_read_as_the_services_read_it(self, changed: dict[str, str], said: str) -> None:
        done = subprocess.run(
            [*MINIRAG, "config", "check"],
            env={**self.COMPLETE, **changed},
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert said in done.stdout
        assert done.returncode == (78 if changed else 0)
        assert "canary" not in done.stdout + done.stderr
