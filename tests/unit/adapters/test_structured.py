"""JSON and XML as text that reads by itself."""

import orjson
import pytest

from shared.adapters.structured import read_json, read_xml


class TestJson:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"a": {"b": 1, "c": None}, "d": True}, "a.b: 1\na.c: null\nd: true"),
            ({"tags": ["x", "y"], "none": []}, "tags: x, y\nnone:"),
            ([{"a": 1}, {"a": 2}], "a: 1\n\na: 2"),
            ({"parts": [{"name": "Frame", "size": {"w": 1}}]}, "parts\nname: Frame\nsize.w: 1"),
            ([[1, 2], [3]], "1, 2\n\n3"),
            ("only words", "only words"),
            ({}, ""),
        ],
    )
    def test_every_value_stands_beside_its_name(self, value: object, text: str) -> None:
        assert read_json(orjson.dumps(value)).text == text

    def test_its_title_is_taken(self) -> None:
        assert read_json(b'{"title": "Prices", "a": 1}').title == "Prices"
        assert read_json(b'{"title": 7}').title is None

    def test_the_place_of_a_mistake_is_told(self) -> None:
        with pytest.raises(ValueError, match=r"not valid JSON \(line 2, column 6"):
            read_json(b'{"a": 1,\n"b": }')

    def test_nesting_is_refused_before_it_is_too_deep(self) -> None:
        with pytest.raises(ValueError, match=r"nested too deeply|depth limit"):
            read_json(b'{"a":' * 1000 + b"1" + b"}" * 1000)


class TestXml:
    def test_every_text_stands_under_its_name(self) -> None:
        data = b"""<?xml version="1.0"?><!-- c --><c:catalog xmlns:c="urn:c" year="2026">
            <title>Our  parts</title>
            <part id="7"><name>Frame</name><price currency="EUR">1200</price></part>
            <part><name>Fork</name><note>a <b>light</b> one</note></part></c:catalog>"""
        found = read_xml(data)
        assert found.title == "Our parts"
        assert found.text == (
            "catalog\nyear: 2026\ntitle: Our parts\n\n"
            "part\nid: 7\nname: Frame\nprice currency: EUR\nprice: 1200\n\n"
            "part\nname: Fork\na light one"
        )

    def test_its_encoding_is_its_own(self) -> None:
        data = '<?xml version="1.0" encoding="iso-8859-1"?><a>Fünf</a>'.encode("latin-1")
        assert read_xml(data).text == "a: Fünf"

    def test_no_entity_is_resolved(self) -> None:
        data = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>one &x; two</a>'
        assert read_xml(data).text == "a: one two"

    @pytest.mark.parametrize("data", [b"<a><b></a>", b"words", b"<a>" * 1000])
    def test_a_mistake_is_told(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="not well-formed XML"):
            read_xml(data)
