"""The bundles under tests/bundles, read whole: accepted as others read them, or refused with the code beside them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import time
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from domain.archive import open_archive
from domain.artifact_types import FOLDERS
from domain.errors import BY_WIRE, ErrorCode, Refusal
from domain.model import TenantPlan
from tests.bundles import insides, make
from tests.makers import limits

ACCEPTED = sorted(make.HERE.glob("accept/*.zip"))
REJECTED = sorted(make.HERE.glob("reject/*.zip"))
CODES = {flaw: BY_WIRE[wire] for flaw, wire in json.loads(make.CODES.read_text()).items()}
MIB = 1 << 20


def unzipped(path: Path, folder: Path) -> dict[str, bytes]:
    """What the program ``unzip`` finds in an archive; it warns of nothing and repairs nothing."""
    if shutil.which("unzip") is None:
        pytest.skip("the Debian package unzip is not installed")
    subprocess.run(["unzip", "-q", path, "-d", folder], check=True, capture_output=True)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_committed_bundles_are_what_the_generator_makes():
    on_disk = {path: path.read_bytes() for path in [*ACCEPTED, *REJECTED, make.CODES]}

    assert on_disk == make.paths()


def test_there_are_bundles_enough_and_each_flaw_has_its_code():
    assert len(REJECTED) >= 150
    assert len(ACCEPTED) >= 30
    assert [path.stem for path in REJECTED] == sorted(CODES)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_holds_the_names_and_bytes_that_other_readers_find(path, check, tmp_path):
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        by_python = {row.filename: archive.read(row) for row in archive.infolist() if not row.is_dir()}
    opened = open_archive(io.BytesIO(raw), limits().archive, folders=FOLDERS)

    ours = {name: opened.read(entry) for name, entry in opened.entries.items()}
    bundle = check(raw)

    assert ours == by_python == unzipped(path, tmp_path / "out")
    assert [artifact.hash for artifact in bundle.artifacts] == [
        "sha256:" + hashlib.sha256(by_python[row.file]).hexdigest()
        for artifact_id in bundle.manifest.install_order
        for row in bundle.manifest.artifacts
        if row.artifact_id == artifact_id
    ]


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_one_flaw_is_refused_with_its_own_code_whatever_else_would_have_been_read(path, check):
    with pytest.raises(Refusal) as caught:
        check(path.read_bytes())

    assert caught.value.code is CODES[path.stem]


def test_no_bundle_costs_more_than_its_budget_of_memory_and_time(check):
    """At most 32 MiB each, half a second for 95 of 100 (security.md section 6)."""
    costs = []
    for path in [*ACCEPTED, *REJECTED]:
        raw = path.read_bytes()
        tracemalloc.start()
        began = time.perf_counter()
        with suppress(Refusal):
            check(raw)
        spent, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        costs.append((peak, spent, path.stem))

    slowest = sorted(spent for _, spent, _ in costs)

    assert max(costs)[0] < 32 * MIB, max(costs)
    assert slowest[len(slowest) * 95 // 100] < 0.5


def test_a_chain_of_999_artifacts_is_read_and_a_ring_of_900_is_told_with_its_ids(check):
    long = check(insides.chain(999))
    with pytest.raises(Refusal) as caught:
        check(insides.ring(900))

    assert len(long.artifacts) == 999
    assert caught.value.code is ErrorCode.CIRCULAR_DEPENDENCY
    assert len(caught.value.details["cycle"]) == 901


def test_more_artifacts_than_the_plan_has_are_told_before_one_is_read(check):
    with pytest.raises(Refusal) as caught:
        check(insides.chain(101), bounds=limits(TenantPlan.STANDARD))

    assert caught.value.code is ErrorCode.TOO_MANY_ARTIFACTS


def test_a_file_that_was_refused_by_its_kind_is_not_told_as_missing_as_well(check):
    with pytest.raises(Refusal) as caught:
        check((make.HERE / "reject" / "device.zip").read_bytes())

    assert [(problem.code, problem.where) for problem in caught.value.problems] == [
        (ErrorCode.FORBIDDEN_CONTENT, "artifacts/forms/form-1.json")
    ]


def test_reading_a_bundle_leaves_no_file_but_its_own_spool(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in [*ACCEPTED, *REJECTED]:
        with suppress(Refusal):
            check(path.read_bytes())

    assert {file.name for file in tmp_path.iterdir() if not file.name.startswith("spool-")} == set()
