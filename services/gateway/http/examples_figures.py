"""What statistics and budgets look like, for the interface's description."""

from collections.abc import Mapping
from typing import Any

BOT_ID = "3b8d9e30-7c20-4dae-8b3d-2fbd4e5c6a04"
AT = "2026-11-25T09:30:00Z"

USED = {
    "prompt_tokens": 10_800,
    "completion_tokens": 960,
    "total_tokens": 11_760,
    "request_count": 60,
}
PRICE = {"prompt_cost_per_1m": 0.15, "completion_cost_per_1m": 0.6}
BY_MODEL = {
    **USED,
    **PRICE,
    "model": "gpt-4o-mini",
    "cost_usd": 0.002196,
    "price_known": True,
}
BY_BOT = {
    **USED,
    "bot_profile_id": BOT_ID,
    "bot_name": "Shop",
    "model": "gpt-4o-mini",
    "cost_usd": 0.002196,
}
JUDGED = {"positive_count": 9, "negative_count": 1, "total_messages": 60}
BUDGET = {
    "name": "Whole tenant",
    "bot_profile_id": None,
    "period": "month",
    "unit": "usd",
    "limit": 50,
    "thresholds": [80, 100],
    "hard_stop": False,
}
FIGURES: Mapping[str, Mapping[str, Any]] = {
    "OverviewOut": {
        "bot_profiles": 1,
        "sources": 3,
        "chats": 41,
        "total_prompt_tokens": 10_800,
        "total_completion_tokens": 960,
        "total_tokens": 11_760,
    },
    "DayUsageOut": {**USED, "date": "2026-11-25", "model": "gpt-4o-mini"},
    "BotUsageOut": BY_BOT,
    "ModelUsageOut": BY_MODEL,
    "CostsOut": {
        "total_cost_usd": 0.002196,
        "daily_avg_cost_usd": 0.000732,
        "projected_monthly_usd": 0.02,
        "active_days": 3,
        "by_model": [BY_MODEL],
        "by_bot": [BY_BOT],
    },
    "PricingOut": {
        "models": {"gpt-4o-mini": PRICE},
        "default": {"prompt_cost_per_1m": 1, "completion_cost_per_1m": 3},
    },
    "FeedbackOut": {
        **JUDGED,
        "total_with_feedback": 10,
        "feedback_rate": 16.67,
        "by_bot": [
            {**JUDGED, "bot_profile_id": BOT_ID, "bot_name": "Shop", "feedback_rate": 16.67}
        ],
    },
    "DayFeedbackOut": {**JUDGED, "date": "2026-11-25"},
    "Percentiles": {"count": 60, "p50_ms": 820, "p90_ms": 1900, "p99_ms": 3400},
    "WorstSourceOut": {
        "source_id": "4c9eaf41-8d31-4ebf-9c4e-30ce5f6d7b05",
        "source_name": "Manual",
        "cited_count": 40,
        "positive_count": 3,
        "negative_count": 7,
    },
    "UnansweredOut": {
        "turn_id": "80d23e85-c175-42f3-9082-740293b1bf09",
        "chat_id": "6eb01c63-af53-40d1-9e60-52e0718f9d07",
        "message_id": "7fc12d74-b064-41e2-8f71-63f182a0ae08",
        "bot_profile_id": BOT_ID,
        "question": "Do you rent out tandems?",
        "reason": "below_floor",
        "best_score": 0.12,
        "asked_at": AT,
    },
    "BudgetIn": BUDGET,
    "BudgetPatch": {"limit": 80},
    "BudgetOut": {
        **BUDGET,
        "id": "196bc11e-5a0e-4b8c-8f1b-0d9b2c3a4e12",
        "tenant_id": "0c5a2ef3-3c2f-4a4e-9d7c-0d5a1d7b6f01",
        "used": 12.5,
        "created_at": AT,
        "updated_at": AT,
    },
}
