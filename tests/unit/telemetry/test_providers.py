"""Models that tenants name freely come down to a few words."""

import pytest

from shared.telemetry.providers import provider_of


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "openai"),
        ("openai/gpt-4o", "openai"),
        ("text-embedding-3-small", "openai"),
        ("claude-opus-4-6", "anthropic"),
        ("anthropic/claude-opus-4-6", "anthropic"),
        ("gemini/gemini-2.0-flash", "gemini"),
        ("local/extractive", "local"),
        ("my-own-model", "other"),
        ("acme/very-secret-project", "other"),
        ("local", "other"),
        ("", "other"),
    ],
)
def test_a_model_s_provider(model: str, provider: str) -> None:
    assert provider_of(model) == provider
