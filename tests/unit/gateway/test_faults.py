"""What the interface says is wrong with a field, the dashboard says in words of its own."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import pytest
from pydantic import AnyHttpUrl, BaseModel, EmailStr, Field, ValidationError

from services.chat.domain.bots import check_chunks
from services.chat.domain.overrides import overridden
from services.gateway.domain.widget_keys import NoKey, widget_key_decider
from services.gateway.http.ui import FOLDER
from services.ingest.domain.settings import check_settings
from shared.contracts.base import Metadata
from shared.contracts.chat import BotSettings
from shared.contracts.gateway import CreateWidgetKey, WidgetKeySettings
from shared.contracts.ingest import SourceSettings
from shared.kernel.clock import utc_now
from shared.kernel.errors import InvalidCommand

FAULTS = (FOLDER / "app" / "lib" / "faults.js").resolve()
GERMAN = (FOLDER / "app" / "lib" / "german.js").read_text()
SENTENCE = re.compile(r"/, '(.+)'\],$", re.MULTILINE)
LEFT_OUT: Any = object()


class Body(BaseModel):
    """What a route might take."""

    text: Annotated[str, Field(min_length=3, max_length=5)] = "four"
    name: Annotated[str, Field(min_length=1)] = "x"
    listed: Annotated[list[str], Field(max_length=2)] = []
    pair: Annotated[list[int], Field(min_length=2)] = [1, 2]
    whole: Annotated[int, Field(ge=1, le=8000)] = 1
    part: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.5
    url: AnyHttpUrl | None = None
    email: EmailStr | None = None
    kind: str


def refused(**sent: Any) -> dict[str, Any]:
    """The problem document of a body with this in it."""
    body = {name: value for name, value in {"kind": "x", **sent}.items() if value is not LEFT_OUT}
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(body)
    errors = json.loads(caught.value.json())
    return {"detail": [{**one, "loc": ["body", *one["loc"]]} for one in errors]}


def decided(decide: Callable[[], object]) -> dict[str, Any]:
    """The problem document of what a service refuses."""
    with pytest.raises(InvalidCommand) as caught:
        decide()
    return {"detail": caught.value.detail, "field": caught.value.field}


def no_origin() -> object:
    settings = WidgetKeySettings(key_name="n", allowed_origins=("shop.example",))
    command = CreateWidgetKey(key_id="k", public_key="p", bot_profile_id="b", settings=settings)
    meta = Metadata(tenant_id="t", message_id="m", correlation_id="c", now=utc_now())
    return widget_key_decider.decide(NoKey(), command, meta)


def told(problems: Sequence[dict[str, Any]]) -> Any:
    """What the dashboard makes of each."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node.js")
    script = (
        f"const {{ faultsOf }} = await import({json.dumps(FAULTS.as_uri())});"
        f"console.log(JSON.stringify({json.dumps(problems)}.map(faultsOf)));"
    )
    command = ["node", "--input-type=module", "-e", script]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(ran.stdout)


def filled(fault: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda place: str(fault["values"][place[1]]), fault["text"])


def test_common_kinds_are_told_in_sentences() -> None:
    bot, source = BotSettings(name="n"), SourceSettings(name="n", config={"url": "x"})
    wanted = [
        (refused(kind=LEFT_OUT), "kind", "This is missing."),
        (refused(name=""), "name", "This is missing."),
        (refused(text="ab"), "text", "At least 3 characters are needed."),
        (refused(text="abcdef"), "text", "At most 5 characters are allowed."),
        (refused(listed=["a", "b", "c"]), "listed", "At most 2 entries are allowed."),
        (refused(pair=[1]), "pair", "At least 2 entries are needed."),
        (refused(pair=[1, "x"]), "pair.1", "This must be a whole number."),
        (refused(whole=1.5), "whole", "This must be a whole number."),
        (refused(whole=0), "whole", "This must be 1 or more."),
        (refused(whole=8001), "whole", "This must be 8000 or less."),
        (refused(part="x"), "part", "This must be a number."),
        (refused(part="nan"), "part", "This must be a number."),
        (refused(part=0), "part", "This must be more than 0."),
        (refused(part=1), "part", "This must be less than 1."),
        (
            refused(url="shop"),
            "url",
            "This must be an address that begins with https:// or http://.",
        ),
        (refused(email="anna"), "email", "This must be an e-mail address."),
        (
            decided(lambda: overridden(bot, {"max_tokens": 0}, "draft")),
            "draft.max_tokens",
            "This must be 1 or more.",
        ),
        (
            decided(
                lambda: check_chunks(bot.model_copy(update={"chunk_overlap": 4000}), "variants.1")
            ),
            "variants.1.chunk_overlap",
            "This must be at most half of the characters of a passage.",
        ),
        (
            decided(lambda: check_settings("url", source)),
            "config.url",
            "This must be an address that begins with https:// or http://.",
        ),
        (
            decided(no_origin),
            "allowed_origins",
            "These must be addresses such as https://example.com or https://*.example.com.",
        ),
    ]
    found = told([problem for problem, _, _ in wanted])
    for (problem, at, sentence), faults in zip(wanted, found, strict=True):
        (fault,) = faults
        assert fault["common"], problem
        assert (fault["at"], filled(fault)) == (at, sentence)


def test_what_is_of_no_common_kind_is_told_as_it_is_without_its_field() -> None:
    own = {"detail": "to must be later than from", "field": "to"}
    prefixed = {"detail": "rerank_model: nobody knows it", "field": "draft.rerank_model"}
    several = {
        "detail": [
            {"loc": ["body", "a", 0], "msg": "Value error, must be a day: YYYY-MM-DD"},
            {"loc": ["query", "to"], "msg": "Input should be a valid date"},
        ]
    }
    general = {"detail": "This bot has a gate"}
    found = told([own, prefixed, several, general, {}])
    assert [[(one["at"], one["text"], one["common"]) for one in faults] for faults in found] == [
        [("to", "must be later than from", False)],
        [("draft.rerank_model", "nobody knows it", False)],
        [
            ("a.0", "must be a day: YYYY-MM-DD", False),
            ("to", "Input should be a valid date", False),
        ],
        [],
        [],
    ]


def test_why_an_address_is_no_good_is_told_within_the_sentence() -> None:
    problem = {"detail": "url cannot be used: it leads to a private address", "field": "url"}
    ((fault,),) = told([problem])
    assert fault["text"] == "It cannot be used: {why}."
    assert fault["values"] == {"why": "it leads to a private address"}


def test_every_sentence_has_its_german() -> None:
    sentences = set(SENTENCE.findall(FAULTS.read_text()))
    assert len(sentences) > 10
    assert [one for one in sorted(sentences) if f"'{one}': " not in GERMAN] == []
