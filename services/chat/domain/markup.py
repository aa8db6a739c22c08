"""Takes out of an answer, while it comes, all markup that leads somewhere or fetches something.

No parser of Markdown works on half a text, and each renderer reads some of it in its own way. So
the answer is brought into a form in which nothing is a link but `[text](address)` and `<address>`
with an address that was found good: no images, no HTML, no definitions of references. Code between
fences at the beginning of a line is shown as it is everywhere, and left alone.
"""

import re

from services.chat.domain.links import ADDRESS, REMOVED, Links

LABEL_LENGTH = 200
"""Characters of a link's text that are waited for."""
TARGET_LENGTH = 1024
TAG_LENGTH = 300
LINE_LENGTH = 120
"""Of a line that opens or closes code."""

SPECIAL = re.compile(r"\n|!?\[|\]|<|!\Z")
CONTAINER = r"[ \t>*+\-\d.)]*"
"""What may stand before a block inside of quotes and lists."""
FENCE = re.compile(rf"({CONTAINER})(`{{3,}}|~{{3,}})([^\n]*)")
FENCE_BEGUN = re.compile(rf"{CONTAINER}(?:`{{0,2}}|~{{0,2}})")
BEYOND_CONTAINER = re.compile(r"[^ \t>*+\-\d.)]")
INFO = re.compile(r"[^\w+#.\- ]")
GROUP = re.compile(rf"(!?)\[([^\[\]\n]{{0,{LABEL_LENGTH}}})\]")
NUMBER = re.compile(r"!?\[\^?\d{1,3}\]")
"""A citation, which is told at once and never a link."""
TARGET = re.compile(r"\(\s*<?([^\s()<>\"']*)>?(?:\s+\"[^\"\n]*\")?\s*\)")
LEADING = re.compile(r"\(\s*<?\s*(?:[a-z&%\\][\w+.&#;%\\-]*:|[/\\]|&|%)", re.IGNORECASE)
"""A target that leads out of the page, however it is disguised."""
AUTOLINK = re.compile(r"<([a-z][a-z0-9+.-]{1,31}:[^\s<>]*)>", re.IGNORECASE)
MAIL = re.compile(r"<([\w.+-]+@[\w-]+(?:\.[\w-]+)+)>")
OPENED = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
NAME = re.compile(r"/?([a-z][a-z0-9]*)", re.IGNORECASE)
SIMPLE = re.compile(r"/?[a-z][\w, .]*/?", re.IGNORECASE)
"""As `List<String>` has it: a tag without values does nothing."""
SHOWING = frozenset({"b", "br", "em", "i", "kbd", "s", "strong", "sub", "sup", "u"})
ELEMENTS = frozenset(
    """a abbr address applet area article aside audio base basefont bdi bdo bgsound big blink
    blockquote body button canvas caption center cite code col colgroup data datalist dd del
    details dfn dialog dir div dl dt embed fieldset figcaption figure font footer form frame
    frameset h1 h2 h3 h4 h5 h6 head header hr html iframe image img input ins isindex keygen label
    legend li link main map mark marquee math menu meta meter nav nobr noembed noframes noscript
    object ol optgroup option output p param picture plaintext portal pre progress q rp rt ruby
    samp script section select slot small source span strike style summary svg table tbody td
    template textarea tfoot th thead time title tr track tt ul var video wbr xmp""".split()  # noqa: SIM905  a list would take a page
)


class MarkupFilter:
    """Piece by piece. Holds back what may become a link, a tag or the edge of code."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._held = ""
        self._told: list[str] = []
        self._defines = False
        """Whether a colon behind the bracket that was told last would make a definition of it."""
        self._last = ""
        """The last character that was told."""
        self._fence = ""
        """What opened the code in which the answer is."""
        self._trusted = True
        """Whether it is certain for every renderer where code begins and ends."""
        self._fresh = True
        """Whether a line begins here."""
        self._bare = True
        """Whether the line holds nothing yet, or only marks of lists and quotes."""

    def feed(self, piece: str) -> str:
        """What can be told of the answer so far."""
        return self._run(self._held + piece, final=False)

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        return self._run(self._held, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        at = 0
        while at < len(text):
            behind = self._step(text, at, final=final)
            if behind is None:
                break
            at = behind
        self._held = text[at:]
        told, self._told = "".join(self._told), []
        return told

    def _step(self, text: str, at: int, *, final: bool) -> int | None:
        """Tell what stands at `at`, and return where it ends; None: wait for more."""
        if self._fresh:
            behind = self._line(text, at, final=final)
            if behind != at:
                return behind
        if self._fence:
            end = text.find("\n", at) + 1 or len(text)
            self._tell(text[at:end])
            return end
        if self._last == "]" and text[at] in "(:":
            return self._behind(text, at, final=final)
        special = SPECIAL.search(text, at)
        if special is None or special.start() > at:
            end = len(text) if special is None else special.start()
            self._tell(text[at:end])
            return end
        if special[0] == "!":
            return self._tell_to("!", len(text)) if final else None
        if special[0] == "\n":
            return self._tell_to("\n", special.end())
        if special[0] == "<":
            return self._tag(text, at, final=final)
        if special[0] == "]":
            self._defines = True
            return self._tell_to("]", at + 1)
        return self._group(text, at, special.end(), final=final)

    def _line(self, text: str, at: int, *, final: bool) -> int | None:
        """Tell the line if it is the edge of code; `at` if it is not, None: wait for more."""
        end = text.find("\n", at)
        ended = final or end >= 0 or len(text) - at > LINE_LENGTH
        line = text[at : end if end >= 0 else len(text)]
        found = FENCE.fullmatch(line)
        if not ended and (found is not None or FENCE_BEGUN.fullmatch(line)):
            return None
        self._fresh = False
        if found is None:
            return at
        lead, mark, info = found.groups()
        if self._fence:
            if mark[0] != self._fence[0]:
                return at
            strict = len(mark) >= len(self._fence) and not info.strip() and lead.strip(" ") == ""
            self._fence = ""
            self._trusted = self._trusted and strict and len(lead) < 4  # noqa: PLR2004  CommonMark
            return self._tell_to(f"{lead}{mark}", at + len(lead) + len(mark))
        opens = self._trusted and (end >= 0 or final) and not lead and not INFO.search(info)
        if not opens:
            self._trusted = False
            return at
        self._fence = mark
        return self._tell_to(line, at + len(line))

    def _group(self, text: str, at: int, inside: int, *, final: bool) -> int | None:
        """`[…]` or `![…]`, with what is behind it."""
        group = GROUP.match(text, at)
        if group is None:
            waits = len(text) - inside <= LABEL_LENGTH and not re.search(r"[\[\]\n]", text[inside:])
            return None if waits and not final else self._tell_to(text[at:inside], inside)
        if NUMBER.fullmatch(group[0]):
            self._defines = self._bare
            return self._tell_to(group[0], group.end())
        if group.end() == len(text) and not final:
            return None
        self._defines = False
        image, label = group[1], OPENED.sub("< ", group[2])
        behind = text[group.end() : group.end() + 1]
        if behind == ":" and self._bare:
            return self._tell_to(f"{image}[{label}] ", group.end())
        if behind != "(":
            return self._tell_to(f"{image}[{label}]", group.end())
        target = self._target(text, group.end(), final=final)
        if target is None:
            return None
        end, kept = target
        if end == group.end():
            return self._tell_to(f"{image}[{label}] ", end)
        if kept is None or image:
            return self._tell_to(self._apart(label), end)
        return self._tell_to(f"{' ' if self._last == '!' else ''}[{label}]({kept})", end)

    def _behind(self, text: str, at: int, *, final: bool) -> int | None:
        """What follows a `]` that was told: it must not make a link or a definition of it."""
        if text[at] == ":":
            return self._tell_to(" :" if self._defines else ":", at + 1)
        target = self._target(text, at, final=final)
        if target is None:
            return None
        return target[0] if target[0] > at else self._tell_to(" (", at + 1)

    def _target(self, text: str, at: int, *, final: bool) -> tuple[int, str | None] | None:
        """Where the target that opens at `at` ends, and its address if that may be told.

        It ends where it begins if it is none, but words in brackets. None: wait for more.
        """
        target = TARGET.match(text, at)
        if target is not None and (kept := self._links.kept(target[1])) is not None:
            return target.end(), kept
        line = text.find("\n", at)
        end = text.find(")", at, line if line >= 0 else len(text))
        if end < 0 and line < 0 and not final and len(text) - at < TARGET_LENGTH:
            return None
        if end < 0:
            return at, None
        inside = text[at : end + 1]
        return (end + 1 if LEADING.match(inside) or ADDRESS.search(inside) else at), None

    def _tag(self, text: str, at: int, *, final: bool) -> int | None:
        """A `<`, which may open an address or a tag."""
        if at + 1 == len(text) and not final:
            return None
        if OPENED.match(text, at) is None:
            return self._tell_to("<", at + 1)
        end = text.find(">", at)
        if end < 0 and not final and len(text) - at < TAG_LENGTH:
            return None
        if (auto := AUTOLINK.match(text, at)) is not None:
            kept = self._links.kept(auto[1])
            return self._tell_to(REMOVED if kept is None else f"<{kept}>", auto.end())
        if (mail := MAIL.match(text, at)) is not None:
            return self._tell_to(mail[1], mail.end())
        inside = text[at + 1 : end] if 0 <= end < at + TAG_LENGTH else ""
        name = NAME.match(inside)
        known = "" if name is None else name[1].lower()
        if SIMPLE.fullmatch(inside) and not self._bare and known not in ELEMENTS:
            return self._tell_to(f"<{inside}>", end + 1)
        if known in ELEMENTS | SHOWING:
            return self._tell_to(self._apart(""), end + 1)
        return self._tell_to("< ", at + 1)

    def _apart(self, text: str) -> str:
        """`text` instead of markup, so that what stands around it does not become any."""
        joins = self._last in ("]", "!", "<")
        return f" {text}" if joins else text

    def _tell_to(self, text: str, end: int) -> int:
        self._tell(text)
        return end

    def _tell(self, text: str) -> None:
        if not text:
            return
        self._told.append(text)
        self._last = text[-1]
        if text[-1] == "\n":
            self._fresh = self._bare = True
            return
        self._fresh = False
        self._bare = self._bare and BEYOND_CONTAINER.search(text) is None
