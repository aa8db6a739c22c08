"""Which addresses an answer may lead to, and how all others are taken out of it while it comes.

What looks like an address and is not on the list becomes `REMOVED`. Obfuscated ones are looked for
in what a renderer or a reader would make of them: entities, percent signs, wide letters, escapes.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

REMOVED = "\u2039link removed\u203a"
LONGEST = 1024
"""Characters of an address that are waited for; a longer one is removed."""
PLAIN = 128
"""Characters without a blank that are waited for while nothing of an address is in them."""
KEPT_BACK = 48
"""Of those, so many stay back: an address may begin in them."""

ALLOWED = re.compile(
    r"(?P<base>https?://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?"
    r"(?P<path>/[a-z0-9\-._~:/@!$&'()*+,;=%]*)?)"
    r"(?P<query>\?[a-z0-9\-._~:/@!$&'()*+,;=%?]*)?(?P<fragment>\#[a-z0-9\-._~:/@!$&'()*+,;=%?]*)?",
    re.IGNORECASE,
)
"""The only form in which an address is ever told: no user, no escapes in the host, ASCII."""
TOP = (
    "com|net|org|io|ai|app|dev|co|info|biz|xyz|top|site|online|shop|link|click|me|cc|ru|cn|"
    "example|test|invalid"
)
ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]+:[/\\]{2}"
    r"|(?:javascript|vbscript|blob):(?=\S)"
    r"|data:(?=[a-z]+/|[;,])"
    r"|www\.(?=[\w-])"
    r"|(?<![\w:/\\.-])//(?=(?:[\w-]+\.)+[a-z]{2,}(?![\w.-]*\())"
    rf"|(?<![\w@./\\-])(?:[a-z0-9-]+\.)+(?:{TOP})(?::\d+)?(?=[/?\#])",
    re.IGNORECASE,
)
"""Where an address begins, for any of the programs that make links of plain text."""
BODY = re.compile(r"[^\s<>\"`|\[\]\uff01-\uff5e]+")
TRAILING = ").,;:!?*_'~"
"""Behind an address in a sentence these belong to the sentence."""
HARMLESS = re.compile(r"[)\].,;:!?*_'\"`~|>]*(?:\[\d{1,3}\])*[)\].,;:!?*_'\"`~|>]*")
RUN = re.compile(r"[!-~\uff01-\uff5e\u2044\u2215\u2236\ua789]+")
"""Characters an address can be made of, also in disguise."""
MARKED = re.compile(r"[:/.]")
"""Stands in whatever `ADDRESS` finds, and in few words."""
DISGUISED = re.compile(r"[&%\\\u2044\u2215\u2236\ua789\uff01-\uff5e]")
LOOKALIKES = str.maketrans({"\u2044": "/", "\u2215": "/", "\u2236": ":", "\ua789": ":", "\\": None})


def host_of(url: str) -> str | None:
    """The host of a well-formed address; None for anything else."""
    found = ALLOWED.match(url)
    return None if found is None else found["host"].lower()


@dataclass(frozen=True, slots=True)
class Links:
    """Where an answer may lead to."""

    hosts: frozenset[str] = frozenset()
    """Lower case; one that begins with `*.` stands for everything below it."""
    urls: frozenset[str] = frozenset()
    """Sources' own addresses, which keep their query."""

    def kept(self, url: str) -> str | None:
        """The address as it may be told, None if it may not.

        A query can carry away what was read, so only a source's own is told.
        """
        found = ALLOWED.fullmatch(url)
        if found is None or not self._knows(found["host"].lower()):
            return None
        if url in self.urls:
            return url
        told = found["base"] + (found["fragment"] or "")
        # Some renderers would find another address inside, and make a link of that.
        return None if ADDRESS.search(told, found.end("host")) else told

    def _knows(self, host: str) -> bool:
        plain = host.removeprefix("www.")
        if plain in self.hosts or f"www.{plain}" in self.hosts:
            return True
        parts = host.split(".")
        return any(f"*.{'.'.join(parts[n:])}" in self.hosts for n in range(1, len(parts)))


class AddressFilter:
    """Takes addresses out of plain text, piece by piece. Holds back the last word at most."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._held = ""
        self._swallowing = False
        """Whether the rest of this word belongs to an address that was removed."""

    def feed(self, piece: str) -> str:
        """What can be told of the text so far."""
        text = self._held + piece
        self._held = ""
        told = []
        at = 0
        for run in RUN.finditer(text):
            told.append(text[at : run.start()])
            at = run.end()
            if run.start() > 0:
                self._swallowing = False
            if at < len(text):
                told.append(self._word(run[0], text[at]))
                self._swallowing = False
            else:
                told.append(self._beginning(run[0]))
        if at < len(text):
            self._swallowing = False
        told.append(text[at:])
        return "".join(told)

    def rest(self) -> str:
        """What was held back, at the end of the text."""
        text, self._held = self._held, ""
        return self._word(text, "")

    def _word(self, run: str, behind: str) -> str:
        return "" if self._swallowing else self._cleaned(run, behind)

    def _beginning(self, run: str) -> str:
        """What can be told of a word that may go on."""
        if self._swallowing:
            return ""
        if len(run) > LONGEST:
            self._swallowing = True
            return self._cleaned(run, "")
        if len(run) > PLAIN and not DISGUISED.search(run) and not ADDRESS.search(run):
            self._held = run[-KEPT_BACK:]
            return run[:-KEPT_BACK]
        self._held = run
        return ""

    def _cleaned(self, run: str, behind: str) -> str:
        told = []
        at = 0
        while MARKED.search(run, at) and (found := ADDRESS.search(run, at)) is not None:
            told.append(_unmasked(run[at : found.start()]))
            body = BODY.match(run, found.start())
            whole = run[found.start() : body.end() if body else found.end()]
            url = whole.rstrip(TRAILING)
            if run[: found.start()].endswith("](") and ")" in whole:
                url = whole[: whole.index(")")]  # the target of a link that was found good
            at = found.start() + max(len(url), len(found[0]))
            kept = self._links.kept(url) if "://" in found[0] else self._named(url)
            told.append(REMOVED if kept is None else _closed(kept, run[at:], behind))
        told.append(_unmasked(run[at:]))
        return "".join(told)

    def _named(self, url: str) -> str | None:
        """An address without its scheme."""
        kept = self._links.kept(f"https://{url}")
        return None if kept is None else kept.removeprefix("https://")


def _closed(url: str, rest: str, behind: str) -> str:
    """`url` so that nothing behind it can become a part of its host."""
    found = ALLOWED.fullmatch(url)
    if found is not None and found["path"]:
        return url
    if HARMLESS.fullmatch(rest) and (not behind or behind.isspace() or behind == "<"):
        return url
    return url + ("/" if rest.startswith(")") else " ")


def _unmasked(text: str) -> str:
    """`text`, or `REMOVED` if an address hides in it."""
    if not DISGUISED.search(text):
        return text
    plain = unicodedata.normalize("NFKC", html.unescape(text))
    for _ in range(2):
        plain = unquote(html.unescape(plain))
    plain = unicodedata.normalize("NFKC", plain)
    hidden = ADDRESS.search(plain) or ADDRESS.search(plain.translate(LOOKALIKES))
    return REMOVED if hidden else text
