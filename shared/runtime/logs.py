"""JSON log lines in which no secret survives."""

import logging
import re
import sys
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter
from typing_extensions import override

from shared.kernel.correlation import CORRELATION
from shared.telemetry import metrics, spans

REDACTED = "[redacted]"
SECRETS = re.compile(
    r"nrag_[a-z]+_[A-Za-z0-9_]+"  # our own tokens and keys
    r"|\bsk-[A-Za-z0-9_-]{8,}"  # provider keys
    r"|\bwhsec_[A-Za-z0-9+/=_-]+"  # webhook secrets
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]+"
    r"|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"  # credentials in a URL
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"  # JSON web tokens
)
SECRET_NAMES = re.compile(
    r"password|secret|api_key|authorization|credential|vault_key", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with everything that looks like a secret replaced."""
    return SECRETS.sub(REDACTED, text)


class RedactingFormatter(JsonFormatter):
    """One JSON object a line: time, level, logger, message, the request and the record's extras."""

    @override
    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        found = {
            key: REDACTED if SECRET_NAMES.search(key) else _clean(value)
            for key, value in super().process_log_record(log_data).items()
        }
        if (request_id := CORRELATION.get()) is not None:
            found.setdefault("request_id", request_id)
        if (ids := spans.current_ids()) is not None:
            found["trace_id"], found["span_id"] = ids
        return found


class Counting(logging.StreamHandler[TextIO]):
    """Counts what an operator should look at."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            metrics.LOG_LINES.labels(record.levelname).inc()
        super().emit(record)


def configure(level: str) -> None:
    """Send everything that is logged to standard error as JSON lines."""
    handler = Counting(sys.stderr)
    handler.setFormatter(
        RedactingFormatter(
            "{asctime}{levelname}{name}{message}{exc_info}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "nats", "trafilatura", "LiteLLM", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {
            redact(str(key)): REDACTED if SECRET_NAMES.search(str(key)) else _clean(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    # Whatever else there is, an exception above all, is told by its words; these are cleaned too.
    return redact(
        f"{type(value).__name__}: {value}" if isinstance(value, Exception) else str(value)
    )
