"""Bundles whose archive is right: what their manifest and their files say is unusual, or has one flaw each.

As ``make`` does for archives. A flaw is stated consistently where it can be: hashes fit the flawed bytes, so that
nothing but the flaw answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from domain.errors import ErrorCode
from domain.manifest import content_checksum
from domain.strict_json import canonical
from tests.bundles.good import FORM, FORM_NAME, README_TEXT, RULES, RULES_NAME, artifact, manifest, sha256
from tests.bundles.writing import STORED, Member, zipped

Tree = dict[str, Any]

FILES = {RULES_NAME: RULES, FORM_NAME: FORM}
HASH = "sha256:" + "0123456789abcdef" * 4
FAR = 9_223_372_036_854_775_807


def bundled(raw: bytes, files: Mapping[str, bytes] = FILES, *, readme: bytes = README_TEXT) -> bytes:
    """A bundle with this ``manifest.json``."""
    inside = {"manifest.json": raw, "README.md": readme, **files}
    return zipped([Member(name.encode(), content, method=STORED) for name, content in inside.items()])


def stated(**members: Any) -> Tree:
    """The good manifest with members replaced; ``...`` leaves one out."""
    return {key: value for key, value in (json.loads(manifest()) | members).items() if value is not ...}


def saying(**members: Any) -> bytes:
    return bundled(json.dumps(stated(**members)).encode())


def row(place: int, **members: Any) -> list[Tree]:
    """The good rows of artifacts with one of them changed."""
    rows: list[Tree] = stated()["artifacts"]
    return [{**one, **members} if index == place else one for index, one in enumerate(rows)]


def spliced(text: str) -> bytes:
    """The good manifest with one more member, as it is written."""
    return bundled(manifest()[:-2] + b",\n  " + text.encode("utf-8", "surrogatepass") + b"\n}")


def holding(form: bytes, **members: Any) -> bytes:
    """A bundle whose form has these bytes, all hashes right; ``members`` change the form's row."""
    rows = row(1, hash=sha256(form), **members)
    tree = stated(artifacts=rows, checksum=sha256(RULES + form))
    return bundled(json.dumps(tree).encode(), {RULES_NAME: RULES, FORM_NAME: form})


def form_saying(**members: Any) -> bytes:
    return canonical(json.loads(FORM) | members)


def form_with(text: str) -> bytes:
    """A bundle whose form has one more member, as it is written."""
    return holding(FORM[:-2] + b",\n  " + text.encode("utf-8", "surrogatepass") + b"\n}")


def several(*trees: tuple[str, Tree], folder: str = "forms", order: list[str] | None = None) -> bytes:
    """A bundle of artifacts of one type, in the order in which they are given."""
    files = {f"artifacts/{folder}/{tree['id']}.json": artifact(kind, tree) for kind, tree in trees}
    rows = [
        {"type": kind, "id": tree["id"], "name": tree["name"], "version": "1.0.0", "hash": sha256(raw), "file": file}
        for (kind, tree), (file, raw) in zip(trees, files.items(), strict=True)
    ]
    ids = order or [one["id"] for one in rows]
    checksum = sha256(b"".join(files[f"artifacts/{folder}/{one}.json"] for one in ids))
    tree = stated(artifacts=rows, dependencies=[], installOrder=ids, checksum=checksum)
    return bundled(json.dumps(tree).encode(), files)


def group(number: int, *others: int) -> tuple[str, Tree]:
    """A form that shows other forms."""
    shown = [f"form-{other}" for other in others]
    return "AtlasForm", {"id": f"form-{number}", "name": f"Form {number}", "formGroups": shown}


def ring(count: int) -> bytes:
    """Forms that show each other in a circle."""
    return several(*(group(number, (number + 1) % count) for number in range(count)))


def chain(count: int) -> bytes:
    """Forms of which each shows the one before it."""
    return several(group(0), *(group(number, number - 1) for number in range(1, count)))


# ---- unusual and right


def accepted() -> dict[str, bytes]:
    sealed = stated(readmeHash=sha256(README_TEXT))
    sealed["contentChecksum"] = content_checksum(sealed)
    return {
        "sealed": bundled(json.dumps(sealed).encode()),
        "manifest_compact": bundled(json.dumps(stated(), separators=(",", ":")).encode()),
        "manifest_with_tabs_and_returns": bundled(json.dumps(stated(), indent="\t").encode().replace(b"\n", b"\r\n")),
        "manifest_all_escaped": bundled(json.dumps(stated(name="Urlaub für Zoë 🌴")).encode()),
        "manifest_with_unknown_keys": saying(publisher={"id": 7, "keys": [None]}, x={"y": {"z": 1}}),
        "manifest_with_nulls_for_absent": saying(description=None, author=None, tags=None, bindings=None),
        "manifest_without_package_dependencies": saying(packageDependencies=...),
        "name_in_another_script": saying(name="休暇申請 – Заявка.2"),
        "greatest_numbers_of_a_version": saying(version=f"{FAR}.{FAR}.{FAR}"),
        "version_with_everything": saying(version="1.0.0-rc.1.x-y+build.007"),
        "thousand_package_dependencies": saying(
            packageDependencies=[{"packageName": f"P{number}", "minVersion": "1.0.0"} for number in range(1000)]
        ),
        "form_with_unknown_members": holding(form_saying(zzz={"of": ["another", "writer", 1.5, None]})),
        "form_unsorted_and_compact": holding(json.dumps(json.loads(FORM), separators=(",", ":")).encode()),
        "form_64_levels_deep": form_with('"x": ' + "[" * 63 + "]" * 63),
        "form_with_a_number_of_400_digits": form_with('"x": 0.' + "1" * 399),
        "form_with_64_bit_integers": form_with(f'"x": [{2**64 - 1}, {-(2**63)}]'),
        "form_with_a_pair_of_surrogates": form_with('"x": "\\ud83c\\udf34"'),
        "form_with_brackets_in_a_string": form_with('"x": "' + "[{" * 200 + '"'),
        "same_key_in_two_objects": form_with('"x": {"a": {"a": 1}, "b": {"a": 2}}'),
        "same_name_in_two_types": holding(form_saying(name="Leave limits"), name="Leave limits"),
        "references_in_a_diamond": several(group(1), group(2, 1), group(3, 1), group(4, 2, 3)),
        "one_artifact": several(group(1)),
    }


# ---- one flaw each


def rejected() -> dict[str, tuple[ErrorCode, bytes]]:
    families = {
        ErrorCode.MANIFEST_INVALID: (*_no_manifests(), *_wrong_fields()),
        ErrorCode.MANIFEST_FIELD_MISSING: _missing_fields(),
        ErrorCode.INVALID_VERSION: _wrong_versions(),
        ErrorCode.UNSUPPORTED_MANIFEST_VERSION: [("manifest_version_unknown", saying(manifestVersion="2.0"))],
        ErrorCode.INVALID_PACKAGE_TYPE: [("package_type_is_an_object", saying(packageType={"$ne": ""}))],
        ErrorCode.INVALID_DATETIME: [("thirtieth_of_february", saying(exportedAt="2026-02-30T09:00:00Z"))],
        ErrorCode.EMPTY_ARTIFACT_LIST: [
            ("no_artifacts", bundled(json.dumps(stated(artifacts=[], dependencies=[], installOrder=[])).encode(), {}))
        ],
        ErrorCode.DEPENDENCY_MISMATCH: [
            ("dependency_in_no_row", saying(dependencies=[stated()["dependencies"][0] | {"version": "1.0.1"}]))
        ],
        ErrorCode.CHECKSUM_MISMATCH: _lying_checksums(),
        ErrorCode.DUPLICATE_ARTIFACT: _collisions(),
        ErrorCode.INSTALL_ORDER_INVALID: _wrong_orders(),
        ErrorCode.INCOMPLETE_INSTALL_ORDER: [("order_incomplete", saying(installOrder=["rule-1"]))],
        ErrorCode.ARTIFACT_FILE_MISSING: [("listed_and_absent", bundled(manifest(), {RULES_NAME: RULES}))],
        ErrorCode.UNDECLARED_ARTIFACT: [
            ("present_and_not_listed", bundled(manifest(), FILES | {"artifacts/forms/form-2.json": FORM}))
        ],
        ErrorCode.ARTIFACT_INVALID: (*_no_artifacts(), *_other_artifacts()),
        ErrorCode.BROKEN_REFERENCE: [("reference_out_of_the_package", several(group(1, 2)))],
        ErrorCode.CIRCULAR_DEPENDENCY: [
            ("ring_of_one", ring(1)), ("ring_of_two", ring(2)), ("ring_of_three", ring(3))
        ],
        ErrorCode.FORBIDDEN_CONTENT: [("readme_is_no_text", bundled(manifest(), readme=b"# Read me\xff\xfe\n"))],
    }  # fmt: skip
    return {name: (code, raw) for code, rows in families.items() for name, raw in rows}


#: documents that begin well and are no strict JSON: what stands in for the value of one more member
_NOT_STRICT = {
    "a_key_twice": '"x": {"a": 1, "a": 1}',
    "an_escaped_key_twice": '"x": {"a": 1, "\\u0061": 2}',
    "nan": '"x": NaN',
    "infinity": '"x": -Infinity',
    "a_lone_surrogate": '"x": "\\ud800"',
    "an_encoded_surrogate": '"x": "\ud800"',
    "surrogates_turned_around": '"x": "\\udc00\\ud800"',
    "a_nul": '"x": "a\\u0000b"',
    "a_nul_in_a_key": '"a\\u0000b": 1',
    "a_raw_control": '"x": "a\x01b"',
    "a_comment": '"x": 1 /* one */',
    "a_comma_too_many": '"x": [1,]',
    "an_unquoted_key": "x: 1",
    "a_leading_zero": '"x": 01',
    "a_hexadecimal_number": '"x": 0x1f',
    "401_digits": '"x": 0.' + "1" * 400,
    "an_integer_of_65_bits": f'"x": {2**64}',
    "a_number_beyond_doubles": '"x": 1e999',
    "64_levels_in_a_member": '"x": ' + "[" * 64 + "]" * 64,
    "5000_brackets": '"x": ' + "[" * 5000,
}


def _no_manifests() -> Iterator[tuple[str, bytes]]:
    plain = manifest()
    yield "manifest_with_a_bom", bundled(b"\xef\xbb\xbf" + plain)
    yield "manifest_in_utf16", bundled(plain.decode().encode("utf-16"))
    yield "manifest_in_utf32", bundled(plain.decode().encode("utf-32-le"))
    yield (
        "manifest_in_latin1",
        bundled(json.dumps(stated(name="Urlaub für alle"), ensure_ascii=False).encode("latin-1")),
    )
    yield "manifest_overlong", bundled(plain.replace(b"Leave request", b"Leave\xc0\xa0request", 1))
    yield "manifest_cut", bundled(plain[:-1])
    yield "manifest_twice_in_its_file", bundled(plain + plain)
    yield "manifest_empty", bundled(b"")
    yield "manifest_is_a_list", bundled(b"[" + plain + b"]")
    for flaw, text in _NOT_STRICT.items():
        yield f"manifest_with_{flaw}", spliced(text)


def _wrong_fields() -> Iterator[tuple[str, bytes]]:
    checksum = stated()["checksum"]
    forms = {
        "in_capitals": "sha256:" + checksum[7:].upper(),
        "one_digit_short": checksum[:-1],
        "with_a_final_newline": checksum + "\n",
        "of_another_algorithm": "md5:" + "0" * 32,
        "without_its_algorithm": checksum[7:],
        "of_none": "none:",
        "with_full_width_digits": "sha256:" + "\uff10" * 64,
    }
    for flaw, form in forms.items():
        yield f"checksum_{flaw}", saying(checksum=form)
    itself = {"packageName": "LEAVE request", "minVersion": "0.1.0"}
    flood = [{"packageName": f"P{number}", "minVersion": "1.0.0"} for number in range(1001)]
    binding = {"artifactId": "form-9", "path": "/x", "kind": "credential"}
    yield "package_that_needs_itself", saying(packageDependencies=[itself])
    yield "package_dependencies_of_a_flood", saying(packageDependencies=flood)
    elsewhere = "artifacts/forms/form-2.json"
    yield (
        "artifact_at_another_path",
        bundled(json.dumps(stated(artifacts=row(1, file=elsewhere))).encode(), {RULES_NAME: RULES, elsewhere: FORM}),
    )
    yield "artifact_id_that_leads_out", saying(artifacts=row(1, id="../form-1"), installOrder=["rule-1", "../form-1"])
    yield "package_name_with_a_slash", saying(name="Leave/request")
    yield "package_name_that_turns_around", saying(name="Leave \u202erequest")
    yield "package_name_decomposed", saying(name="Cafe\u0301")
    yield "package_id_of_no_form", saying(packageId="pkg-1")
    yield "binding_of_a_stranger", saying(bindings=[binding])
    yield (
        "binding_over_a_reference",
        saying(bindings=[binding | {"artifactId": "form-1", "path": "/validationRules/0/ruleSetId"}]),
    )
    yield "row_that_is_no_object", saying(dependencies=["rule-1"])
    yield "artifacts_in_an_object", saying(artifacts={"0": row(0)[0]})


def _missing_fields() -> Iterator[tuple[str, bytes]]:
    for name in ("packageId", "tenantId", "checksum", "installOrder"):
        yield f"{name}_missing".lower(), saying(**{name: ...})
    yield "checksum_null", saying(checksum=None)
    yield "artifact_hash_missing", saying(artifacts=row(1, hash=None))


def _wrong_versions() -> Iterator[tuple[str, bytes]]:
    versions = {
        "full_width_digits": "\uff11.0.0",
        "a_final_newline": "1.0.0\n",
        "a_leading_v": "v1.0.0",
        "a_leading_zero": "1.00.0",
        "two_numbers": "1.0",
        "64_bits_and_more": f"{FAR + 1}.0.0",
        "129_characters": "1.0.0-" + "a" * 123,
        "a_number_for_text": 1,
    }
    for flaw, version in versions.items():
        yield f"version_with_{flaw}", saying(version=version)
    yield "version_of_an_artifact", saying(artifacts=row(1, version="1.0.0.0"))
    yield "version_of_a_dependency", saying(packageDependencies=[{"packageName": "Base", "minVersion": "^1.0.0"}])


def _lying_checksums() -> Iterator[tuple[str, bytes]]:
    sealed = stated(contentChecksum=HASH)
    yield "artifact_with_another_hash", saying(artifacts=row(1, hash=HASH))
    yield "artifact_with_another_byte", bundled(manifest(), FILES | {FORM_NAME: FORM.replace(b"Days", b"days")})
    yield "artifacts_with_another_checksum", saying(checksum=HASH)
    yield "manifest_with_another_content_checksum", bundled(json.dumps(sealed).encode())
    yield "readme_with_another_hash", saying(readmeHash=HASH)


def _collisions() -> Iterator[tuple[str, bytes]]:
    first, second = stated()["artifacts"]
    twice = stated(artifacts=[first, second, second])
    yield "artifact_listed_twice", bundled(json.dumps(twice).encode())
    yield (
        "id_of_two_types",
        bundled(
            json.dumps(
                stated(
                    artifacts=[first, second | {"id": "rule-1", "file": "artifacts/forms/rule-1.json"}],
                    dependencies=[],
                    installOrder=["rule-1"],
                )
            ).encode(),
            {RULES_NAME: RULES, "artifacts/forms/rule-1.json": FORM},
        ),
    )
    upper = [("AtlasForm", {"id": f"form-{number}", "name": name}) for number, name in enumerate(("Maß", "MASS"))]
    yield "name_of_two_artifacts", several(*upper)


def _wrong_orders() -> Iterator[tuple[str, bytes]]:
    yield "order_with_an_id_twice", saying(installOrder=["rule-1", "form-1", "rule-1"])
    yield "order_with_a_stranger", saying(installOrder=["rule-1", "form-1", "form-9"])
    yield "order_before_its_need", several(group(1), group(2, 1), order=["form-2", "form-1"])


def _no_artifacts() -> Iterator[tuple[str, bytes]]:
    yield "form_with_a_bom", holding(b"\xef\xbb\xbf" + FORM)
    yield "form_in_utf16", holding(FORM.decode().encode("utf-16"))
    yield "form_empty", holding(b"")
    yield "form_is_a_list", holding(b"[" + FORM + b"]")
    yield "form_twice_in_its_file", holding(FORM + FORM)
    for flaw, text in _NOT_STRICT.items():
        yield f"form_with_{flaw}", form_with(text)


def _other_artifacts() -> Iterator[tuple[str, bytes]]:
    yield "form_says_another_id", holding(form_saying(id="form-2"))
    yield "form_says_another_type", holding(form_saying(_type="RuleSet"))
    yield "form_says_another_version", holding(form_saying(_version="1.0.1"))
    yield "form_says_another_name", holding(form_saying(name="Leave requests"))
    yield "form_says_another_schema", holding(form_saying(_schemaVersion="9.0"))
    yield "form_says_deleted", holding(form_saying(status="Deleted"))
    yield "form_without_a_name", holding(form_saying(name=None))
    yield "form_with_a_name_of_201", holding(form_saying(name="n" * 201), name="n" * 201)
