"""The functions of docs/webhooks.md verify what is signed, each run where its language is."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.webhooks.domain import signing
from shared.kernel.clock import utc_now

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = '{"source_name":"Größe 😀"}'

PYTHON = """
import json, sys
from snippet import verify
given = json.load(sys.stdin)
print(verify(given["secret"], given["headers"], given["body"].encode()))
"""
JAVASCRIPT = """
import { verify } from "./snippet.mjs";
import { readFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
console.log(verify(given.secret, given.headers, Buffer.from(given.body)));
"""
GO = """
package main

import (
    "encoding/json"
    "fmt"
    "os"
)

func main() {
    var given struct {
        Secret  string
        Headers map[string]string
        Body    string
    }
    if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
        panic(err)
    }
    fmt.Println(verify(given.Secret, given.Headers, []byte(given.Body)))
}
"""
PHP = """<?php
require 'snippet.php';
$given = json_decode(file_get_contents('php://stdin'), true);
echo verify($given['secret'], $given['headers'], $given['body']) ? 'true' : 'false';
"""
LANGUAGES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "python": (sys.executable, "snippet.py", PYTHON, ("main.py",)),
    "javascript": ("node", "snippet.mjs", JAVASCRIPT, ("main.mjs",)),
    "go": ("go", "snippet.go", GO, ("run", "main.go", "snippet.go")),
    "php": ("php", "snippet.php", PHP, ("main.php",)),
}
"""Program, file of the snippet, what calls it, and the arguments that run both."""


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


@pytest.fixture(params=LANGUAGES)
def verify(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[str, dict[str, str], str], bool]:
    """The function of one language, in a process of its own."""
    program, file, harness, arguments = LANGUAGES[request.param]
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this machine")
    (tmp_path / file).write_text(snippet(request.param))
    (tmp_path / next(one for one in arguments if one.startswith("main."))).write_text(harness)

    def run(secret: str, headers: dict[str, str], body: str) -> bool:
        done = subprocess.run(
            [found, *arguments],
            cwd=tmp_path,
            input=json.dumps({"secret": secret, "headers": headers, "body": body}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=250,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {"true": True, "false": False}[done.stdout.strip().lower()]

    return run


def signed(*secrets: str, minutes: float = 0) -> dict[str, str]:
    at = utc_now() + timedelta(minutes=minutes)
    made = signing.headers(secrets, "source.created", "msg-1", at, BODY.encode())
    return {name.lower(): value for name, value in made.items()}


def test_it_verifies_what_is_signed_and_nothing_else(
    verify: Callable[[str, dict[str, str], str], bool],
) -> None:
    assert verify(SECRET, signed(SECRET), BODY)
    assert verify(OTHER, signed(SECRET, OTHER), BODY)
    assert not verify(OTHER, signed(SECRET), BODY)
    assert not verify(SECRET, signed(SECRET), BODY + " ")
    assert not verify(SECRET, signed(SECRET, minutes=-6), BODY)
    assert not verify(SECRET, signed(SECRET, minutes=6), BODY)
    assert not verify(SECRET, {**signed(SECRET), "webhook-id": "msg-2"}, BODY)
    assert not verify(SECRET, {}, BODY)
