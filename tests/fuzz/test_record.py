"""The record of fuzzing: what counts, for how long, and that a change of a reader begins anew."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.fuzz.__main__ import SLICE, findings_of, owed, slices
from tests.fuzz.record import ENOUGH, READERS, WORDS, Fuzzed, add, as_it_stands, readers_digest
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.house.tree import MAY_IMPORT, ROOT

pytestmark = pytest.mark.rules


SEEDS = seeds()


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_no_module_that_is_not_among_its_readers(target):
    # in a process of its own: what other tests left behind is tidied away in this one, at any moment
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        ran = alone.submit(_modules_run, target).result()

    ours = {name for name in ran if name.partition(".")[0] in MAY_IMPORT}
    assert ours
    assert ours - {*WORDS} <= {*READERS[target]}


def _modules_run(target: str) -> set[str]:
    """The modules whose code runs, in any thread, while a target reads its seeds."""
    ran = set[str]()

    def note(frame: FrameType, event: str, _: Any) -> None:
        ran.add(frame.f_globals.get("__name__", ""))

    sys.setprofile(note)
    threading.setprofile(note)
    for raw in SEEDS[target]:
        TARGETS[target](raw)
    sys.setprofile(None)
    return ran


def test_a_change_of_what_a_reader_does_makes_another_digest_and_one_of_its_words_does_not(tmp_path):
    text = (ROOT / "domain/strict_json.py").read_text()
    (tmp_path / "domain").mkdir()
    shutil.copy(ROOT / "domain/needles.py", tmp_path / "domain")
    digests = []

    for each in (text, '"""Other words."""\n\n# and a comment' + text.partition('"""\n')[2], text + "\nMORE = 7\n"):
        (tmp_path / "domain/strict_json.py").write_text(each)
        digests.append(readers_digest("strict_json", tmp_path))

    assert digests[0] == readers_digest("strict_json") == digests[1] != digests[2]


def test_another_version_of_a_library_makes_another_digest_for_those_who_read_with_it(tmp_path, monkeypatch):
    before = readers_digest("java_properties"), readers_digest("multipart")
    newer = tmp_path / "javaproperties-99.dist-info"
    newer.mkdir()
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: javaproperties\nVersion: 99\n")

    monkeypatch.syspath_prepend(tmp_path)

    assert readers_digest("java_properties") != before[0]
    assert readers_digest("multipart") == before[1]


def test_runs_are_added_up(tmp_path):
    path = tmp_path / "record.json"
    run = Fuzzed(readers_digest("multipart"), seconds=600, inputs=1_000)

    add("multipart", run, path)
    add("multipart", replace(run, findings=1), path)
    add("strict_json", Fuzzed(readers_digest("strict_json"), seconds=5, inputs=7), path)

    assert as_it_stands("multipart", path) == replace(run, seconds=1_200, inputs=2_000, findings=1)
    assert as_it_stands("strict_json", path).inputs == 7
    assert as_it_stands("bundle", path) == Fuzzed(readers_digest("bundle"))


def test_what_was_fuzzed_before_a_reader_changed_is_dropped_when_the_next_run_is_added(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"multipart": {"digest": "older", "seconds": ENOUGH, "inputs": 9, "findings": 1}}))
    run = Fuzzed(readers_digest("multipart"), seconds=60, inputs=5)

    unfuzzed = as_it_stands("multipart", path)
    add("multipart", run, path)

    assert unfuzzed == Fuzzed(run.digest)
    assert as_it_stands("multipart", path) == run


def test_a_run_of_readers_that_changed_meanwhile_counts_for_nothing(tmp_path):
    path = tmp_path / "record.json"

    add("multipart", Fuzzed("older", seconds=60, inputs=5), path)

    assert not path.exists()


def test_runs_of_several_processes_are_all_counted(tmp_path):
    path = tmp_path / "record.json"
    run = Fuzzed(readers_digest("multipart"), seconds=1, inputs=1)
    processes = [get_context("fork").Process(target=_add_ten, args=(run, path)) for _ in range(4)]

    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert as_it_stands("multipart", path) == replace(run, seconds=40, inputs=40)


def _add_ten(run: Fuzzed, path: Path) -> None:
    for _ in range(10):
        add("multipart", run, path)


def test_a_release_waits_for_every_target_and_for_findings(tmp_path, capsys):
    path = tmp_path / "record.json"
    digests = {target: readers_digest(target) for target in READERS}
    answers = []

    for seconds, findings in ((ENOUGH - 3_600, 0), (ENOUGH, 0), (ENOUGH, 1)):
        rows = {target: asdict(Fuzzed(digest, ENOUGH)) for target, digest in digests.items()}
        rows["bundle"] |= {"seconds": seconds, "findings": findings}
        path.write_text(json.dumps(rows))
        answers.append((owed(path), capsys.readouterr().out.splitlines()[0].split("   ")[-1]))

    assert answers == [(1, "1.0 h owed"), (0, "enough"), (1, "findings open: 1")]


@pytest.mark.parametrize(
    ("ended", "said", "findings"),
    [
        (0, "Done 90 runs in 3 second(s)", 0),
        (72, "libFuzzer: run interrupted; exiting", 0),
        (77, "Test unit written to data/fuzz/bundle-crash-1", 1),
        (70, "Test unit written to data/fuzz/bundle-timeout-1", 1),
        (1, "ModuleNotFoundError: No module named 'atheris'", None),
        (-9, "", None),
    ],
)
def test_only_an_input_is_a_finding_and_not_a_process_that_never_began_or_was_killed(ended, said, findings):
    assert findings_of(ended, said) == findings


def test_a_long_run_is_one_of_slices():
    assert [*slices(2 * SLICE + 5)] == [SLICE, SLICE, 5]
