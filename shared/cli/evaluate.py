"""`minirag eval`: a suite is asked by a bot and by variants of it; the exit code tells the end."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from shared.cli.client import Api

AS_PUBLISHED = {"title": "As it is"}


def variant_of(text: str) -> dict[str, Any]:
    """`floor=0.5,top_k=3`, a JSON object, or `@file` with one. Raises `ValueError`."""
    if text.startswith("@"):
        text = Path(text[1:]).read_text("utf-8")
    if text.lstrip().startswith("{"):
        fields: dict[str, Any] = orjson.loads(text)
        return {"title": text[:100] if len(fields) else "{}", **fields}
    fields = {}
    for part in text.split(","):
        name, is_there, value = part.partition("=")
        if not is_there or not name.strip():
            raise ValueError(f"{part!r} is not name=value")
        fields[name.strip()] = _value(value.strip())
    return {"title": text[:100], **fields}


async def evaluate(
    base_url: str,
    token: str,
    bot: str,
    suite: str,
    variants: Sequence[dict[str, Any]],
    *,
    judged: bool,
    least: float,
    as_json: bool,
) -> bool:
    """Show what came of it. False if a variant is significantly worse than the published bot, has
    a score below `least`, or did not answer every question. Raises `ApiError`, and `ValueError` for
    a bot or suite that is not there.
    """
    async with Api.open(base_url, token) as api:
        bot_id = _named(await api.get("/v1/bot-profiles"), "name", bot, "bot")
        base = f"/v1/bot-profiles/{bot_id}"
        suite_id = _named(await api.get(f"{base}/suites"), "title", suite, "suite")
        plan = {
            "suite_id": suite_id,
            "variants": [AS_PUBLISHED, *variants],
            "judged": judged,
        }
        ran: dict[str, Any] = {}
        async for name, data in api.posted(f"{base}/playground/run", plan):
            if name in ("run", "done"):
                ran = data
            elif name == "result" and not as_json and sys.stderr.isatty():
                sys.stderr.write(f"\r{data['variant'] + 1}: {data['question'][:60]:60}")
        found = await api.get(f"{base}/playground/runs/{ran['id']}/comparison")
    if as_json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _show(found)
    return passed(found, least)


def passed(found: dict[str, Any], least: float) -> bool:
    """Whether a comparison is good enough for a build to go on."""
    whole = found["run"]["status"] == "ended"
    answered = all(not one["failed"] and one["score"] >= least for one in found["variants"])
    worse = any(one["significant"] and one["mean"] < 0 for one in found["differences"])
    return whole and answered and not worse


def _value(text: str) -> Any:
    """A number, a truth value or null as JSON has it; anything else is a text."""
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def _named(items: Sequence[dict[str, Any]], field: str, wanted: str, what: str) -> str:
    for one in items:
        if wanted in (one["id"], one[field]):
            return str(one["id"])
    raise ValueError(f"there is no {what} {wanted!r}")


def _show(found: dict[str, Any]) -> None:
    against = {one["variant"]: one for one in found["differences"]}
    for one in found["variants"]:
        line = f"{one['score']:.3f}  {one['title']}"
        told = against.get(one["variant"])
        if told is not None:
            line += (
                f"  {told['mean']:+.3f} [{told['low']:+.3f}, {told['high']:+.3f}]"
                f"  better with a confidence of {told['confidence']:.1%}"
            )
        if one["failed"]:
            line += f"  {one['failed']} failed"
        sys.stdout.write(line + "\n")
    winner = found["winner"]
    titles = {one["variant"]: one["title"] for one in found["variants"]}
    told = "no significant difference" if winner is None else titles[winner]
    sys.stdout.write(f"winner: {told}\n")
    sys.stdout.flush()
