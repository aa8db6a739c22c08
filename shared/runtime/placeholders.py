"""Tells a secret from the words that examples put in its place."""

import re
from urllib.parse import unquote, urlsplit

WORDS = re.compile(
    r"(?<![a-z])(change|replace)[-_ ]?(me|this)(?![a-z])|place[-_ ]?holder|insert[-_ ]|your[-_ ]"
    r"|\A(example|secret|password|todo|none|null)\Z"
    r"|\A<.*>\Z|\A\$\{.*\}\Z"
    r"|\A(?P<one>.)(?P=one){2,}=*\Z",  # one character over and over
    re.IGNORECASE | re.DOTALL,
)


def is_placeholder(secret: str) -> bool:
    """Whether this is empty or something that stands in documentation instead of a secret.

    Of an address only the password is judged; one without a user needs none.
    """
    if "://" not in secret:
        return not secret.strip() or WORDS.search(secret.strip()) is not None
    try:
        password = urlsplit(secret).password
    except ValueError:
        return False  # no address at all; whoever uses it will tell
    if password is None:
        return False
    return not password or WORDS.search(unquote(password)) is not None
