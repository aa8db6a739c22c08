"""What requests and answers look like, for the description of the interface.

By the name of the schema. One small story: a bot of a bicycle shop that knows its manual.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from services.gateway.http.examples_asking import ASKING
from services.gateway.http.examples_contents import CONTENTS
from services.gateway.http.examples_figures import FIGURES
from services.gateway.http.examples_outward import OUTWARD
from services.gateway.http.examples_playground import PLAYGROUND
from shared.kernel.errors import (
    BacklogFull,
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    QuotaExceeded,
    Refused,
    TooLarge,
)
from shared.web.problem import STATUS

TENANT_ID = "0c5a2ef3-3c2f-4a4e-9d7c-0d5a1d7b6f01"
USER_ID = "1f6b7c1e-5a0e-4b8c-8f1b-0d9b2c3a4e02"
TOKEN_ID = "2a7c8d2f-6b1f-4c9d-9a2c-1eac3d4b5f03"  # noqa: S105  an id, not a secret
BOT_ID = "3b8d9e30-7c20-4dae-8b3d-2fbd4e5c6a04"
SOURCE_ID = "4c9eaf41-8d31-4ebf-9c4e-30ce5f6d7b05"
CHILD_ID = "5daf0b52-9e42-4fc0-8d5f-41df607e8c06"
CHAT_ID = "6eb01c63-af53-40d1-9e60-52e0718f9d07"
MESSAGE_ID = "7fc12d74-b064-41e2-8f71-63f182a0ae08"
TURN_ID = "80d23e85-c175-42f3-9082-740293b1bf09"
CHUNK_ID = "91e34f96-d286-4304-8193-8513a4c2c00a"
DOCUMENT_ID = "a2f450a7-e397-4415-92a4-9624b5d3d10b"
CITATION_ID = "b30561b8-f4a8-4526-83b5-a735c6e4e20c"
KEY_ID = "c41672c9-05b9-4637-94c6-b846d7f5f30d"
VISITOR_ID = "d52783da-16ca-4748-85d7-c957e806040e"
AT = "2026-11-25T09:30:00Z"

TENANT = {
    "id": TENANT_ID,
    "name": "Velo Berlin",
    "slug": "velo-berlin",
    "is_active": True,
    "plan": "free",
    "browser_tokens": "bot_bound",
}
USER = {
    "id": USER_ID,
    "tenant_id": TENANT_ID,
    "email": "anna@velo.example",
    "display_name": "Anna",
    "role": "owner",
    "is_active": True,
}
LOGIN = {
    "user": USER,
    "tenant": TENANT,
    "access_token": "eyJhbGciOi…",
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "eyJhbGciOi…",
}
API_TOKEN = {
    "id": TOKEN_ID,
    "tenant_id": TENANT_ID,
    "name": "Website",
    "token_prefix": "nrag_live_3kT9",
    "scopes": ["chat"],
    "bot_profile_id": BOT_ID,
    "is_active": True,
    "expires_at": None,
    "last_used_at": None,
    "created_at": AT,
}
BOT_SETTINGS: dict[str, Any] = {
    "name": "Shop",
    "description": "Answers what customers ask",
    "model": "gpt-4o-mini",
    "embedding_model": None,
    "system_prompt": "You are a helpful assistant.",
    "temperature": 0.7,
    "max_tokens": 1024,
    "floor": None,
    "refusal_text": None,
    "check_claims": False,
    "fallback_models": [],
    "link_hosts": [],
    "chunk_size": None,
    "chunk_overlap": None,
    "cache_answers": False,
    "rerank_model": None,
    "top_k": None,
    "lexical_weight": None,
}
BOT = {
    "id": BOT_ID,
    "tenant_id": TENANT_ID,
    **BOT_SETTINGS,
    "has_credentials": True,
    "is_active": True,
    "gate_suite_id": None,
    "version": 4,
    "created_at": AT,
    "updated_at": AT,
}
PUBLIC_BOT = {"id": BOT_ID, "name": "Shop", "description": "Answers what customers ask"}
SOURCE = {
    "id": SOURCE_ID,
    "tenant_id": TENANT_ID,
    "bot_profile_id": BOT_ID,
    "parent_id": None,
    "name": "Manual",
    "description": "",
    "source_type": "url",
    "status": "ready",
    "config": {"url": "https://velo.example/manual"},
    "document_count": 1,
    "chunk_count": 12,
    "error_message": None,
    "is_active": True,
    "refresh_schedule": "weekly",
    "refresh_cron": None,
    "refresh_time_zone": None,
    "authority": None,
    "language": "en",
    "revision": 2,
    "last_refreshed_at": AT,
    "next_refresh_at": AT,
    "children_count": 0,
    "created_at": AT,
    "updated_at": AT,
}
CHILD_IN = {
    "name": "Guarantee",
    "source_type": "text",
    "content": "Every bicycle carries a guarantee of seven years on its frame.",
}
MESSAGE = {
    "id": MESSAGE_ID,
    "chat_id": CHAT_ID,
    "turn_id": TURN_ID,
    "role": "assistant",
    "content": "Every bicycle carries a guarantee of seven years on its frame. [1]",
    "prompt_tokens": 180,
    "completion_tokens": 16,
    "feedback": None,
    "draft": False,
    "refusal": False,
    "created_at": AT,
}
CITATION = {
    "citation_id": CITATION_ID,
    "n": 1,
    "source_id": SOURCE_ID,
    "document_id": DOCUMENT_ID,
    "chunk_id": CHUNK_ID,
    "title": "Manual",
    "url": "https://velo.example/manual",
    "heading": "Manual > Guarantee",
    "page": None,
    "revision": 1,
    "start": 412,
    "end": 474,
    "score": 0.83,
    "authority": None,
}
CHAT = {
    "id": CHAT_ID,
    "tenant_id": TENANT_ID,
    "bot_profile_id": BOT_ID,
    "title": "How long is the guarantee?",
    "message_count": 2,
    "total_prompt_tokens": 180,
    "total_completion_tokens": 16,
    "created_at": AT,
    "updated_at": AT,
}
QUOTAS = {
    "questions_per_day": 5000,
    "questions_per_visitor_hour": 60,
    "questions_per_address_hour": 300,
    "sessions_per_address_hour": 120,
}
APPEARANCE = {"heading": "Velo Berlin", "greeting": "How can we help?"}
WIDGET_KEY = {
    "id": KEY_ID,
    "tenant_id": TENANT_ID,
    "bot_profile_id": BOT_ID,
    "public_key": "nrag_pk_8sQ2…",
    "name": "Shop",
    "allowed_origins": ["https://velo.example"],
    "quotas": QUOTAS,
    "appearance": APPEARANCE,
    "is_active": True,
    "created_at": AT,
}
WELL = {"status": "ok", "detail": None, "version": None, "latency_ms": 2.1}
HEALTH = {
    "status": "ok",
    "postgres": WELL,
    "qdrant": WELL,
    "redis": WELL,
    "nats": WELL,
    "services": {"gateway": WELL, "ingest": WELL, "chat": WELL},
}

ANSWER = {
    "turn_id": TURN_ID,
    "chat_id": CHAT_ID,
    "message": MESSAGE,
    "sources": [
        {
            "chunk_id": CHUNK_ID,
            "content": "Every bicycle carries a guarantee of seven years on its frame.",
            "score": 0.83,
            "source_id": SOURCE_ID,
        }
    ],
    "citations": [CITATION],
    "usage": {
        "model": "gpt-4o-mini",
        "prompt_tokens": 180,
        "completion_tokens": 16,
        "total_tokens": 196,
    },
    "grounded": True,
    "support": 0.94,
    "stopped": False,
    "bot_version": 4,
}
FORMER = {
    "turn_id": TURN_ID,
    "chat_id": CHAT_ID,
    "status": "refused",
    "question": "How long is the guarantee?",
    "answer": "I cannot find an answer to that in my sources.",
    "bot_version": 3,
    "grounded": False,
    "reason": "below_floor",
    "error": None,
    "citations": [],
    "usage": ANSWER["usage"],
    "answered_at": AT,
}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    **ASKING,
    **CONTENTS,
    **FIGURES,
    **PLAYGROUND,
    **OUTWARD,
    "TenantIn": {
        "tenant_name": "Velo Berlin",
        "tenant_slug": "velo-berlin",
        "owner_email": "anna@velo.example",
        "owner_password": "a long passphrase",
        "owner_display_name": "Anna",
    },
    "TenantOut": {
        "tenant": TENANT,
        "api_token": "nrag_live_3kT9…",
        "token_prefix": "nrag_live_3kT9",
    },
    "TenantPatch": {"name": "Velo Berlin GmbH"},
    "TenantView": TENANT,
    "LoginIn": {"email": "anna@velo.example", "password": "a long passphrase"},
    "LoginOut": LOGIN,
    "MeOut": {"user": USER, "tenant": TENANT},
    "RefreshIn": {"refresh_token": "eyJhbGciOi…"},
    "LogoutIn": {"refresh_token": "eyJhbGciOi…"},
    "PasswordIn": {
        "current_password": "a long passphrase",
        "new_password": "a longer passphrase",
    },
    "UserIn": {
        "email": "ben@velo.example",
        "password": "a long passphrase",
        "display_name": "Ben",
        "role": "member",
    },
    "UserPatch": {
        "email": "ben@velo.example",
        "password": "a long passphrase",
        "role": "admin",
    },
    "RoleIn": {"role": "admin"},
    "UserOut": USER,
    "ApiTokenIn": {"name": "Website", "scopes": ["chat"], "bot_profile_id": BOT_ID},
    "ApiTokenOut": API_TOKEN,
    "NewApiTokenOut": {**API_TOKEN, "raw_token": "nrag_live_3kT9…"},
    "BotProfileIn": {**BOT_SETTINGS, "credentials": {"api_key": "sk-…"}},
    "BotProfilePatch": {"temperature": 0.2},
    "BotProfileOut": BOT,
    "PublicBotOut": {**PUBLIC_BOT, "is_active": True},
    "SourceIn": {
        "bot_profile_id": BOT_ID,
        "name": "Manual",
        "source_type": "url",
        "config": {"url": "https://velo.example/manual"},
        "refresh_schedule": "weekly",
    },
    "SourcePatch": {"refresh_schedule": "daily"},
    "SourceOut": SOURCE,
    "BatchIn": {"bot_profile_id": BOT_ID, "name": "Leaflets", "children": [CHILD_IN]},
    "BatchOut": {
        "parent": {**SOURCE, "name": "Leaflets", "children_count": 1},
        "children": [{**SOURCE, "id": CHILD_ID, "parent_id": SOURCE_ID, "name": "Guarantee"}],
    },
    "Accepted": {"status": "accepted", "message": f"Ingestion queued for source {SOURCE_ID}"},
    "ChildrenAccepted": {
        "status": "accepted",
        "message": "Ingestion queued for 2 child sources",
        "enqueued": 2,
    },
    "TimelineEntryOut": {
        "at": AT,
        "event": "source.ingested",
        "detail": "12 chunks",
        "run_id": TURN_ID,
        "attempt": None,
        "seconds": 1.8,
        "done": None,
        "total": None,
        "reason": None,
    },
    "ChatIn": {"bot_profile_id": BOT_ID, "message": "How long is the guarantee?"},
    "ChatOut": ANSWER,
    "TurnReplayOut": {**ANSWER, "former": FORMER},
    "TurnOut": {
        "turn_id": TURN_ID,
        "chat_id": CHAT_ID,
        "status": "answered",
        "message": MESSAGE,
        "citations": [CITATION],
        "grounded": True,
        "stopped": False,
        "reason": None,
        "error": None,
        "bot_version": 4,
    },
    "CitationTextOut": {
        "citation": CITATION,
        "text": "Every bicycle carries a guarantee of seven years on its frame.",
        "before": "## Guarantee\n\n",
        "after": "",
    },
    "ChatSummary": CHAT,
    "MessageOut": MESSAGE,
    "FeedbackIn": {"feedback": "positive"},
    "ChatExport": {"chat": CHAT, "messages": [MESSAGE], "exported_at": AT},
    "ChatsExport": {"chats": [{"chat": CHAT, "messages": [MESSAGE]}], "exported_at": AT},
    "WidgetKeyIn": {
        "name": "Shop",
        "bot_profile_id": BOT_ID,
        "allowed_origins": ["https://velo.example"],
    },
    "WidgetKeyPatch": {"allowed_origins": ["https://velo.example", "https://*.velo.example"]},
    "WidgetKeyOut": WIDGET_KEY,
    "SessionIn": {"key": "nrag_pk_8sQ2…"},
    "SessionOut": {
        "session_token": "eyJhbGciOi…",
        "token_type": "bearer",
        "expires_in": 900,
        "visitor_id": VISITOR_ID,
        "bot": PUBLIC_BOT,
        "appearance": APPEARANCE,
    },
    "Health": HEALTH,
    "DetailedHealth": {
        **HEALTH,
        "uptime_seconds": 86_400,
        "python_version": "3.11.9",
        "platform": "Linux-6.8",
        "db_stats": {
            "sources_by_status": {"pending": 0, "processing": 0, "ready": 3, "error": 0},
            "total_chunks": 36,
            "total_messages": 120,
            "total_chats": 41,
            "total_usage_events": 60,
            "total_prompt_tokens": 10_800,
            "total_completion_tokens": 960,
        },
        "qdrant_stats": {
            "collection": "minirag",
            "vectors_count": 36,
            "points_count": 36,
            "status": "green",
        },
        "redis_stats": {},
        "bot_sources": [
            {
                "bot_profile_id": BOT_ID,
                "bot_name": "Shop",
                "model": "gpt-4o-mini",
                "is_active": True,
                "source_count": 3,
                "ready_sources": 3,
                "total_chunks": 36,
            }
        ],
        "config": {
            "jwt_expire_minutes": 60,
            "default_llm_model": "gpt-4o-mini",
            "default_embedding_model": None,
            "cors_origins": ["*"],
        },
        "read_models": [{"service": "chat", "name": "chats", "lag": 0}],
    },
    "DeadLetterOut": {
        "id": TURN_ID,
        "given_up": AT,
        "service": "webhooks",
        "kind": "event",
        "aggregate": "chat",
        "aggregate_id": CHAT_ID,
        "name": "answered",
        "status": "discarded",
        "settled_at": AT,
        "settled_by": f"user/{USER_ID}",
        "user_id": USER_ID,
    },
    "DeadLetterStateOut": {"id": TURN_ID, "status": "ordered"},
    "Operation": {"id": TURN_ID, "status": "done", "detail": None},
}
DETAILS: Mapping[type[Refused], str] = {
    NotAuthenticated: "Not authenticated",
    NotPermitted: "Only owners and admins can do this",
    NotFound: "Source not found",
    Conflict: "Slug 'velo-berlin' is already taken",
    TooLarge: "The body is larger than 262144 bytes.",
    InvalidCommand: "Bot profile not found or belongs to a different tenant",
    QuotaExceeded: "Too many requests; try again in 12 seconds",
}
FAILURES: Mapping[int, tuple[str, str]] = {
    402: ("budget-exceeded", "The budget is used up until 2026-12-01 (UTC)."),
    502: ("llm_failed", "The language model failed."),
    503: ("unavailable", "chat does not answer"),
    504: ("llm_timeout", "The language model did not answer in time."),
}
MISSING = [{"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": {}}]


def problem_examples(status: int, path: str) -> dict[str, Any]:
    """OpenAPI examples of the problem that a route answers with this status."""
    refusals = {int(STATUS[kind]): (kind.code, detail) for kind, detail in DETAILS.items()}
    code, detail = {**refusals, **FAILURES}[status]
    made = {code: _example(status, path, code, detail)}
    if code == InvalidCommand.code:
        made["validation"] = _example(status, path, "validation", MISSING)
    if code == QuotaExceeded.code and path.startswith("/v1/sources"):
        full = BacklogFull.code
        made[full] = _example(status, path, full, "Too many sources are waiting")
    return made


def _example(status: int, path: str, code: str, detail: Any) -> dict[str, Any]:
    return {
        "value": {
            "type": f"urn:minirag:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "instance": path,
            "request_id": "e63894eb-27db-4859-96e8-da68f9171510",
        }
    }
