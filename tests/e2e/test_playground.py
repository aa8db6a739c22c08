"""Variants of a bot tried over a suite: asked, scored, compared, resumed."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.test_budgets import budget
from tests.harness import Installation, Tenant, answers, events, eventually
from tests.loopback import QuietHandler, loopback

pytestmark = pytest.mark.timeout(240)

ANIMALS = ("otter", "ferret", "badger", "marten", "weasel", "beaver", "marmot", "lynx")
"""Each has a text of its own."""
FORMS = (
    "How many kilograms does an adult {} weigh?",
    "What does an adult {} weigh?",
)
PARTS = ("4417", "4471", "4714", "7144", "1447", "1744", "7414", "7441")
"""Numbers of the same digits: static vectors cannot tell one from another, words can."""


def suite(tenant: Tenant, bot: str, *cases: dict[str, Any]) -> str:
    path = f"/v1/bot-profiles/{bot}/suites"
    made = tenant.http.post(path, json={"title": "Suite"})
    assert made.status_code == 201, made.text
    suite_id = str(made.json()["id"])
    for case in cases:
        answer = tenant.http.post(f"{path}/{suite_id}/questions", json=case)
        assert answer.status_code == 201, answer.text
    return suite_id


def filled(tenant: Tenant, bot: str, *cases: dict[str, Any]) -> str:
    """A suite of many questions, all at once."""
    suite_id = suite(tenant, bot)
    columns = ("question", "expected_sources", "must", "refused")
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(columns)
    for case in cases:
        cells = [case.get(name, "") for name in columns]
        lines.writerow("\n".join(one) if isinstance(one, list) else one for one in cells)
    path = f"/v1/bot-profiles/{bot}/suites/{suite_id}/import"
    answer = tenant.http.post(path, json={"csv": text.getvalue()})
    assert answer.status_code == 200, answer.text
    return suite_id


def plan(suite_id: str, *variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "suite_id": suite_id,
        "variants": [{"title": f"Variant {n}", **one} for n, one in enumerate(variants)],
        **fields,
    }


def run(tenant: Tenant, bot: str, body: dict[str, Any]) -> str:
    """Start a run and wait for nothing."""
    path = f"/v1/bot-profiles/{bot}/playground/run"
    answer = tenant.http.post(path, json={**body, "stream": False})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def ended(tenant: Tenant, bot: str, run_id: str) -> dict[str, Any]:
    """Wait for the end of a run, and compare."""
    path = f"/v1/bot-profiles/{bot}/playground/runs/{run_id}"
    eventually(
        lambda: tenant.http.get(path).json().get("status") == "ended",
        lambda: tenant.http.get(path).text,
    )
    found: dict[str, Any] = answers(tenant.http, f"{path}/comparison", 200).json()
    return found


def zoo(tenant: Tenant, **fields: Any) -> str:
    """A bot that knows how heavy animals are, each from a source of its own."""
    bot = tenant.bot(**fields)
    made = []
    for n, animal in enumerate(ANIMALS):
        text = f"The {animal} lives in the woods. An adult {animal} weighs {n + 3} kilograms."
        made.append(tenant.source(bot, text, name=f"All about the {animal}"))
        tenant.ingest(made[-1])
    for source in made:
        tenant.ready(source)
    return bot


@pytest.mark.slow
def test_local_models_alone_prove_which_floor_and_which_weighting_is_better(
    tenant: Tenant,
) -> None:
    bot = zoo(tenant)
    made = [
        tenant.source(bot, f"Part RX-{part} lies on shelf {n + 3}.", name=f"About RX-{part}")
        for n, part in enumerate(PARTS)
    ]
    for source in made:
        tenant.ingest(source)
    for source in made:
        tenant.ready(source)
    numbered = [
        {
            "question": f"On which shelf does part RX-{part} lie?",
            "expected_sources": [f"About RX-{part}"],
            "must": [f"shelf {n + 3}"],
        }
        for n, part in enumerate(PARTS)
    ]
    known = [
        {
            "question": form.format(animal),
            "expected_sources": [f"All about the {animal}"],
            "must": [f"{n + 3} kilograms"],
        }
        for n, animal in enumerate(ANIMALS)
        for form in FORMS
    ]
    unknown = [
        {"question": f"Which team won the {year} football championship?", "refused": True}
        for year in range(1974, 2000)
    ]
    cases = filled(tenant, bot, *known, *numbered, *unknown)
    body = plan(cases, {}, {"floor": 0.0}, {"floor": 0.95}, {"lexical_weight": 0.0})

    estimate = tenant.http.post(f"/v1/bot-profiles/{bot}/playground/estimate", json=body).json()
    assert (estimate["questions"], estimate["answers"], estimate["calls"]) == (50, 200, 0)
    path = f"/v1/bot-profiles/{bot}/playground/run"
    with tenant.http.stream("POST", path, json=body) as answer:
        told = list(events(answer.iter_text()))
    names = [name for name, _ in told if name != "heartbeat"]
    assert names == ["run", *["result"] * 200, "done"]
    results = [data for name, data in told if name == "result"]
    assert len({(one["question_id"], one["variant"]) for one in results}) == 200
    ran = told[-1][1]
    assert (ran["status"], ran["results"], ran["cost_usd"]) == ("ended", 200, 0)

    compared = ended(tenant, bot, ran["id"])
    measured, none, high, dense = compared["variants"]
    assert measured["score"] > 0.9
    assert none["refusal_correct"] < measured["refusal_correct"] > high["refusal_correct"]
    against = {one["variant"]: one for one in compared["differences"]}
    assert dense["reciprocal_rank"] < measured["reciprocal_rank"]
    for worse in (1, 2, 3):
        assert against[worse]["significant"]
        assert against[worse]["high"] < 0
        assert against[worse]["confidence"] < 0.01
    assert compared["winner"] == 0, "the floor and the weighting that were measured"
    assert compared == ended(tenant, bot, ran["id"]), "whoever asks gets the same numbers"
    spreads = [one["spread"] for one in compared["questions"]]
    assert spreads == sorted(spreads, reverse=True)
    assert len(spreads) == 50


class TestARun:
    def test_is_followed_from_where_a_connection_broke(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        cases = suite(tenant, bot, *({"question": f"Why {n}?", "refused": True} for n in range(6)))
        found = run(tenant, bot, plan(cases, {}, {}))
        ended(tenant, bot, found)
        path = f"/v1/bot-profiles/{bot}/playground/runs/{found}/stream"
        whole = tenant.http.get(path).text
        ids = [line[4:] for line in whole.splitlines() if line.startswith("id: ")]
        assert len(ids) == 12
        rest = tenant.http.get(path, headers={"Last-Event-ID": ids[6]}).text
        assert [line[4:] for line in rest.splitlines() if line.startswith("id: ")] == ids[7:]
        assert rest.rstrip().splitlines()[-2] == "event: done"

    def test_is_refused_with_what_cannot_be_tried(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        cases = suite(tenant, bot, {"question": "Why?"})
        path = f"/v1/bot-profiles/{bot}/playground/run"
        assert tenant.http.post(path, json=plan(cases, {}, {"chunk_size": 9})).status_code == 422
        assert tenant.http.post(path, json=plan(cases, {"colour": "red"})).status_code == 422
        nothing = tenant.http.post(path, json=plan(suite(tenant, bot), {}))
        assert "no questions" in nothing.json()["detail"]

    def test_asks_what_its_suite_held_when_it_began(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        cases = suite(tenant, bot, {"question": "Why?"})
        path = f"/v1/bot-profiles/{bot}/suites/{cases}/questions"
        (old,) = tenant.http.get(path).json()
        found = run(tenant, bot, plan(cases, {}))
        ended(tenant, bot, found)
        new = tenant.http.post(path, json={"question": "How?", "replaces": old["id"]}).json()
        assert [one["id"] for one in tenant.http.get(path).json()] == [new["id"]]
        results = f"/v1/bot-profiles/{bot}/playground/runs/{found}/results"
        assert [one["question"] for one in tenant.http.get(results).json()] == ["Why?"]


class TestASuite:
    def test_goes_out_as_a_file_and_comes_back(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        full = {
            "question": "=How heavy?",
            "expected_answer": "Nine kilograms",
            "expected_sources": ["Zoo", "Atlas"],
            "must": ["nine"],
            "must_not": ["ten"],
            "language": "en",
        }
        first = suite(tenant, bot, full, {"question": "Mars?", "refused": True})
        base = f"/v1/bot-profiles/{bot}/suites"
        file = tenant.http.get(f"{base}/{first}/export")
        assert file.headers["content-type"].startswith("text/csv")
        assert "'=How heavy?" in file.text
        second = suite(tenant, bot)
        taken = tenant.http.post(f"{base}/{second}/import", json={"csv": file.text})
        assert taken.json()["questions"] == 2

        def cases(suite_id: str) -> list[dict[str, Any]]:
            found = tenant.http.get(f"{base}/{suite_id}/questions").json()
            own = ("id", "suite_id", "created_at")
            return [{k: v for k, v in one.items() if k not in own} for one in found]

        assert cases(second) == cases(first)
        wrong = tenant.http.post(f"{base}/{second}/import", json={"csv": "question,x\na,b\n"})
        assert wrong.status_code == 422
        assert "not known: x" in wrong.json()["detail"]

    def test_takes_a_question_from_a_chat_and_loses_it_with_the_chat(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        turn = tenant.ask(bot, "How heavy is my otter Ferdinand?")
        cases = suite(tenant, bot, {"turn_id": turn["turn_id"], "refused": True})
        path = f"/v1/bot-profiles/{bot}/suites/{cases}/questions"
        (one,) = tenant.http.get(path).json()
        assert (one["question"], one["chat_id"]) == (
            "How heavy is my otter Ferdinand?",
            turn["chat_id"],
        )
        found = run(tenant, bot, plan(cases, {}))
        ended(tenant, bot, found)
        tenant.http.post(f"/v1/chat/{turn['chat_id']}/erase")
        eventually(lambda: tenant.http.get(path).json() == [])
        results = f"/v1/bot-profiles/{bot}/playground/runs/{found}/results"
        (told,) = tenant.http.get(results).json()
        assert (told["question"], told["answer"]) == ("[erased]", "[erased]")


@dataclass
class Scripted:
    """An OpenAI-compatible server that answers, rates and compares by rules, and counts."""

    url: str = ""
    asked: dict[str, int] = field(default_factory=dict)


@contextmanager
def scripted() -> Iterator[Scripted]:
    found = Scripted()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            system = body["messages"][0]["content"]
            said, kind = "Nine kilograms [1].", "answer"
            if system.startswith("You rate"):
                kind, said = "rate", json.dumps({"rating": 4, "reason": "Nearly."})
            elif system.startswith("You compare"):
                kind, said = "compare", json.dumps({"choice": "tie", "reason": "Alike."})
            found.asked[kind] = found.asked.get(kind, 0) + 1
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            usage = {"prompt_tokens": 90, "completion_tokens": 10}
            for chunk in (
                {"choices": [{"delta": {"content": said}}]},
                {"choices": [], "usage": usage},
            ):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    with loopback(Handler) as base:
        found.url = f"{base}/v1"
        yield found


def test_a_judged_run_is_paid_once_and_counted_in_budgets(tenant: Tenant) -> None:
    with scripted() as model:
        bot = tenant.bot(model="gpt-4o", credentials={"api_key": "k", "api_base": model.url})
        source = tenant.source(bot, "An adult otter weighs nine kilograms.")
        tenant.ingest(source)
        tenant.ready(source)
        made = budget(tenant, unit="tokens", limit=10_000_000, bot_profile_id=bot)
        asked = {"question": "How much does an adult otter weigh?", "must": ["nine"]}
        cases = suite(tenant, bot, asked)
        body = plan(cases, {}, {"temperature": 0}, judged=True)
        path = f"/v1/bot-profiles/{bot}/playground/estimate"
        estimate = tenant.http.post(path, json=body).json()
        assert (estimate["calls"], estimate["cost_usd"] > 0) == (6, True)
        compared = ended(tenant, bot, run(tenant, bot, body))
        assert model.asked == {"answer": 2, "rate": 2, "compare": 2}
    assert (compared["run"]["prompt_tokens"], compared["run"]["completion_tokens"]) == (540, 60)
    assert [one["rating"] for one in compared["variants"]] == [4, 4]
    assert [one["score"] for one in compared["variants"]] == [0.875, 0.875]
    (difference,) = compared["differences"]
    assert (difference["confidence"], difference["significant"]) == (0.5, False)
    answers(tenant.http, f"/v1/budgets/{made['id']}", 200)
    eventually(lambda: tenant.http.get(f"/v1/budgets/{made['id']}").json()["used"] == 600)


def test_a_budget_that_is_used_up_stops_a_run(tenant: Tenant) -> None:
    with scripted() as model:
        bot = tenant.bot(model="gpt-4o", credentials={"api_key": "k", "api_base": model.url})
        source = tenant.source(bot, "An adult otter weighs nine kilograms.")
        tenant.ingest(source)
        tenant.ready(source)
        budget(tenant, unit="tokens", limit=1, bot_profile_id=bot, hard_stop=True)
        cases = suite(tenant, bot, {"question": "How much does an adult otter weigh?"})

        def stopped() -> bool:
            compared = ended(tenant, bot, run(tenant, bot, plan(cases, {})))
            return bool(compared["variants"][0]["failed"])

        eventually(stopped)
        asked = dict(model.asked)
        assert stopped()
        assert model.asked == asked


def test_a_run_is_cancelled_and_others_wait_for_their_turn(tenant: Tenant) -> None:
    bot = tenant.bot()
    cases = filled(tenant, bot, *({"question": f"Why {n}?"} for n in range(150)))
    body = plan(cases, {}, {}, {}, {})
    first = run(tenant, bot, body)
    path = f"/v1/bot-profiles/{bot}/playground/runs/{first}"
    assert tenant.http.delete(path).json()["status"] in ("cancelled", "ended")
    left = tenant.http.get(path).json()
    assert left["results"] <= left["results_expected"] == 600


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_again_and_again_has_one_result_of_each(
    isolated: Installation, register: Any
) -> None:
    tenant = register(isolated.url)
    bot = tenant.bot()
    source = tenant.source(bot, "An adult otter weighs nine kilograms.")
    tenant.ingest(source)
    tenant.ready(source)
    cases = filled(tenant, bot, *({"question": f"How heavy is otter {n}?"} for n in range(30)))
    found = run(tenant, bot, plan(cases, {}, {"floor": 0.9}))
    path = f"/v1/bot-profiles/{bot}/playground/runs/{found}"

    def results_come(least: int) -> None:
        eventually(lambda: tenant.http.get(path).json().get("results", -1) >= least)

    for least in (1, 20):
        results_come(least)
        isolated.kill("chat")
    ended(tenant, bot, found)
    results = answers(tenant.http, f"{path}/results", 200).json()
    assert len(results) == len({(one["question_id"], one["variant"]) for one in results}) == 60
    facts = inside.facts(isolated.data_dir)
    prefix = f"evt.{tenant.id}.test_run.{found}"
    assert facts[prefix, "result_recorded"] == 60
    assert facts[prefix, "ended"] == 1


class TestTheCommandLine:
    def test_tells_by_its_exit_code_whether_a_variant_is_worse(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        bot = tenant.bot(name="Evaluated")
        cases = [{"question": f"Why {n}?", "refused": True} for n in range(8)]
        suite(tenant, bot, *cases)
        command = ("eval", "Evaluated", "--suite", "Suite", "--token", tenant.token)
        good = installation.cli(*command, "--min-score", "1", "--variant", "floor=0.5,top_k=3")
        assert good.returncode == 0, good.stderr
        assert "no significant difference" in good.stdout
        assert "floor=0.5,top_k=3  +0.000 [+0.000, +0.000]" in good.stdout
        told = installation.cli(*command, "--json")
        assert json.loads(told.stdout)["run"]["results"] == 8
        wrong = installation.cli("eval", "Nobody", "--suite", "x", "--token", tenant.token)
        assert wrong.returncode != 0
        assert "there is no bot 'Nobody'" in wrong.stderr


def test_a_gate_lets_nothing_worse_through_and_there_is_a_way_back(tenant: Tenant) -> None:
    bot = tenant.bot(model="local/extractive")
    source = tenant.source(bot, "An adult otter weighs nine kilograms.")
    tenant.ingest(source)
    tenant.ready(source)
    forms = ("How much does an adult otter weigh?", "What does an otter weigh?")
    cases = suite(tenant, bot, *({"question": form, "must": ["nine"]} for form in forms))
    path = f"/v1/bot-profiles/{bot}"
    patched = tenant.http.patch(path, json={"gate_suite_id": cases})
    assert (patched.status_code, patched.json()["version"]) == (200, 2)
    around = tenant.http.patch(path, json={"system_prompt": "Anything goes."})
    assert around.status_code == 409
    assert "gate" in around.json()["detail"]

    found = run(tenant, bot, plan(cases, {}, {"floor": 1}, {"refusal_text": "No idea."}))
    ended(tenant, bot, found)
    publish = f"{path}/playground/runs/{found}/publish"
    worse = tenant.http.post(publish, json={"variant": 1})
    assert worse.status_code == 409
    assert "significantly worse" in worse.json()["detail"]
    body = {"variant": 2, "reason": "Shorter."}
    published = tenant.http.post(publish, json=body)
    assert (published.status_code, published.json()["version"]) == (200, 3)
    question = "Who won in 1976?"
    assert tenant.ask(bot, question)["message"]["content"] == "No idea."
    again = tenant.http.post(publish, json={"variant": 2, "reason": "Once more."})
    assert again.status_code == 409, "the run was of another version"

    restored = tenant.http.post(f"{path}/versions/2/restore", json={"reason": "Too short."})
    assert (restored.status_code, restored.json()["version"]) == (200, 4)
    answer = tenant.ask(bot, question)
    assert (answer["message"]["content"] == "No idea.", answer["bot_version"]) == (False, 4)
    history = tenant.http.get(f"{path}/versions").json()
    told = [(one["version"], one["reason"], one["restores"], one["score"]) for one in history]
    assert told == [
        (4, "Too short.", 2, None),
        (3, "Shorter.", None, 1.0),
        (2, "", None, None),
        (1, "", None, None),
    ]
    assert (history[1]["run_id"], history[1]["variant"]) == (found, 2)
    assert {one["actor"].split("/")[0] for one in history} == {"token"}
