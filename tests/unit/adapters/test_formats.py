"""Documents of every kind become text."""

import pytest

from shared.adapters.formats import DOCX, PDF, read_document
from shared.adapters.structured import read_csv
from tests.documents import docx, pdf
from tests.office import archive, epub, odt, pptx, rtf, xlsx


class TestTables:
    def test_a_record_is_a_paragraph_with_the_names_of_its_columns(self) -> None:
        text = read_csv('Part,Price\nFrame,"1,200"\n\nFork, 90 \n').text
        assert text == "Part: Frame\nPrice: 1,200\n\nPart: Fork\nPrice: 90"

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_any_usual_delimiter_is_found(self, delimiter: str) -> None:
        assert read_csv(f"a{delimiter}b\n1{delimiter}2").text == "a: 1\nb: 2"

    def test_missing_and_surplus_cells_are_kept_apart(self) -> None:
        assert read_csv("a,b\n1\n1,2,3\n,,\n").text == "a: 1\n\na: 1\nb: 2\n3"
        assert read_csv("a,\n1,2").text == "a: 1\n2"

    @pytest.mark.parametrize(
        ("content", "text"),
        [("", ""), (" \n\n", ""), ("only,a,head", "only a head"), ("one\ntwo\n", "one\ntwo")],
    )
    def test_what_is_no_table_is_text(self, content: str, text: str) -> None:
        assert read_csv(content).text == text

    def test_a_cell_may_be_longer_than_the_library_likes(self) -> None:
        assert len(read_csv(f"a,b\n{'x' * 200_000},2").text) > 200_000

    def test_what_the_library_cannot_read_is_text(self) -> None:
        assert "a" in read_csv("a,b\n\x001,2").text


class TestStrictness:
    @pytest.mark.parametrize("media_type", ["text/plain", "text/markdown", "text/csv"])
    def test_an_uploaded_text_is_utf_8_or_refused(self, media_type: str) -> None:
        latin = "Fünf,Jahre".encode("latin-1")
        with pytest.raises(ValueError, match="not UTF-8 text"):
            read_document(latin, media_type, strict=True)
        assert "Fünf" in read_document(latin, f"{media_type}; charset=iso-8859-1").text
        marked = b"\xef\xbb\xbfplain words"
        assert read_document(marked, media_type, strict=True).text.startswith("plain words")

    def test_a_page_names_its_encoding_itself(self) -> None:
        page = '<meta charset="iso-8859-1"><p>Fünf Jahre Garantie</p>'.encode("latin-1")
        assert "Fünf" in read_document(page, "text/html", strict=True).text


class TestOffice:
    def test_the_text_of_a_pdf_is_read(self) -> None:
        text = read_document(pdf(["The first line.", "The second line."]), PDF).text
        assert "The first line." in text
        assert "The second line." in text

    def test_paragraphs_and_tables_of_a_word_document_are_read(self) -> None:
        file = docx(["Prices", "As of today."], [("Part", "Price"), ("Frame", "1200")])
        text = read_document(file, DOCX).text
        assert "As of today." in text
        assert "| Frame | 1200 |" in text

    @pytest.mark.parametrize("media_type", [PDF, DOCX])
    def test_what_is_damaged_is_refused_in_words_for_people(self, media_type: str) -> None:
        with pytest.raises(ValueError, match="is damaged, or protected by a password"):
            read_document(b"nothing", media_type, strict=True)

    def test_other_kinds_cannot_be_read(self) -> None:
        with pytest.raises(ValueError, match="audio/mpeg cannot be read"):
            read_document(b"ID3", "audio/mpeg")


class TestWhatServersSay:
    """Of a fetched document the bytes are believed before the name."""

    @pytest.mark.parametrize(
        "media_type", ["text/plain", "application/octet-stream", "application/msword"]
    )
    @pytest.mark.parametrize(
        ("file", "found"),
        [
            (pdf(["In a PDF."]), "In a PDF."),
            (docx(["In Word."]), "In Word."),
            (xlsx({"Sheet": [["In Excel."]]}), "In Excel."),
            (pptx([("Title", "In PowerPoint.")]), "In PowerPoint."),
            (odt("Title", ["In a text."]), "In a text."),
            (epub("Book", [("One", "In a book.")]), "In a book."),
            (rtf(["In rich text."]), "In rich text."),
        ],
    )
    def test_a_document_is_read_as_what_it_is(
        self, file: bytes, found: str, media_type: str
    ) -> None:
        assert found in read_document(file, media_type).text

    @pytest.mark.parametrize("media_type", ["application/json", "application/xml", "text/xml"])
    def test_broken_data_is_text(self, media_type: str) -> None:
        assert read_document(b"words {<", media_type).text == "words {<"

    def test_a_charset_is_taken_into_account(self) -> None:
        data = "a\tb\nFünf\t1".encode("latin-1")
        found = read_document(data, "text/tab-separated-values; charset=iso-8859-1")
        assert found.text == "a: Fünf\nb: 1"

    def test_an_archive_of_other_things_is_refused(self) -> None:
        with pytest.raises(ValueError, match="application/zip cannot be read"):
            read_document(archive({"a": "b"}), "application/zip")


class TestLimits:
    def test_too_long_a_text_is_refused(self) -> None:
        with pytest.raises(ValueError, match="more than 10 million characters: split it"):
            read_document(b"word " * 2_200_000, "text/plain")

    def test_a_text_as_large_as_an_upload_is_read(self) -> None:
        data = b"a" * (10 * 1024 * 1024)
        assert len(read_document(data, "text/plain").text) == len(data)
