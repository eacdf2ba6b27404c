"""A slice of ``make fuzz`` for every run of the tests: the seeds, and what Hypothesis makes of them."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.archive import open_archive
from domain.artifact_types import FOLDERS
from domain.errors import Refusal, refuse_if
from tests.bundles import good
from tests.bundles.writing import Member, followed, zipped
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.makers import limits

SEEDS = seeds()
#: of the many bundles, which all are tests of their own elsewhere, enough to begin with
FIRST = {target: sorted(rows, key=lambda raw: hashlib.sha256(raw).digest())[:40] for target, rows in SEEDS.items()}
GOOD = [replace(member, method=8) for member in good.GOOD]
INSIDE = {member.name.decode(): member.content for member in GOOD}

NUMBERS = {"need": 16, "flags": 16, "method": 16, "time": 16, "date": 16, "crc": 32, "compressed": 32, "size": 32}
CENTRAL = NUMBERS | {"made": 16, "disk": 16, "text": 16, "attributes": 32, "offset": 32}
END = {"disk": 16, "directory_disk": 16, "here": 16, "count": 16, "size": 32, "offset": 32}
#: what tells nobody anything about the reading of an entry, so it may be anything
_SILENT = {"time", "date", "made", "text"}


def damaged(raw: bytes, kind: str, places: tuple[int, int], splice: bytes) -> bytes:
    first, last = sorted(place % (len(raw) + 1) for place in places)
    match kind:
        case "flip":
            return raw[:first] + bytes(byte ^ 0x20 for byte in raw[first : first + 1]) + raw[first + 1 :]
        case "delete":
            return raw[:first] + raw[last:]
        case "splice":
            return raw[:first] + splice + raw[first + len(splice) :]
        case "insert":
            return raw[:first] + splice + raw[first:]
        case _:
            return raw[:last] + raw[first:]


DAMAGE = st.tuples(
    st.sampled_from(["flip", "delete", "splice", "insert", "repeat"]),
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16)),
    st.binary(max_size=6)
    | st.sampled_from([b"\\u0000", b"\\ud800", b"\xef\xbb\xbf", b'"a":1,', b"[[[[", b"\r\n--sep"]),
)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_known_breaks_no_promise(target):
    for raw in SEEDS[target]:
        TARGETS[target](raw)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_as_others_read_them_or_refused(target, data):
    raw = data.draw(st.sampled_from(FIRST[target]))
    for kind, places, splice in data.draw(st.lists(DAMAGE, min_size=1, max_size=4)):
        raw = damaged(raw, kind, places, splice)

    TARGETS[target](raw)


def contents(raw: bytes) -> dict[str, bytes]:
    archive = open_archive(BytesIO(raw), limits().archive, folders=FOLDERS)
    refuse_if(archive.problems)
    return {name: archive.read(entry) for name, entry in archive.entries.items()}


def changed(number: int, bits: int, way: str) -> int:
    """A number as one lies about it: one more or less, nothing, the greatest."""
    return {"more": number + 1, "less": number - 1, "none": 0, "most": -1}[way] % (1 << bits)


WAYS = st.sampled_from(["more", "less", "none", "most"])


@settings(max_examples=150, deadline=None)
@given(
    place=st.integers(0, 3),
    lie=st.sampled_from([(False, *row) for row in NUMBERS.items()] + [(True, *row) for row in CENTRAL.items()]),
    way=WAYS,
    is_streamed=st.booleans(),
    repeated=st.none() | st.integers(0, 3),
)
def test_a_lie_in_one_number_of_a_header_is_refused_or_changes_nothing(place, lie, way, is_streamed, repeated):
    is_central, name, bits = lie
    members = [followed(member) if is_streamed else member for member in GOOD]
    raw = zipped(members)
    told = _told(raw, place, is_central=is_central)[name]
    lying: Member = replace(members[place], **{"central" if is_central else "local": {name: changed(told, bits, way)}})
    members[place] = lying
    members += [] if repeated is None else [members[repeated]]

    try:
        found = contents(zipped(members))
    except Refusal:
        # what says nothing about the reading is let alone
        assert not (name in _SILENT and repeated is None)
        return

    assert (found, repeated) == (INSIDE, None)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(END)), way=WAYS, is_wide=st.booleans())
def test_a_lie_in_the_end_record_is_refused_or_changes_nothing(name, way, is_wide):
    raw = zipped(GOOD)
    size, offset = (int.from_bytes(raw[at : at + 4], "little") for at in (-10, -6))
    true = {"disk": 0, "directory_disk": 0, "here": 4, "count": 4, "size": size, "offset": offset}
    lie = {name: changed(true[name], END[name], way)}

    try:
        found = contents(zipped(GOOD, end64=lie) if is_wide else zipped(GOOD, end=lie))
    except Refusal:
        return

    assert found == INSIDE
    assert lie[name] == true[name]


def _told(raw: bytes, place: int, *, is_central: bool) -> dict[str, int]:
    """What the headers of a right archive say."""
    with zipfile.ZipFile(BytesIO(raw)) as archive:
        row = archive.infolist()[place]
    told = {
        "need": row.extract_version, "flags": row.flag_bits, "method": row.compress_type, "time": 0, "date": 0x21,
        "crc": row.CRC, "compressed": row.compress_size, "size": row.file_size,
        "made": row.create_version | row.create_system << 8, "disk": row.volume, "text": row.internal_attr,
        "attributes": row.external_attr, "offset": row.header_offset,
    }  # fmt: skip
    if row.flag_bits & 8 and not is_central:
        told |= {"crc": 0, "compressed": 0, "size": 0}
    return told
