"""What webhooks, events and sessions of browsers look like, for the interface's description."""

from collections.abc import Mapping
from typing import Any

TENANT_ID = "0c5a2ef3-3c2f-4a4e-9d7c-0d5a1d7b6f01"
SOURCE_ID = "4c9eaf41-8d31-4ebf-9c4e-30ce5f6d7b05"
WEBHOOK_ID = "e6388eeb-27db-4859-96e8-da68f917150f"
DELIVERY_ID = "f7499ffc-38ec-496a-87f9-eb790a281610"
EVENT_ID = "085ab00d-49fd-4a7b-98ba-fc8a1b392711"
AT = "2026-11-25T09:30:00Z"

USER = {
    "id": "1f6b7c1e-5a0e-4b8c-8f1b-0d9b2c3a4e02",
    "tenant_id": TENANT_ID,
    "email": "anna@velo.example",
    "display_name": "Anna",
    "role": "owner",
    "is_active": True,
}
TENANT = {
    "id": TENANT_ID,
    "name": "Velo Berlin",
    "slug": "velo-berlin",
    "is_active": True,
    "plan": "free",
    "browser_tokens": "bot_bound",
}
AUDIT_ENTRY = {
    "id": EVENT_ID,
    "at": AT,
    "actor": "token/2a7c8d2f-6b1f-4c9d-8a2c-1e0c3d4b5f03",
    "user_id": "1f6b7c1e-5a0e-4b8c-8f1b-0d9b2c3a4e02",
    "action": "source.deleted",
    "target": f"source/{SOURCE_ID}",
    "address": "203.0.113.7",
    "user_agent": "curl/8.14.1",
}
WEBHOOK = {
    "id": WEBHOOK_ID,
    "tenant_id": TENANT_ID,
    "url": "https://velo.example/hooks/minirag",
    "events": ["source.ingested", "source.failed"],
    "is_active": True,
    "description": "Tells the shop what is indexed",
    "has_secret": True,
    "disabled_reason": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": AT,
    "updated_at": AT,
}
DELIVERY = {
    "id": DELIVERY_ID,
    "webhook_id": WEBHOOK_ID,
    "message_id": EVENT_ID,
    "event_type": "source.ingested",
    "status": "delivered",
    "attempt_count": 1,
    "last_status_code": 204,
    "last_error": None,
    "next_attempt_at": None,
    "occurred_at": AT,
    "created_at": AT,
}
ERASURE = {
    "id": "a1b6a3c0-6a5e-4d6f-9f43-1d7f5a0c9e77",
    "kind": "visitor",
    "subject_id": "5b0a4c1e-8f7d-4c3b-9a2e-6d1f0e9c8b7a",
    "before": None,
    "status": "completed",
    "done": ["gateway", "ingest", "chat", "scheduler", "analytics", "webhooks"],
    "waiting": [],
    "counts": {"chats": 2},
    "requested_at": AT,
    "completed_at": AT,
}
OUTWARD: Mapping[str, Mapping[str, Any]] = {
    "BrowserSessionOut": {
        "user": USER,
        "tenant": TENANT,
        "access_token": "eyJhbGciOi…",
        "token_type": "bearer",
        "expires_in": 3600,
    },
    "Ended": {"status": "ended"},
    "AuditEntryOut": AUDIT_ENTRY,
    "ErasureOut": ERASURE,
    "TenantErasureIn": {"confirm": "velo-berlin"},
    "RetentionOut": {"chats_days": 365, "audit_days": 730, "deliveries_days": None},
    "RetentionPatch": {"chats_days": 365},
    "RetentionPreviewOut": {"before": "2025-11-25T09:30:00Z", "chats": 41},
    "WebhookIn": {"url": WEBHOOK["url"], "events": WEBHOOK["events"]},
    "WebhookPatch": {"is_active": True},
    "WebhookOut": WEBHOOK,
    "WebhookWithSecret": {**WEBHOOK, "secret": "whsec_…"},
    "TestOut": {"success": True, "status_code": 204},
    "RotationIn": {"overlap_seconds": 86_400},
    "ReplayIn": {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z"},
    "ReplayOut": {"status": "accepted", "webhook_id": WEBHOOK_ID},
    "DeliveryOut": DELIVERY,
    "DeliveryDetail": {
        **DELIVERY,
        "request": {"method": "POST", "body": '{"source_id": "…"}'},
        "attempts": [
            {
                "attempt": 1,
                "at": AT,
                "url": "https://velo.example/hooks/minirag",
                "status_code": 204,
                "error": None,
                "duration_ms": 87.2,
                "response": "",
            }
        ],
    },
    "EventOut": {
        "id": EVENT_ID,
        "type": "source.ingested",
        "occurred_at": AT,
        "aggregate": "source",
        "aggregate_id": SOURCE_ID,
        "correlation_id": EVENT_ID,
        "cursor": "4711",
        "data": {"source_id": SOURCE_ID, "source_name": "Manual", "chunk_count": 12},
    },
}
