"""The ZIP profile of our own bundles: any reader opens it, ours accepts it, the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from domain.archive import open_archive
from domain.artifact_types import FOLDERS
from domain.bundle_writing import BundleWriter
from tests.makers import limits

NAMES = ["manifest.json", "README.md", "artifacts/rules/rule-1.json", "artifacts/forms/form-ä.json"]


def zipped(contents, *, stored=()):
    out = io.BytesIO()
    writer = BundleWriter(out)
    for name, data in contents.items():
        writer.add(name, data, is_stored=name in stored)
    writer.close()
    return out.getvalue(), writer


@given(st.lists(st.binary(max_size=2_000) | st.binary(max_size=50).map(lambda part: part * 900), max_size=4))
def test_the_standard_library_reads_what_was_written(bodies):
    contents = dict(zip(NAMES, bodies, strict=False))

    raw, _ = zipped(contents, stored={"manifest.json"})

    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
        assert {entry.date_time for entry in archive.infolist()} <= {(1980, 1, 1, 0, 0, 0)}


def test_the_same_input_gives_the_same_bytes_and_the_writer_knows_their_size_and_hash():
    contents = {name: name.encode() * 200 for name in NAMES}

    first, writer = zipped(contents)
    second, _ = zipped(contents)

    assert first == second
    assert (writer.size, writer.sha256) == (len(first), hashlib.sha256(first).hexdigest())


def test_our_own_strict_reader_accepts_it_without_a_problem():
    contents = {
        "manifest.json": b"{}",
        "README.md": b"# R\n",
        "artifacts/rules/rule-1.json": b"[" + b"0," * 999 + b"0]",
    }
    raw, _ = zipped(contents, stored={"manifest.json"})

    archive = open_archive(io.BytesIO(raw), limits().archive, folders=FOLDERS)

    assert [*archive.problems] == []
    assert {name: archive.read(entry) for name, entry in archive.entries.items()} == contents


def test_the_manifest_is_stored_and_the_rest_is_deflated():
    raw, _ = zipped({"manifest.json": b"{}" * 99, "README.md": b"#" * 99}, stored={"manifest.json"})

    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        kinds = {entry.filename: entry.compress_type for entry in archive.infolist()}
    assert kinds == {"manifest.json": zipfile.ZIP_STORED, "README.md": zipfile.ZIP_DEFLATED}
