"""The commands of the README do what it says."""

import json
import re
import subprocess
from pathlib import Path

import httpx

from tests.harness import Installation

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ADDRESS = "http://127.0.0.1:8000"
BASH = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^minirag (\w+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
SEPARATOR = "===="


def test_the_first_question_by_curl_ends_in_a_cited_answer(installation: Installation) -> None:
    blocks = BASH.findall(README.read_text())
    script = f"\necho; echo '{SEPARATOR}'\n".join(blocks)
    assert ADDRESS in script
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, installation.url)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [part.strip() for part in done.stdout.split(SEPARATOR)]
    assert len(said) == len(blocks)
    *_, timeline, asked, streamed = said
    assert json.loads(timeline)[-1]["event"] == "source.ingested"

    answer, opened = (json.loads(line) for line in asked.splitlines())
    assert answer["grounded"] is True
    assert "seven years" in answer["message"]["content"]
    assert "[1]" in answer["message"]["content"]
    assert "guarantee of seven years" in opened["text"]

    names = re.findall(r"^event: (\w+)$", streamed, re.MULTILINE)
    assert names[:3] == ["turn", "sources", "citations"]
    assert names[-1] == "done"


def test_every_command_it_names_exists(installation: Installation) -> None:
    named = set(COMMAND.findall(README.read_text()))
    assert named >= {"ask", "import", "status", "rebuild"}
    for command in named:
        done = installation.cli(command, "--help")
        assert done.returncode == 0, done.stderr


def test_every_page_that_the_documents_link_to_exists() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    missing = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert README in pages
    assert missing == []


class TestTheGuide:
    def test_a_question_is_answered_from_it_with_a_citation_that_opens_the_passage(
        self, installation: Installation
    ) -> None:
        kept = json.loads((installation.data_dir / "demo.json").read_text())
        question = "What happens if a service crashes while it ingests a document?"
        with httpx.Client(
            base_url=installation.url,
            headers={"Authorization": f"Bearer {kept['token']}"},
            timeout=250,
        ) as http:
            body = {"bot_profile_id": kept["bot_profile_id"], "message": question}
            answer = http.post("/v1/chat", json=body).json()
            cited = answer["citations"][0]
            opened = http.get(f"/v1/citations/{cited['citation_id']}").json()
            weather = {**body, "message": "What will the weather be like tomorrow?"}
            refused = http.post("/v1/chat", json=weather).json()
        assert "acknowledged only after its result stands in the event log" in " ".join(
            opened["text"].split()
        )
        assert f"[{cited['n']}]" in answer["message"]["content"]
        assert refused["grounded"] is False
