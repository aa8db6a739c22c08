"""Composition root of scheduler. Read this first: it lists every way in."""

from contextlib import AsyncExitStack

from services.scheduler.settings import Settings
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]


async def build(_settings: Settings, platform: Platform, _stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    return Service(platform)
