"""Whose model it is, in one of a few words: tenants name models freely, labels must not."""

PROVIDERS = (
    "anthropic",
    "cohere",
    "deepseek",
    "gemini",
    "groq",
    "local",
    "mistral",
    "openai",
    "openrouter",
)
BARE = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude", "anthropic"),
)
"""Names that do not begin with their provider's."""
OTHER = "other"


def provider_of(model: str) -> str:
    first, slash, _ = model.partition("/")
    if slash and first in PROVIDERS:
        return first
    return next((provider for prefix, provider in BARE if model.startswith(prefix)), OTHER)
