"""Nothing in the repository may tell where it was made: no package index, no folder of anyone's machine."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import ROOT, text_files

#: written in pieces, or this file would find itself
_HOMES = "|".join(("wo" + "rk", "ro" + "ot", "fa" + "rm", "ho" + "me/" + r"[\w.-]+", "Us" + "ers/" + r"[\w.-]+"))
OF_THE_PLACE = re.compile(
    r"--(?:extra-)?index-" + "url"
    r"|--find-" + "links"
    r"|(?:PIP|UV)(?:_EXTRA)?(?:_DEFAULT)?_INDEX"
    r'|"resolved":\s*"' + "http"
    r"|https?://[^/\s]+/" + "simple(?:/|\\b)"
    r"|(?<![\w.~$}-])/(?:" + _HOMES + r")/[\w.-]+"
)


def test_no_file_names_a_package_index_or_a_folder_of_this_machine():
    found = {
        str(path): match.group(0)
        for path in text_files()
        if (match := OF_THE_PLACE.search((ROOT / path).read_text(encoding="utf-8")))
    }

    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "pip install --index" + "-url x",
        "https://packages.example/" + "simple/",
        "open('/ro" + "ot/project')",
        "see /ho" + "me/anna/project",
    ],
)
def test_an_address_or_a_home_folder_would_be_found(line):
    assert OF_THE_PLACE.search(line)


@pytest.mark.parametrize("line", ["https://example.com/work/plan", "./data/work/x", "--no-emit-index-" + "url"])
def test_an_ordinary_address_or_path_is_left_alone(line):
    assert not OF_THE_PLACE.search(line)
