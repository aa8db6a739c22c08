"""Describes the event feed and webhooks: AsyncAPI 3.0, made from the classes of public events.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from typing import Any
from urllib.parse import urlsplit

from shared.contracts.public import PUBLIC_TYPES, PublicEvent

REF = "#/components/schemas/{model}"
ENVELOPE = {
    "id": {"type": "string", "description": "Of the event."},
    "occurred_at": {"type": "string", "format": "date-time"},
    "aggregate": {"type": "string", "description": "What kind of thing it is about."},
    "aggregate_id": {"type": "string"},
    "correlation_id": {"type": "string", "description": "Of all that one order set off."},
}
SIGNED = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature", "X-MiniRAG-Event"],
    "properties": {
        "webhook-id": {"type": "string", "description": "Of the event; the same at every attempt."},
        "webhook-timestamp": {"type": "string", "description": "Of the attempt, in Unix seconds."},
        "webhook-signature": {"type": "string", "description": "Standard Webhooks 1.0."},
        "X-MiniRAG-Event": {"type": "string", "description": "The type."},
        "X-MiniRAG-Signature": {"type": "string", "description": "Hex HMAC-SHA256 of the body."},
    },
}


def document(server: str) -> dict[str, Any]:
    """The document of the installation at this address."""
    address = urlsplit(server)
    shapes = sorted(PUBLIC_TYPES.values(), key=lambda shape: shape.type)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "MiniRAG events",
            "version": "0.1.0",
            "description": "What happens in a tenant, over server-sent events, webhooks and NATS.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "minirag": {
                "host": address.netloc,
                "protocol": address.scheme,
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": {
            "feed": {
                "address": "/v1/events",
                "title": "The event feed",
                "description": "Server-sent events; `Last-Event-ID` resumes.",
                "servers": [{"$ref": "#/servers/minirag"}],
                "messages": {
                    shape.type: _ref("messages", f"feed.{shape.type}") for shape in shapes
                },
            },
            "broker": {
                "address": "public.{tenant_id}.{type}",
                "title": "Subjects of NATS",
                "description": "Live only, at least once, with a token as the user's; what was "
                "missed is behind the last `cursor` in the feed.",
                "parameters": {
                    "tenant_id": {"description": "The tenant of the token."},
                    "type": {"description": "Of the event; `>` for all."},
                },
                "messages": {
                    shape.type: _ref("messages", f"feed.{shape.type}") for shape in shapes
                },
            },
            "webhook": {
                "address": None,
                "title": "A registered webhook",
                "description": "POST requests to the address that a tenant registered.",
                "messages": {
                    shape.type: _ref("messages", f"webhook.{shape.type}") for shape in shapes
                },
            },
        },
        "operations": {
            "follow": {"action": "send", "channel": _ref_to("channels", "feed")},
            "tell": {"action": "send", "channel": _ref_to("channels", "broker")},
            "deliver": {"action": "send", "channel": _ref_to("channels", "webhook")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {shape.__name__: _schema(shape) for shape in shapes},
            "messages": {
                **{f"feed.{shape.type}": _in_feed(shape) for shape in shapes},
                **{f"webhook.{shape.type}": _in_webhook(shape) for shape in shapes},
            },
        },
    }


def _schema(shape: type[PublicEvent]) -> dict[str, Any]:
    return shape.model_json_schema(ref_template=REF)


def _message(shape: type[PublicEvent]) -> dict[str, Any]:
    return {"name": shape.type, "title": shape.__name__, "summary": shape.__doc__}


def _in_feed(shape: type[PublicEvent]) -> dict[str, Any]:
    return {
        **_message(shape),
        "payload": {
            "type": "object",
            "required": [*ENVELOPE, "type", "data"],
            "properties": {
                **ENVELOPE,
                "type": {"const": shape.type},
                "data": _ref("schemas", shape.__name__),
            },
        },
    }


def _in_webhook(shape: type[PublicEvent]) -> dict[str, Any]:
    return {**_message(shape), "headers": SIGNED, "payload": _ref("schemas", shape.__name__)}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _ref_to(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{kind}/{name}"}
