"""From bytes of any encoding and pages of any making to text."""

import codecs
import gzip

import pytest

from shared.adapters.text import HTML_LIMIT, Document, decode, read_document, read_html

GERMAN = "Größe der Räder: fünf Zoll, Preis 10 €"
RUSSIAN = "Гарантия на раму велосипеда составляет семь лет, и это очень долго."
PAGE = """<!DOCTYPE html><html lang="en"><head><title> The
 Guide </title><style>p {color: red}</style></head><body>
<header><nav><a href="/">Home</a> <a href="/shop">Shop</a></nav></header>
<main><h1>Bicycles</h1><p>Every bicycle carries a guarantee of seven years on its frame.</p>
<h2>Prices</h2><table><tr><th>Item</th><th>Price</th></tr>
<tr><td>Bell</td><td>10&nbsp;Euro</td></tr></table>
<ul><li>It is red.</li><li>It is fast.</li></ul>
<pre><code>pip install bicycle</code></pre></main>
<aside>Buy now!</aside><footer>Imprint and cookies</footer>
<script>alert("x")</script></body></html>"""


class TestEncodings:
    @pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "cp1252", "iso8859-15"])
    def test_a_declared_charset_is_believed(self, codec: str) -> None:
        assert decode(GERMAN.encode(codec), f"charset={codec}") == GERMAN

    @pytest.mark.parametrize(
        "parameters", ['charset="cp1252"', " Charset=CP1252", "x=y; charset='cp1252'"]
    )
    def test_however_it_is_written(self, parameters: str) -> None:
        assert decode(GERMAN.encode("cp1252"), parameters) == GERMAN

    @pytest.mark.parametrize("name", ["iso-8859-1", "latin1", "us-ascii"])
    def test_old_names_mean_what_browsers_take_them_for(self, name: str) -> None:
        assert decode("10 € “frei”".encode("cp1252"), f"charset={name}") == "10 € “frei”"

    @pytest.mark.parametrize(
        ("mark", "codec"),
        [
            (codecs.BOM_UTF8, "utf-8"),
            (codecs.BOM_UTF16_LE, "utf-16-le"),
            (codecs.BOM_UTF16_BE, "utf-16-be"),
        ],
    )
    def test_a_byte_order_mark_goes_before_all_else(self, mark: bytes, codec: str) -> None:
        assert decode(mark + GERMAN.encode(codec), "charset=cp1252") == GERMAN

    def test_without_a_declaration_it_is_utf_8(self) -> None:
        assert decode(GERMAN.encode()) == GERMAN

    def test_a_wrong_declaration_does_not_spoil_utf_8(self) -> None:
        assert decode(GERMAN.encode(), "charset=ascii") != ""
        assert decode("東京".encode(), "charset=shift_jisx") == "東京"

    def test_an_undeclared_old_encoding_is_guessed(self) -> None:
        text = f"{RUSSIAN}\n" * 5
        assert decode(text.encode("cp1251")) == text

    @pytest.mark.parametrize(
        "name", ["zlib", "hex", "base64", "rot13", "undefined", "idna", "no-such", "../x", ""]
    )
    def test_a_charset_that_is_none_is_passed_over(self, name: str) -> None:
        assert decode(GERMAN.encode(), f"charset={name}") == GERMAN

    @pytest.mark.parametrize(
        "data", [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", b"\x7fELF\x00\xff"]
    )
    def test_bytes_that_are_no_text_are_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="not text"):
            decode(data)

    def test_a_cut_character_at_the_end_is_left_out(self) -> None:
        data = "東京".encode()
        assert decode(data[:-1], whole=False) == "東"
        assert decode(data[:-2], whole=False) == "東"
        assert decode(data, whole=False) == "東京"


class TestKindsOfContent:
    @pytest.mark.parametrize(
        "media_type",
        ["text/plain", "text/markdown; charset=utf-8", "TEXT/X-anything", "application/json"],
    )
    def test_text_is_normalised_and_its_first_heading_is_the_title(self, media_type: str) -> None:
        found = read_document(b"Intro\r\n\r\n# The\xc2\xa0Guide #\r\nText", media_type)
        assert found == Document("Intro\n\n# The Guide #\nText", "The Guide")

    def test_text_without_a_heading_has_no_title(self) -> None:
        assert read_document(b"Just text", "text/plain").title is None

    @pytest.mark.parametrize(
        "media_type", ["text/html", "text/HTML;charset=utf-8", "application/xhtml+xml"]
    )
    def test_pages_are_read_as_pages(self, media_type: str) -> None:
        assert read_document(PAGE.encode(), media_type).title == "The Guide"

    @pytest.mark.parametrize("media_type", ["image/png", "application/pdf", "video/mp4", "", ";"])
    def test_what_cannot_be_read_is_refused_in_words(self, media_type: str) -> None:
        with pytest.raises(ValueError, match="cannot be read yet"):
            read_document(b"anything", media_type)


class TestPages:
    @pytest.fixture
    def page(self) -> Document:
        return read_html(PAGE.encode())

    def test_have_a_title_in_one_line(self, page: Document) -> None:
        assert page.title == "The Guide"

    def test_keep_headings_lists_and_code(self, page: Document) -> None:
        assert "# Bicycles\n" in page.text
        assert "## Prices\n" in page.text
        assert "- It is red.\n- It is fast." in page.text
        assert "pip install bicycle" in page.text

    def test_keep_tables(self, page: Document) -> None:
        assert "| Item | Price |\n" in page.text
        assert "| Bell | 10 Euro |" in page.text

    @pytest.mark.parametrize("word", ["Home", "Shop", "Imprint", "cookies", "Buy", "alert", "red}"])
    def test_lose_what_is_not_their_content(self, page: Document, word: str) -> None:
        assert word not in page.text

    @pytest.mark.parametrize(
        "html",
        [
            "<p>Größe und Preis</p>",
            "Größe und Preis",
            "<!-- " + "x" * 100 + " --><html><body><p>Größe und Preis</p></body></html>",
            "<?xml version='1.0' encoding='utf-8'?><html><p>Größe und Preis</p></html>",
            "<html><body><div>Größe</div><nav>Home</nav><div>und Preis</div></body></html>",
        ],
    )
    def test_may_be_mere_fragments(self, html: str) -> None:
        assert read_html(html.encode()).text.split() == ["Größe", "und", "Preis"]

    def test_of_blocks_only_do_not_fuse_their_words(self) -> None:
        html = "<dl><dt>Bell</dt><dd>Loud</dd></dl><div>Frame</div><div>Red</div>"
        assert read_html(html.encode()).text.split() == ["Bell", "Loud", "Frame", "Red"]

    def test_without_content_are_empty(self) -> None:
        for html in (
            b"<html></html>",
            b"<html><body><nav>Home</nav></body></html>",
            b"<title>T</title>",
        ):
            assert read_html(html).text == ""

    @pytest.mark.parametrize("data", [b"", b"  \n ", b"<!-- only a comment -->"])
    def test_that_are_none_are_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="empty or not HTML"):
            read_html(data)

    @pytest.mark.parametrize(
        ("html", "parameters"),
        [
            ("<html><body><p>{}</p></body></html>", "charset=windows-1251"),
            ("<html><head><meta charset='windows-1251'></head><body><p>{}</p></body></html>", ""),
            ("<META content='text/html; charset=windows-1251'><body><p>{}</p></body>", ""),
        ],
    )
    def test_are_read_in_the_encoding_that_they_name(self, html: str, parameters: str) -> None:
        data = html.format(RUSSIAN).encode("cp1251")
        assert read_html(data, parameters).text == RUSSIAN

    def test_in_ascii_letters_cannot_be_in_two_bytes_a_letter(self) -> None:
        html = f"<html><head><meta charset=utf-16></head><body><p>{GERMAN}</p></body></html>"
        assert read_html(html.encode()).text == GERMAN

    def test_that_are_packed_in_secret_are_not_unpacked(self) -> None:
        packed = gzip.compress(f"<p>{'secret ' * 1000}</p>".encode())
        try:
            found = read_html(packed).text
        except ValueError:
            return
        assert "secret" not in found

    def test_built_to_hurt_are_read_to_their_limit_only(self) -> None:
        start = "<html><body><p>Größe.</p><!--".encode()
        page = start + "ß".encode() * HTML_LIMIT + b"--><p>Never seen</p></body></html>"
        found = read_html(page).text
        assert "Never seen" not in found
        assert "Ã" not in found

    @pytest.mark.parametrize("depth", [1000, 50_000])
    def test_nested_without_end_do_not_break_the_reader(self, depth: int) -> None:
        try:
            read_html(b"<html><body>" + b"<div>" * depth + b"deep")
        except ValueError:
            return
