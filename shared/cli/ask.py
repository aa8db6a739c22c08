"""`minirag ask`: a streamed answer with its citations, in the terminal."""

import sys
from typing import Any

from shared.cli.client import Api, Credentials


async def ask(base_url: str, credentials: Credentials, question: str, bot: str | None) -> bool:
    """Print the answer as it comes; tell whether one came."""
    body = {"bot_profile_id": bot or credentials.bot_profile_id, "message": question}
    cited: list[dict[str, Any]] = []
    said = ""
    async with Api.open(base_url, credentials.token) as api:
        async for name, data in api.chat(body):
            match name:
                case "citations":
                    cited = data["items"]
                case "delta":
                    said += data["content"]
                    _say(data["content"])
                case "reset":
                    said = ""
                    _say("\n\n")
                case "error":
                    _say(f"\n{data.get('detail', 'The answer failed.')}\n")
                    return False
                case "done":
                    _say("\n")
                    _cite(cited, said, data)
                case _:
                    pass
    return True


def _cite(cited: list[dict[str, Any]], said: str, done: dict[str, Any]) -> None:
    used = [item for item in cited if f"[{item['n']}]" in said]
    if used:
        _say("\n")
    for item in used:
        _say(f"  [{item['n']}] {_place(item)}")
        _say(f"  {item['url']}\n" if item["url"] else "\n")
        _say(f"      /v1/citations/{item['citation_id']}\n")
    _say(f"\n  {done['usage'].get('model', '')}\n")


def _place(item: dict[str, Any]) -> str:
    """Title and heading path; a document's first heading is often its title as well."""
    title, heading = item["title"], item["heading"]
    if title and heading and not heading.startswith(title):
        return f"{title} / {heading}"
    return str(heading or title or item["source_id"])


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
