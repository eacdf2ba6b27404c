"""Which bytes are a bundle's archive: budgets, damage, and what others write. The files: ``test_bundle_files``."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.archive import MIB, Archive, ArchiveLimits, open_archive
from domain.artifact_types import FOLDERS
from domain.errors import ErrorCode, Refusal, refuse_if
from tests.bundles import good, make
from tests.bundles.writing import DESCRIPTOR, Member, deflated_zeros, extra, zipped

LIMITS = ArchiveLimits(bytes_max=50 * MIB, entries_max=164, total_bytes_max=200 * MIB)
GOOD = make.accepted()["plain"]


def opened(raw: bytes, limits: ArchiveLimits = LIMITS) -> Archive:
    return open_archive(io.BytesIO(raw), limits, folders=FOLDERS)


def contents(raw: bytes, limits: ArchiveLimits = LIMITS) -> dict[str, bytes]:
    """Everything in an archive, or the refusal that an import would answer."""
    archive = opened(raw, limits)
    refuse_if(archive.problems)
    return {name: archive.read(entry) for name, entry in archive.entries.items()}


def zipped_by_python(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_all_problems_of_names_are_told_and_where_they_are():
    names = (b"a.exe", b"../b", b"artifacts/c.zip", b"\x1bdoc/" + b"d" * 200)
    raw = zipped([*good.GOOD[1:], *(Member(name) for name in names)])

    problems = opened(raw).problems

    assert [(problem.code, problem.where) for problem in problems] == [
        (ErrorCode.FORBIDDEN_CONTENT, "a.exe"),
        (ErrorCode.PATH_TRAVERSAL_DETECTED, "../b"),
        (ErrorCode.NESTED_ARCHIVE_DETECTED, "artifacts/c.zip"),
        (ErrorCode.FORBIDDEN_CONTENT, "\\u001bdoc/" + "d" * 109 + "…"),
        (ErrorCode.MANIFEST_MISSING, "manifest.json"),
    ]


def test_an_archive_without_entries_lacks_both_root_files():
    problems = opened(zipped([])).problems

    assert [problem.code for problem in problems] == [ErrorCode.MANIFEST_MISSING, ErrorCode.README_MISSING]


def test_only_the_folders_that_the_caller_names_hold_artifacts():
    archive = open_archive(io.BytesIO(GOOD), LIMITS, folders=frozenset({"rules"}))

    assert [(problem.code, problem.where) for problem in archive.problems] == [
        (ErrorCode.FORBIDDEN_CONTENT, good.FORM_NAME)
    ]
    assert good.FORM_NAME not in archive.entries


@pytest.mark.parametrize(
    "names",
    [
        [b"artifacts/forms/a.json\nartifacts/forms/b.json"],
        [b"artifacts/forms/a.json\n:", b"artifacts/forms/a.json"],
    ],
    ids=["two good names", "a good name that stands there too"],
)
def test_a_name_with_a_line_break_is_one_bad_name_whatever_its_lines_are(names):
    problems = opened(zipped([*good.GOOD, *map(Member, names)])).problems

    assert [(problem.code, problem.where) for problem in problems] == [
        (ErrorCode.FORBIDDEN_CONTENT, names[0].decode().replace("\n", "\\u000a"))
    ]


def test_twins_are_found_beyond_ascii_where_folders_have_such_names():
    raw = zipped([*good.GOOD, Member("artifacts/ß/a.json".encode()), Member(b"artifacts/ss/a.json")])

    with pytest.raises(Refusal, match="differs from another only by case or writing"):
        open_archive(io.BytesIO(raw), LIMITS, folders=FOLDERS | {"ß", "ss"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"flags": DESCRIPTOR, "local": good.FORM_MEMBER.header() | {"flags": DESCRIPTOR}}, "descriptor is missing"),
        ({"local": make.WIDE, "central": make.WIDE, "central_extra": make.WIDE_FORM}, "ZIP64 field of an entry"),
    ],
    ids=["its descriptor", "its ZIP64 field"],
)
def test_a_local_header_that_repeats_the_directory_word_for_word_still_lacks_what_belongs_to_it(changes, said):
    with pytest.raises(Refusal, match=said):
        opened(zipped(make.with_form(**changes)))


@pytest.mark.parametrize(
    ("limits", "code", "said"),
    [
        (replace(LIMITS, bytes_max=len(GOOD) - 1), ErrorCode.PAYLOAD_TOO_LARGE, f"at most {len(GOOD) - 1} are"),
        (replace(LIMITS, entries_max=3), ErrorCode.INVALID_ZIP, "4 entries; at most 3 are"),
        (replace(LIMITS, total_bytes_max=1000), ErrorCode.INVALID_ZIP, "at most 1000 are"),
        (replace(LIMITS, entry_bytes_max=len(good.FORM) - 1), ErrorCode.INVALID_ZIP, f"has {len(good.FORM)} bytes"),
        (replace(LIMITS, manifest_bytes_max=100), ErrorCode.INVALID_ZIP, "at most 100 are"),
        (replace(LIMITS, readme_bytes_max=10), ErrorCode.INVALID_ZIP, "at most 10 are"),
        (replace(LIMITS, name_bytes_max=20), ErrorCode.INVALID_ZIP, "1 to 20 are"),
        (replace(LIMITS, segments_max=2), ErrorCode.INVALID_ZIP, "more than 2 segments"),
    ],
)
def test_a_broken_budget_is_refused_and_the_message_names_it(limits, code, said):
    with pytest.raises(Refusal) as caught:
        contents(GOOD, limits)

    assert caught.value.code is code
    assert said in caught.value.message


def test_budgets_that_are_met_exactly_are_met():
    total = len(good.FORM) + len(good.RULES) + len(good.README_TEXT) + len(good.manifest())
    exact = ArchiveLimits(
        bytes_max=len(GOOD),
        entries_max=4,
        total_bytes_max=total,
        entry_bytes_max=max(len(good.FORM), len(good.RULES)),
        manifest_bytes_max=len(good.manifest()),
        readme_bytes_max=len(good.README_TEXT),
        name_bytes_max=len(good.FORM_NAME),
        segments_max=3,
    )

    assert sum(map(len, contents(GOOD, exact).values())) == total


def test_a_flood_of_entries_is_refused_before_the_directory_is_read():
    class Counted(io.BytesIO):
        seen = 0

        def read(self, size: int | None = -1) -> bytes:
            raw = super().read(size)
            self.seen += len(raw)
            return raw

    source = Counted(zipped([Member(b"artifacts/forms/%d.json" % number) for number in range(500)]))

    with pytest.raises(Refusal, match="500 entries"):
        open_archive(source, LIMITS, folders=FOLDERS)

    assert source.seen < 100


def test_a_directory_longer_than_its_entries_may_be_is_refused_before_it_is_read():
    flood = zipped([Member(b"manifest.json", b"{}", central_extra=extra(0xCAFE, bytes(60_000)))])

    with pytest.raises(Refusal, match="The directory of 1 entries is 60063 bytes long"):
        opened(flood)


def test_a_bomb_is_never_inflated_beyond_its_declared_size():
    bomb = deflated_zeros(1 + 258 * 40_000)
    lying = Member(good.FORM_NAME.encode(), bytes(len(bomb)), pressed=bomb)
    raw = zipped([*good.GOOD[:-1], lying])

    tracemalloc.start()
    with pytest.raises(Refusal, match="stated size"):
        contents(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 10 * len(bomb) < 10_000_000


def test_what_python_presses_is_read():
    files = {
        "manifest.json": b"{}",
        "README.md": b"# Read me\n",
        **{f"artifacts/forms/form-{number}.json": bytes(number) for number in (0, 1, 20, 70_000)},
    }

    assert contents(zipped_by_python(files)) == files


def test_what_python_streams_is_read():
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    files = {"manifest.json": b"{}", "README.md": b"# Read me\n", "artifacts/apps/app-1.json": b'{"a": 1}' * 500}
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=name.endswith("1.json")) as entry:
                entry.write(content)

    assert contents(pipe.getvalue()) == files


def damage() -> st.SearchStrategy[tuple[str, int, int, bytes]]:
    places = st.integers(0, len(GOOD) - 1) | st.integers(len(GOOD) - 400, len(GOOD) - 1)
    return st.tuples(st.sampled_from(["flip", "delete", "splice", "repeat"]), places, places, st.binary(max_size=8))


def damaged(raw: bytes, kind: str, place: int, other: int, splice: bytes) -> bytes:
    match kind:
        case "flip":
            return raw[:place] + bytes([raw[place] ^ (1 << other % 8)]) + raw[place + 1 :]
        case "delete":
            return raw[:place] + raw[place + 1 + other % 40 :]
        case "splice":
            return raw[:place] + splice + raw[place + len(splice) :]
        case _:
            return raw[:place] + raw[min(place, other) : max(place, other)] + raw[place:]


@given(st.sampled_from(sorted(make.accepted())), st.lists(damage(), min_size=1, max_size=3))
def test_a_damaged_archive_is_refused_or_holds_the_same(name, damages):
    right = make.accepted()[name]
    raw = right
    for kind, place, other, splice in damages:
        raw = damaged(raw, kind, place % len(raw), other % len(raw), splice) or b"\0"

    try:
        found = contents(raw)
    except Refusal:
        return

    assert found == contents(right)


def test_every_single_flipped_byte_is_refused_or_changes_nothing():
    right = contents(GOOD)
    changed = []

    for place in range(len(GOOD)):
        raw = GOOD[:place] + bytes([GOOD[place] ^ 0xFF]) + GOOD[place + 1 :]
        try:
            changed += [place] if contents(raw) != right else []
        except Refusal:
            continue

    assert changed == []


def test_every_shortened_archive_is_refused():
    for length in range(len(GOOD)):
        with pytest.raises(Refusal):
            contents(GOOD[:length])
