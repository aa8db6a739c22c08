"""The OpenAPI description, with what handlers and middleware answer on every route.

A route declares the refusals of its own; what follows from where it stands is added here.
"""

from typing import Any

from fastapi import FastAPI
from typing_extensions import override

from services.gateway.http.examples import EXAMPLES, problem_examples
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotPermitted,
    QuotaExceeded,
    TooLarge,
    Unavailable,
)
from shared.web.problem import MEDIA_TYPE, Problem, responses

REF = "#/components/schemas/{model}"
STILL_RUNNING = {
    "description": "Stored, not handled yet. `Location` tells where to ask what became of it.",
    "headers": {"Location": {"schema": {"type": "string"}}},
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["operation_id", "status"],
                "properties": {
                    "operation_id": {"type": "string"},
                    "status": {"type": "string", "const": "pending"},
                },
            }
        }
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A request with the same key and body within a day gets the first answer again.",
}
GENERATED = ("HTTPValidationError", "ValidationError")
"""FastAPI's own idea of a 422; ours are problems like all others."""


class Described(FastAPI):
    """An application that describes itself completely."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            components = schema["components"]["schemas"]
            for name in GENERATED:
                components.pop(name, None)
            components["Problem"] = Problem.model_json_schema(ref_template=REF)
            for name, example in EXAMPLES.items():
                components.get(name, {})["examples"] = [example]
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _complete(method, operation)
                    _illustrate(path, operation["responses"])
        found: dict[str, Any] = self.openapi_schema or {}
        return found


def _complete(method: str, operation: dict[str, Any]) -> None:
    declared = operation["responses"]
    answers: dict[int | str, dict[str, Any]] = responses(QuotaExceeded)
    if method == "post":
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        answers |= responses(Conflict, InvalidCommand)
    if "ETag" in declared.get("200", {}).get("headers", {}):
        answers[304] = {"description": "The page is the one that `If-None-Match` names."}
    if "422" in declared:
        answers |= responses(InvalidCommand)
    if "requestBody" in operation:
        answers |= responses(TooLarge)
    if operation.get("security"):
        answers |= responses(NotPermitted, Unavailable)
        if method != "get":
            declared.setdefault("202", STILL_RUNNING)
    declared.update({str(status): answer for status, answer in answers.items()})
    operation["responses"] = dict(sorted(declared.items()))


def _illustrate(path: str, answers: dict[str, Any]) -> None:
    """Add examples to problems; routes share what they declare, so nothing is changed in place."""
    for status, answer in answers.items():
        problem = answer.get("content", {}).get(MEDIA_TYPE)
        if problem is not None:
            shown = {**problem, "examples": problem_examples(int(status), path)}
            answers[status] = {**answer, "content": {**answer["content"], MEDIA_TYPE: shown}}
