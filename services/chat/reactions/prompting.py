"""What a bot's model is told about a question."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from services.chat.domain.links import Links, host_of
from services.chat.domain.output import OutputFilter
from services.chat.domain.prompt import Turn, messages
from services.chat.ports import Found, Prompt, for_language_model
from services.chat.reactions.citing import passage
from shared.contracts.chat import BotSettings

Secret = Callable[[str, str], Awaitable[bytes | None]]
Hosts = Callable[[str, str], Awaitable[frozenset[str]]]
"""Of a tenant's bot: the hosts of its sources."""


@dataclass(frozen=True)
class Prompting:
    """Makes prompts for the model of a bot."""

    hosts: Hosts
    secret: Secret

    async def task(self, tenant_id: str, bot: BotSettings, question: str) -> Prompt:
        """The prompt before anything was found."""
        return Prompt(
            model=bot.model,
            messages=(),
            question=question,
            passages=(),
            temperature=0.0,
            max_tokens=bot.max_tokens,
            credentials=await self._credentials(tenant_id, bot),
        )

    async def whole(
        self,
        tenant_id: str,
        bot_profile_id: str,
        bot: BotSettings,
        question: str,
        context: Sequence[Found],
        history: Sequence[Turn],
    ) -> tuple[Prompt, OutputFilter]:
        """What the model is told, and the filter for what it says to that."""
        passages = [passage(n, one) for n, one in enumerate(context, 1)]
        boundary, canary = secrets.token_hex(12), secrets.token_hex(12)
        urls = frozenset(one.url for one in context if one.url is not None)
        hosts = {host_of(url) for url in urls} | {host.lower() for host in bot.link_hosts}
        hosts |= await self.hosts(tenant_id, bot_profile_id)
        links = Links(frozenset(host for host in hosts if host is not None), urls)
        output = OutputFilter({passage.n for passage in passages}, links, boundary, canary)
        prompt = Prompt(
            model=bot.model,
            messages=messages(bot.system_prompt, passages, history, question, boundary, canary),
            question=question,
            passages=passages,
            temperature=bot.temperature,
            max_tokens=bot.max_tokens,
            credentials=await self._credentials(tenant_id, bot),
            fallbacks=bot.fallback_models,
        )
        return prompt, output

    async def _credentials(self, tenant_id: str, bot: BotSettings) -> Mapping[str, str]:
        if bot.credentials_ref is None:
            return {}
        kept = await self.secret(tenant_id, bot.credentials_ref)
        return for_language_model({} if kept is None else orjson.loads(kept))
