"""The page about the architecture is true: its links lead somewhere, and its names stand in the files beside them."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
TEXT = PAGE.read_text("utf-8")
LINK = re.compile(r"\[[^\]]+\]\(([^)]+)\)")


def test_every_link_leads_to_a_file():
    links = LINK.findall(TEXT)
    assert len(links) > 20
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_every_name_stands_in_a_file_of_its_line():
    entries = re.split(r"\n(?=\d+\. |- |\| )", TEXT)
    for entry in entries:
        files = [PAGE.parent / link for link in LINK.findall(entry) if link.endswith(".py")]
        code = "\n".join(file.read_text("utf-8") for file in files)
        for name in re.findall(r"`([A-Za-z_]+)`", LINK.sub("", entry)) if files else ():
            assert re.search(rf"\b{name}\b", code), (name, entry)


def test_the_way_of_a_call_has_ten_stations_at_most():
    assert len(re.findall(r"^\d+\. ", TEXT, re.MULTILINE)) <= 10
