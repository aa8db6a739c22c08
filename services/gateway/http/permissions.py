"""What a credential must be good for, route by route.

A route that stands in no table here is read with `read` and changed with `write`, by somebody who
is bound to no bot: forgetting an entry closes a door rather than opening one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.gateway.ports import Principal
from shared.contracts.gateway import Role, Scope
from shared.kernel.errors import NotPermitted

PARAMETER = re.compile(r"\{[^}]*\}")
SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    "member": frozenset({"chat", "read", "events"}),
    "admin": frozenset({"chat", "read", "write", "admin", "events"}),
    "owner": frozenset({"chat", "read", "write", "admin", "events"}),
}
"""All that a role allows."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which scope a route asks for; and from those bound to one bot, if it is for them at all.

    A route that lets them in shows them nothing but that bot and the chats they began.
    """

    scope: Scope
    bound: Scope | None = None
    narrow: Scope | None = None
    """A scope that is good for this route and for little else."""


ADMINISTRATION = (
    "/v1/users",
    "/v1/api-tokens",
    "/v1/widget/keys",
    "/v1/webhooks",
    "/v1/tenants",
    "/v1/budgets",
)
"""Below these, a change asks for the scope `admin`."""
RULES: Mapping[tuple[str, str], Rule] = {
    ("POST", "/v1/chat"): Rule("chat", bound="chat"),
    ("GET", "/v1/chat/turns/{}"): Rule("chat", bound="chat"),
    ("GET", "/v1/chat/turns/{}/stream"): Rule("chat", bound="chat"),
    ("DELETE", "/v1/chat/turns/{}"): Rule("chat", bound="chat"),
    ("GET", "/v1/openai/models"): Rule("chat", bound="chat"),
    ("GET", "/v1/openai/models/{}"): Rule("chat", bound="chat"),
    ("POST", "/v1/openai/chat/completions"): Rule("chat", bound="chat"),
    ("POST", "/v1/mcp"): Rule("chat", bound="chat"),
    ("POST", "/v1/bot-profiles/{}/retrieve"): Rule("read"),
    ("POST", "/v1/bot-profiles/{}/reindex/estimate"): Rule("read"),
    ("POST", "/v1/bot-profiles/{}/playground/estimate"): Rule("read"),
    ("GET", "/v1/citations/{}"): Rule("chat", bound="chat"),
    ("GET", "/v1/operations/{}"): Rule("read", bound="chat"),
    ("GET", "/v1/bot-profiles/{}"): Rule("read", bound="chat"),
    ("GET", "/v1/chat/{}"): Rule("read", bound="chat"),
    ("GET", "/v1/chat/{}/messages"): Rule("read", bound="chat"),
    # Whoever may read an answer may say what it is worth.
    ("PATCH", "/v1/chat/{}/messages/{}/feedback"): Rule("chat", bound="chat"),
    ("GET", "/v1/events"): Rule("read", narrow="events"),
    ("GET", "/v1/audit-log"): Rule("admin"),
    ("GET", "/v1/tenants/me/archive"): Rule("admin"),
    ("POST", "/v1/system/dead-letters/{}/replay"): Rule("admin"),
    ("DELETE", "/v1/system/dead-letters/{}"): Rule("admin"),
    # A user's own account, whatever the role.
    ("POST", "/v1/auth/password"): Rule("read"),
}


def rule_for(method: str, path: str) -> Rule:
    """The rule of a route; `path` is its template."""
    known = RULES.get((method, PARAMETER.sub("{}", path)))
    if known is not None:
        return known
    if method in ("GET", "HEAD"):
        return Rule("read")
    return Rule("admin" if path.startswith(ADMINISTRATION) else "write")


def check(principal: Principal, method: str, path: str) -> Rule:
    """Raise `NotPermitted` unless the principal may use the route whose template is `path`."""
    rule = rule_for(method, path)
    scope = rule.scope
    if principal.bot_profile_id is not None:
        if rule.bound is None:
            raise NotPermitted("This credential is for one bot only")
        scope = rule.bound
    allowed = effective(principal.role, principal.scopes)
    if scope in allowed or rule.narrow in allowed:
        return rule
    if principal.scopes is not None and scope not in principal.scopes:
        raise NotPermitted(f"This token lacks the scope '{scope}'")
    what = "manage users" if path.startswith("/v1/users") else "do this"
    raise NotPermitted(f"Only owners and admins can {what}")


def demand(principal: Principal, scope: Scope) -> None:
    """Raise `NotPermitted` unless it is good for `scope` too, and bound to no bot.

    For what a part of a request asks for beyond its route's own rule.
    """
    if principal.bot_profile_id is not None:
        raise NotPermitted("This credential is for one bot only")
    if scope in effective(principal.role, principal.scopes):
        return
    if principal.scopes is not None and scope not in principal.scopes:
        raise NotPermitted(f"This token lacks the scope '{scope}'")
    raise NotPermitted("Only owners and admins can do this")


def effective(role: Role, scopes: tuple[Scope, ...] | None) -> frozenset[Scope]:
    """What a credential is good for: never more than its role allows now."""
    allowed = SCOPES_OF[role]
    return allowed if scopes is None else allowed & set(scopes)
