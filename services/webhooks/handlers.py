"""What a command of webhooks depends on outside its own aggregate."""

from collections.abc import Awaitable, Callable
from typing import Any

from services.webhooks.domain.endpoints import Endpoint
from shared.contracts.base import Metadata
from shared.contracts.webhooks import CreateWebhook, RequestRedelivery, UpdateWebhook
from shared.kernel.errors import Conflict, InvalidCommand, NotFound

Current = Callable[[str, str, str], Awaitable[Any]]
Refused = Callable[[str], str | None]


class CheckTarget:
    """Refuses an address that nothing may be sent to."""

    def __init__(self, refused: Refused) -> None:
        self._refused = refused

    async def __call__(self, command: Any, _meta: Metadata) -> None:
        """Raise `InvalidCommand`."""
        match command:
            case CreateWebhook(settings=settings):
                url = settings.url
            case UpdateWebhook(changes={"url": str(url)}):
                pass
            case _:
                return
        if url.lower().startswith(("http:", "https:")) and (reason := self._refused(url)):
            raise InvalidCommand(f"url cannot be used: {reason}", field="url")


class CheckEndpoint:
    """Refuses to order a delivery again to an endpoint that gets nothing."""

    def __init__(self, current: Current) -> None:
        self._current = current

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `NotFound` or `Conflict`."""
        if not isinstance(command, RequestRedelivery):
            return
        endpoint = await self._current("webhook_endpoint", meta.tenant_id, command.webhook_id)
        if not isinstance(endpoint, Endpoint) or endpoint.deleted:
            raise NotFound("Webhook not found")
        if not endpoint.settings.is_active:
            raise Conflict("The webhook is disabled; switch it on before you send again")
