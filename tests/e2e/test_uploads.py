"""Files as sources."""

import uuid
from typing import Any

import httpx
import pytest

from tests.documents import docx, pdf
from tests.e2e.test_sources import GUARANTEE, SOURCE, UNKNOWN_BOT, get, ids, refused
from tests.harness import Tenant, eventually

MEGABYTE = 1024 * 1024
QUESTION = "How long is the guarantee on the frame of a bicycle?"
SENTENCE = "Every bicycle carries a guarantee of seven years on its frame."


def upload(tenant: Tenant, name: str, content: bytes, /, **fields: Any) -> httpx.Response:
    return tenant.http.post(
        "/v1/sources/upload", files={"file": (name, content)}, data=fields, timeout=120
    )


class TestUploading:
    def test_the_answer_shows_the_source_before_its_ingestion(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        answer = upload(tenant, "C:\\docs\\Manual.TXT", GUARANTEE.encode(), bot_profile_id=bot)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert set(made) >= SOURCE
        assert (made["name"], made["source_type"], made["status"]) == (
            "Manual.TXT",
            "upload",
            "pending",
        )
        assert made["config"] == {"original_filename": "Manual.TXT", "file_size": len(GUARANTEE)}
        assert (made["document_count"], made["chunk_count"], made["parent_id"]) == (0, 0, None)
        ready = tenant.ready(made["id"])
        assert (ready["document_count"], ready["chunk_count"]) == (1, 1)
        assert "seven years" in tenant.ask(bot, QUESTION)["message"]["content"]

    def test_name_description_and_parent_can_be_given(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        fields = {"bot_profile_id": bot, "name": "A", "description": "B", "parent_id": parent}
        made = upload(tenant, "a.md", b"# Title\n\nSome text.", **fields).json()
        assert (made["name"], made["description"], made["parent_id"]) == ("A", "B", parent)
        assert get(tenant, parent)["children_count"] == 1

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.txt", SENTENCE.encode()),
            ("a.md", b"\xef\xbb\xbf# Guarantee\n\n" + SENTENCE.encode()),
            ("a.HTML", f"<html><body><main><p>{SENTENCE}</p></main></body></html>".encode()),
            ("a.csv", f"part,text\nframe,{SENTENCE}\n".encode()),
            ("a.pdf", pdf([SENTENCE])),
            ("a.docx", docx(["Guarantee", SENTENCE])),
            ("a.docx", docx(["What we promise"], [("Part", "Promise"), ("Frame", SENTENCE)])),
        ],
        ids=["text", "markdown", "html", "csv", "pdf", "docx", "docx with a table"],
    )
    def test_a_file_of_each_kind_answers(self, tenant: Tenant, name: str, content: bytes) -> None:
        bot = tenant.bot()
        made = upload(tenant, name, content, bot_profile_id=bot).json()
        tenant.ready(made["id"])
        assert "seven years" in tenant.ask(bot, QUESTION)["message"]["content"]

    def test_a_table_is_understood_without_its_first_line(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        rows = "".join(f"Model {n};{n * 10} euros;{n} kg\n" for n in range(1, 200))
        content = f"Bicycle;Price;Weight\n{rows}".encode()
        made = upload(tenant, "prices.csv", content, bot_profile_id=bot).json()
        assert tenant.ready(made["id"])["chunk_count"] > 5
        answer = tenant.ask(bot, "What is the price of the bicycle Model 173?")
        assert "Model 173 Price: 1730 euros" in answer["message"]["content"]

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("a.txt", "Fünf Jahre Garantie".encode("latin-1"), "UTF-8"),
            ("a.csv", b"a;b\n\xff\xfe;c", "UTF-8"),
            ("a.md", b"", "No content to ingest"),
            ("a.pdf", b"%PDF-1.4 nothing", "the PDF is damaged"),
            ("a.pdf", pdf(["x"])[:150], "the PDF is damaged"),
            ("a.docx", b"PK\x03\x04 nothing", "the Word document is damaged"),
            ("a.html", b"", "No content to ingest"),
        ],
    )
    def test_a_file_that_cannot_be_read_ends_in_error_and_says_why(
        self, tenant: Tenant, name: str, content: bytes, reason: str
    ) -> None:
        answer = upload(tenant, name, content, bot_profile_id=tenant.bot())
        assert answer.status_code == 201
        assert answer.json()["status"] == "pending"
        message = tenant.ready(answer.json()["id"], "error")["error_message"]
        assert reason in message
        assert "Traceback" not in message

    def test_new_content_takes_the_place_of_the_file(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        source = upload(tenant, "a.pdf", pdf(["Old words."]), bot_profile_id=bot).json()["id"]
        tenant.ready(source)
        tenant.http.patch(f"/v1/sources/{source}", json={"content": SENTENCE})
        tenant.ingest(source)
        timeline = f"/v1/sources/{source}/timeline"
        eventually(lambda: "revision 2 answers" in tenant.http.get(timeline).text)
        assert "seven years" in tenant.ask(bot, QUESTION)["message"]["content"]


class TestRefusing:
    def test_the_faults_are_told_in_the_order_of_the_contract(self, tenant: Tenant) -> None:
        large = b"x" * (10 * MEGABYTE + 1)
        unknown = str(uuid.uuid4())
        bot = tenant.bot()

        def refusal(name: str, content: bytes, **fields: str) -> str:
            fields = {"bot_profile_id": unknown, "parent_id": unknown, **fields}
            status = 404 if fields["bot_profile_id"] == bot else 422
            return str(refused(upload(tenant, name, content, **fields), status)["detail"])

        assert refusal("a.exe", large).startswith(
            "Unsupported file type: .exe. Allowed: .bmp, .csv, "
        )
        assert refusal("a.txt", large) == "File too large. Maximum size is 10 MB."
        assert refusal("a.txt", b"x") == UNKNOWN_BOT
        assert refusal("a.txt", b"\xff", bot_profile_id=bot) == "Source not found"
        assert ids(tenant, include_children="true") == []

    def test_a_parent_of_another_bot_or_a_child_is_refused(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        child = tenant.source(bot, parent_id=parent)

        def refusal(bot_id: str, parent_id: str) -> str:
            fields = {"bot_profile_id": bot_id, "parent_id": parent_id}
            return str(refused(upload(tenant, "a.txt", b"x", **fields), 422)["detail"])

        assert refusal(tenant.bot(), parent) == "Parent source belongs to a different bot profile"
        assert refusal(bot, child) == "Nesting beyond one level is not allowed"

    @pytest.mark.parametrize("name", ["a", "a.", ".txt", "a.exe", "a.tar.gz", "a.txt.exe"])
    def test_other_kinds_of_files_are_refused(self, tenant: Tenant, name: str) -> None:
        problem = refused(upload(tenant, name, b"x", bot_profile_id=tenant.bot()), 422)
        assert "Unsupported file type" in problem["detail"]
        assert problem["field"] == "file"

    def test_what_is_missing_or_too_long_is_named_as_in_a_json_body(self, tenant: Tenant) -> None:
        http, path = tenant.http, "/v1/sources/upload"
        problem = refused(http.post(path, files={"file": ("a.txt", b"x")}), 422)
        assert [one["loc"] for one in problem["detail"]] == [["body", "bot_profile_id"]]
        assert problem["detail"][0]["type"] == "missing"
        for answer in (
            http.post(path, data={"bot_profile_id": "x"}),
            http.post(path, json={"bot_profile_id": "x"}),
            http.post(path, files={"bot_profile_id": (None, "x"), "file": (None, "no file")}),
        ):
            assert "file" in [one["loc"][1] for one in refused(answer, 422)["detail"]]
        bot = tenant.bot()
        for field, value in (("name", "x" * 256), ("description", "x" * 1001), ("name", "a\x00")):
            fields = {"bot_profile_id": bot, field: value}
            assert refused(upload(tenant, "a.txt", b"x", **fields), 422)["field"] == field

    def test_a_form_that_is_none_is_refused(self, tenant: Tenant) -> None:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = tenant.http.post("/v1/sources/upload", content=b"no form", headers=headers)
        assert refused(answer, 422)["type"] in ("urn:minirag:problem:invalid", VALIDATION)
        two = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
        data = {"bot_profile_id": tenant.bot()}
        refused(tenant.http.post("/v1/sources/upload", files=two, data=data), 422)

    def test_another_tenants_bot_is_unknown(self, tenant: Tenant, other_tenant: Tenant) -> None:
        answer = upload(tenant, "a.txt", b"x", bot_profile_id=other_tenant.bot())
        refused(answer, 422, UNKNOWN_BOT)


VALIDATION = "urn:minirag:problem:validation"


class TestSize:
    def test_ten_megabytes_are_taken(self, tenant: Tenant) -> None:
        content = SENTENCE.encode().ljust(10 * MEGABYTE)
        made = upload(tenant, "a.txt", content, bot_profile_id=tenant.bot())
        assert made.status_code == 201, made.text
        assert made.json()["config"]["file_size"] == 10 * MEGABYTE
        assert tenant.ready(made.json()["id"])["chunk_count"] == 1

    def test_far_too_large_a_file_is_refused_with_the_same_words(self, tenant: Tenant) -> None:
        content = b"x" * (30 * MEGABYTE)
        answer = upload(tenant, "a.txt", content, bot_profile_id=tenant.bot())
        refused(answer, 422, "File too large. Maximum size is 10 MB.")
        beyond = upload(tenant, "a.txt", b"x" * (41 * MEGABYTE), bot_profile_id="x")
        assert refused(beyond, 413)["type"] == "urn:minirag:problem:too-large"
