"""What runs in the owner process of the embedded vector engine: the only code that touches it.

The engine holds the interpreter's lock in every call, and a second process that opens a shard
damages the first; so one process owns the shards, behind a lock of our own that is taken before
any is opened. Arguments and results are plain values: this module is imported without the rest.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as q

PR_SET_PDEATHSIG = 1
LOCK_SECONDS = 15.0
PREFETCH = 40
OPTIMIZE_AFTER = 20_000
"""Changes after which garbage is merged away at the next flush, in a small index."""
OPTIMIZE_SHARE = 4
"""In a large one, changes by a part of its points: what is merged grows as slowly as the index."""
FIELDS = ("tenant_id", "bot_profile_id", "source_id", "language", "generation")

Row = tuple[str, float | None, Any, dict[str, Any]]
"""Id, lexical score if the lexical ranking has it, dense vector, payload."""
Conditions = Mapping[str, str | list[str]]
"""Payload fields that must have this value, or one of these."""

_owner: "Owner | None" = None


class Owner:
    """Open shards below one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = (folder / "owner.lock").open("w")
        _acquire(self._lock.fileno(), folder)
        self._shards: dict[str, Any] = {}
        self._changes: dict[str, int] = {}

    def open(self, name: str, dimension: int) -> None:
        if name in self._shards:
            return
        path = self._folder / name
        config = q.EdgeConfig(
            vectors={"dense": q.EdgeVectorParams(size=dimension, distance=q.Distance.Cosine)},
            sparse_vectors={"terms": q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)},
            # No graphs: to build one holds up every search for minutes (ADR 0102).
            hnsw_config=q.HnswIndexConfig(
                m=0, ef_construct=100, full_scan_threshold=0, payload_m=0
            ),
        )
        if (path / "edge_config.json").exists():
            self._shards[name] = q.EdgeShard.load(str(path), config)
            return
        shutil.rmtree(path, ignore_errors=True)  # a creation that was cut short
        path.mkdir()
        shard = q.EdgeShard.create(str(path), config)
        for field in FIELDS:
            keyword = q.KeywordIndexParams(is_tenant=field == "tenant_id")
            shard.update(q.UpdateOperation.create_field_index(field, keyword))
        shard.flush()
        self._shards[name] = shard

    def names(self) -> list[str]:
        return [path.parent.name for path in self._folder.glob("*/edge_config.json")]

    def drop(self, name: str) -> None:
        shard = self._shards.pop(name, None)
        if shard is not None:
            shard.close()
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def upsert(self, name: str, points: Sequence[tuple[str, bytes, bytes, bytes, Any]]) -> None:
        """Numbers come as bytes: little-endian float32, and uint32 for the indices of terms."""
        made = [
            q.Point(
                id=point_id,
                vector={
                    "dense": np.frombuffer(dense, "<f4").tolist(),
                    "terms": q.SparseVector(
                        indices=np.frombuffer(indices, "<u4").tolist(),
                        values=np.frombuffer(values, "<f4").tolist(),
                    ),
                },
                payload=payload,
            )
            for point_id, dense, indices, values, payload in points
        ]
        self._shards[name].update(q.UpdateOperation.upsert_points(made))
        self._changes[name] = self._changes.get(name, 0) + len(points)

    def delete(self, name: str, conditions: Conditions, below: int | None) -> None:
        wanted = _filter(conditions, below)
        self._shards[name].update(q.UpdateOperation.delete_points_by_filter(wanted))
        self._changes[name] = self._changes.get(name, 0) + 1

    def flush(self, name: str) -> None:
        shard = self._shards[name]
        shard.flush()
        changes = self._changes.get(name, 0)
        if changes < OPTIMIZE_AFTER:
            return  # without a look at the shard, which is not free
        if changes >= shard.info().points_count / OPTIMIZE_SHARE:
            shard.optimize()
            self._changes[name] = 0

    def search(
        self,
        name: str,
        conditions: Conditions,
        dense: list[float],
        sparse: tuple[list[int], list[float]],
    ) -> list[Row]:
        """Nearest by either vector: id, lexical score if it has one, dense vector, payload."""
        wanted = _filter(conditions, None)
        found: dict[str, Row] = {}
        if sparse[0]:
            terms = q.SparseVector(indices=sparse[0], values=sparse[1])
            corpus = _filter({"tenant_id": conditions["tenant_id"]}, None)
            for point in self._nearest(name, terms, "terms", wanted, q.IdfParams(corpus=corpus)):
                found[str(point.id)] = _row(point, point.score)
        for point in self._nearest(name, dense, "dense", wanted, None):
            found.setdefault(str(point.id), _row(point, None))
        return list(found.values())

    def _nearest(self, name: str, vector: Any, using: str, wanted: Any, idf: Any) -> Any:
        request = q.QueryRequest(
            limit=PREFETCH,
            query=q.Query.Nearest(vector, using=using),
            filter=wanted,
            params=None if idf is None else q.SearchParams(idf=idf),
            with_payload=True,
            with_vector=["dense"],
        )
        return self._shards[name].query(request)

    def count(self, name: str, conditions: Conditions) -> int:
        request = q.CountRequest(filter=_filter(conditions, None), exact=True)
        return int(self._shards[name].count(request))

    def close(self) -> None:
        for shard in self._shards.values():
            shard.flush()
            shard.close()
        self._shards.clear()
        self._lock.close()


def start(folder: str, parent: int) -> None:
    """In the new process: leave Ctrl-C to the parent, die with it, own the folder."""
    global _owner  # noqa: PLW0603  one owner per process is the point of the process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    _owner = Owner(Path(folder))


def call(method: str, *args: Any) -> Any:
    """Call a method of the owner, in its process."""
    return getattr(_owner, method)(*args)


def pid() -> int:
    """Process id of the owner, for tests that kill it."""
    return os.getpid()


def _row(point: Any, score: float | None) -> Row:
    return str(point.id), score, np.asarray(point.vector["dense"], "<f4"), point.payload or {}


def _acquire(handle: int, folder: Path) -> None:
    """An owner that was just killed may need a moment to let go."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"another process owns the vector index in {folder}") from None
            time.sleep(0.05)
        else:
            return


def _filter(conditions: Conditions, below: int | None) -> Any:
    if not conditions.get("tenant_id"):
        raise ValueError("an index is never asked without a tenant")
    must: list[Any] = [
        q.FieldCondition(
            key=key, match=q.MatchAny(value) if isinstance(value, list) else q.MatchValue(value)
        )
        for key, value in conditions.items()
    ]
    if below is not None:
        must.append(q.FieldCondition(key="revision", range=q.RangeFloat(lt=float(below))))
    return q.Filter(must=must)
