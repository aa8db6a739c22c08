"""Office documents, PDFs, books and mails: their text, with headings, sheets and pages."""

import pytest

from shared.adapters import office
from shared.adapters.kinds import DOCX, EML, EPUB, ODT, PDF, PPTX, RTF, XLSX
from tests.documents import docx, pdf
from tests.office import eml, epub, odt, pptx, rtf, xlsx

PARTS = [("Part", "Price"), ("Frame", "1200"), ("Fork", "90")]


class TestTables:
    def test_a_workbook_is_records_under_the_names_of_its_sheets(self) -> None:
        file = xlsx({"Prices": PARTS, "In stock": [("Part", "Count"), ("Fork", "7")]})
        assert office.read(file, XLSX).text == (
            "## Prices\n\nPart: Frame\nPrice: 1200\n\nPart: Fork\nPrice: 90\n\n"
            "## In stock\n\nPart: Fork\nCount: 7"
        )

    @pytest.mark.parametrize(
        ("file", "kind"), [(docx(["A"], PARTS), DOCX), (odt("A", [], PARTS), ODT)]
    )
    def test_a_short_table_stays_as_it_is(self, file: bytes, kind: str) -> None:
        assert "| Frame | 1200 |" in office.read(file, kind).text

    def test_the_rows_of_a_long_table_stand_beside_the_names_of_its_columns(self) -> None:
        rows = [PARTS[0], *((f"Part {n}", str(n)) for n in range(100))]
        text = office.read(docx(["Before"], rows), DOCX).text
        assert text.startswith("Before\n\nPart: Part 0\nPrice: 0\n\n")
        assert text.endswith("Part: Part 99\nPrice: 99")


class TestPages:
    def test_of_a_pdf_are_found_in_its_text(self) -> None:
        file = pdf(["First page."], [], ["(Third) page,", "its second line."])
        found = office.read(file, PDF)
        assert [(found.text[start:][:7], page) for start, page in found.pages] == [
            ("First p", 1),
            ("(Third)", 3),
        ]

    def test_that_say_the_same_come_one_after_the_other(self) -> None:
        found = office.read(pdf(*[["The same words."]] * 3), PDF)
        assert [page for _, page in found.pages] == [1, 2, 3]
        starts = [start for start, _ in found.pages]
        assert starts == sorted(set(starts))
        assert all(found.text[start:].startswith("The same") for start in starts)

    def test_whose_beginning_is_not_in_the_text_are_found_by_what_follows(self) -> None:
        running_head = "Manual of the bicycle, a header line of forty letters and more"
        words = "and then what really stands on the page, in a sentence long enough to be found"
        pages = [(1, "The first page."), (2, f"{running_head} {words}")]
        text = f"The first page.\n\n{running_head[10:]} {words}"
        assert [number for _, number in office.places(text, pages)] == [1, 2]

    def test_of_a_presentation_are_its_slides(self) -> None:
        slides = [("Guarantee", "Seven years."), ("Prices", "1200 euros.")]
        found = office.read(pptx(slides), PPTX)
        assert found.text == "## Guarantee\n\nSeven years.\n\n## Prices\n\n1200 euros."
        assert [page for _, page in found.pages] == [1, 2]
        assert found.text[found.pages[1][0] :].startswith("Prices")

    def test_too_many_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(office, "PAGES", 2)
        assert office.read(pdf(["a"], ["b"]), PDF).pages
        with pytest.raises(ValueError, match="more than 2 pages: split it"):
            office.read(pdf(["a"], ["b"], ["c"]), PDF)

    def test_without_text_are_pictures(self) -> None:
        found = office.read(pdf([], []), PDF)
        assert (found.text, found.pictures) == ("", 2)


class TestTitlesAndHeadings:
    @pytest.mark.parametrize(
        ("file", "kind", "title", "text"),
        [
            (epub("A book", [("One", "Text.")]), EPUB, "A book", "# One\n\nText."),
            (odt("A heading", ["Text."]), ODT, "A heading", "# A heading\n\nText."),
            (rtf(["Text."]), RTF, None, "Text."),
        ],
    )
    def test_are_read(self, file: bytes, kind: str, title: str | None, text: str) -> None:
        found = office.read(file, kind)
        assert (found.title, found.text) == (title, text)

    def test_of_a_mail_is_its_subject(self) -> None:
        found = office.read(eml("Guarantee", "Seven years.", attached=b"Notes."), EML)
        assert found.title == "Guarantee"
        assert "a@example.com" in found.text
        assert "Seven years." in found.text
