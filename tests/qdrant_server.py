"""Qdrant's REST interface as far as MiniRAG uses it, over the client's own imitation of an engine.

For tests of several replicas of chat, which need one index together: the embedded engine has one
owner.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import orjson
from pydantic import BaseModel
from qdrant_client import QdrantClient, models as m

from tests.loopback import QuietHandler, loopback


class Engine:
    """All collections, in memory; one request at a time."""

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:")
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """The result of a request. Raises `ValueError` for what the engine refuses."""
        # In memory there is nothing that an index of a field would make faster.
        with self._lock, warnings.catch_warnings(action="ignore"):
            return self._answer(method, path.strip("/").split("/"), body)

    def _answer(self, method: str, path: list[str], body: bytes) -> Any:
        client = self._client
        match method, path:
            case "GET", ["collections"]:
                return client.get_collections()
            case "GET", ["collections", name, "exists"]:
                return {"exists": client.collection_exists(name)}
            case "PUT", ["collections", name]:
                made = m.CreateCollection.model_validate_json(body)
                return client.create_collection(
                    name,
                    vectors_config=made.vectors,
                    sparse_vectors_config=made.sparse_vectors,
                )
            case "DELETE", ["collections", name]:
                return client.delete_collection(name)
            case "PUT", ["collections", name, "index"]:
                return _done(client.collection_exists(name))
            case "PUT", ["collections", name, "points"]:
                return client.upsert(name, m.PointsList.model_validate_json(body).points)
            case "POST", ["collections", name, "points", "delete"]:
                return client.delete(name, m.FilterSelector.model_validate_json(body))
            case "POST", ["collections", name, "points", "query"]:
                asked = m.QueryRequest.model_validate_json(body)
                return client.query_points(
                    name,
                    query=asked.query,
                    using=asked.using,
                    query_filter=asked.filter,
                    search_params=asked.params,
                    limit=asked.limit or 10,
                    with_payload=asked.with_payload or False,
                    with_vectors=asked.with_vector or False,
                )
            case "POST", ["collections", name, "points", "count"]:
                counted = m.CountRequest.model_validate_json(body)
                return client.count(name, count_filter=counted.filter, exact=True)
            case _:
                raise ValueError(f"no such route: {method} {'/'.join(path)}")


def _done(well: bool) -> m.UpdateResult:
    if not well:
        raise ValueError("no such collection")
    return m.UpdateResult(operation_id=0, status=m.UpdateStatus.COMPLETED)


@contextmanager
def qdrant_server() -> Iterator[str]:
    """Its address."""
    engine = Engine()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            path = self.path.partition("?")[0]
            if path == "/":
                self._say(HTTPStatus.OK, {"version": version("qdrant-client")})
                return
            try:
                result = engine.answer(self.command, path, body)
            except ValueError as error:
                self._say(HTTPStatus.BAD_REQUEST, {"status": {"error": str(error)}, "time": 0.0})
                return
            self._say(HTTPStatus.OK, {"result": result, "status": "ok", "time": 0.0})

        def _say(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
            said = orjson.dumps(answer, default=_plain)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    with loopback(Handler) as base:
        yield base


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(type(value).__name__)
