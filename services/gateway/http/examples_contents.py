"""What the contents of sources and whole websites look like, for the interface's description."""

from collections.abc import Mapping
from typing import Any

SOURCE_ID = "4c9eaf41-8d31-4ebf-9c4e-30ce5f6d7b05"
URL = "https://velo.example/manual"
AT = "2026-11-25T09:30:00Z"

CONTENTS: Mapping[str, Mapping[str, Any]] = {
    "RevisionOut": {
        "revision": 2,
        "prepared_at": AT,
        "ingested_at": AT,
        "answers": True,
        "restored_from": None,
        "title": "Manual",
        "url": URL,
        "language": "en",
        "characters": 5200,
        "chunk_count": 12,
        "embedded_count": 2,
        "embedding_model": "local/wordllama-256",
    },
    "Difference": {
        "source_id": SOURCE_ID,
        "before": 1,
        "after": 2,
        "added": 1,
        "removed": 1,
        "lines": ["-A guarantee of five years.", "+A guarantee of seven years."],
        "shortened": False,
    },
    "DocumentOut": {
        "id": "a2f450a7-e397-4415-92a4-9624b5d3d10b",
        "source_id": SOURCE_ID,
        "revision": 2,
        "title": "Manual",
        "url": URL,
        "media_type": "text/html",
        "size": 18_400,
        "pages": 0,
        "language": "en",
        "characters": 5200,
        "chunk_count": 12,
        "ingested_at": AT,
    },
    "ChunkOut": {
        "id": "91e34f96-d286-4304-8193-8513a4c2c00a",
        "ordinal": 3,
        "text": "Every bicycle carries a guarantee of seven years on its frame.",
        "start": 412,
        "end": 474,
        "heading": "Manual > Guarantee",
        "page": None,
        "language": "en",
    },
    "PreviewIn": {"config": {"root_url": "https://velo.example", "max_pages": 50}},
    "PreviewOut": {
        "pages": [{"url": URL, "depth": 1, "via": "link", "included": True, "reason": None}],
        "included": 1,
        "delay_seconds": 1,
        "sitemaps": ["https://velo.example/sitemap.xml"],
        "notes": [],
    },
    "CrawlOut": {
        "source_id": SOURCE_ID,
        "phase": "running",
        "reason": None,
        "counts": {"found": 20, "visited": 8, "imported": 7, "failed": 1},
        "begun_at": AT,
        "updated_at": AT,
    },
    "PageOut": {
        "url": URL,
        "outcome": "imported",
        "reason": None,
        "depth": 1,
        "via": "link",
        "source_id": "5daf0b52-9e42-4fc0-8d5f-41df607e8c06",
        "visited_at": AT,
    },
}
