"""Makes the bundles beside this file: ``python -m tests.bundles.make``.

``accept/`` holds bundles that are unusual and right, ``reject/`` bundles with one flaw each, and ``codes.json`` the
code that answers for it; a file is named after what is special about it. Here are the archives, in ``insides`` what
stands in them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from domain.errors import ErrorCode
from tests.bundles import insides
from tests.bundles.good import FORM, FORM_MEMBER, GOOD, MANIFEST, README, README_TEXT
from tests.bundles.writing import (
    DEFLATED,
    DESCRIPTOR,
    FULL,
    STORED,
    UTF8,
    Member,
    deflated,
    deflated_zeros,
    descriptor,
    ending,
    extra,
    followed,
    local_header,
    zipped,
)

HERE = Path(__file__).parent
CODES = HERE / "codes.json"


def with_form(**changes: Any) -> list[Member]:
    """The good bundle with its last member changed."""
    return [*GOOD[:-1], replace(FORM_MEMBER, **changes)]


def with_more(*members: Member) -> list[Member]:
    return [*GOOD, *members]


def with_name(name: bytes, **changes: Any) -> list[Member]:
    return with_more(Member(name, b"{}", **changes))


# ---- unusual and right

TIMES = extra(0x5455, b"\x01" + bytes(4))
OWNER = extra(0x7875, b"\x01\x04" + bytes(4) + b"\x04" + bytes(4))
NTFS = extra(0x000A, bytes(4) + struct.pack("<2H", 1, 24) + bytes(24))
WIDE_FORM = extra(1, struct.pack("<2Q", len(FORM), len(FORM_MEMBER.data)))
UNKNOWN = extra(0xCAFE, b"")
ON_DOS = {"made": 20, "attributes": 0x20}
MARKS = README_TEXT + b"PK\x03\x04 PK\x01\x02 PK\x05\x06 PK\x07\x08\n"
WIDE = {"compressed": FULL, "size": FULL}


def folder(name: bytes, **changes: Any) -> Member:
    return replace(Member(name, method=STORED, mode=0o040755), **changes)


def accepted() -> dict[str, bytes]:
    streamed = [followed(member) if member.method == DEFLATED else member for member in GOOD]
    java_folder = followed(folder(b"artifacts/", method=DEFLATED, pressed=b"\x03\x00", mode=0))
    return {
        "plain": zipped(GOOD),
        "all_stored": zipped([replace(member, method=STORED) for member in GOOD]),
        "all_deflated": zipped([replace(member, method=DEFLATED) for member in GOOD]),
        "manifest_last": zipped([*GOOD[1:], MANIFEST]),
        "folders_above_the_files": zipped([folder(b"artifacts/"), folder(b"artifacts/forms/"), *GOOD]),
        "folder_without_files": zipped(with_more(folder(b"artifacts/apps/", central={"attributes": 0x10}))),
        "folder_deflated_as_java_does": zipped([java_folder, *GOOD]),
        "descriptors": zipped(streamed),
        "descriptors_without_a_mark": zipped(
            [followed(member, marked=False) if member.method == DEFLATED else member for member in GOOD]
        ),
        "descriptor_repeats_known_sizes": zipped(
            with_form(
                flags=DESCRIPTOR,
                descriptor=descriptor(FORM_MEMBER),
                local={"crc": crc32(FORM), "compressed": len(FORM_MEMBER.data), "size": len(FORM)},
            )
        ),
        "descriptor_zip64": zipped(
            with_form(
                flags=DESCRIPTOR,
                descriptor=descriptor(FORM_MEMBER, wide=True),
                local=WIDE,
                local_extra=extra(1, bytes(16)),
            )
        ),
        "zip64_in_the_local_header_only": zipped(with_form(local=WIDE, local_extra=WIDE_FORM)),
        "zip64_in_both_headers": zipped(
            with_form(local=WIDE, central=WIDE, local_extra=WIDE_FORM, central_extra=WIDE_FORM)
        ),
        "zip64_disk_number_too": zipped(
            with_form(central={"disk": 0xFFFF, "size": FULL}, central_extra=extra(1, struct.pack("<QI", len(FORM), 0)))
        ),
        "zip64_end_record": zipped(GOOD, end64={}),
        "zip64_end_record_alone_knows": zipped(
            GOOD, end={"here": 0xFFFF, "count": 0xFFFF, "size": FULL, "offset": FULL}, end64={}
        ),
        "times_and_owners": zipped(
            [replace(member, local_extra=TIMES + OWNER + NTFS, central_extra=TIMES + OWNER) for member in GOOD]
        ),
        "unknown_extra_field": zipped(with_form(local_extra=UNKNOWN, central_extra=UNKNOWN)),
        "made_on_another_system": zipped([replace(member, central=ON_DOS) for member in GOOD]),
        "utf8_flag_and_level_bits": zipped([replace(member, flags=UTF8 | 0x0006) for member in GOOD]),
        "version_needed_of_zip64": zipped(with_form(local={"need": 45}, central={"need": 45})),
        "executable_bit": zipped(with_form(mode=0o100755)),
        "data_that_looks_like_a_header": zipped([MANIFEST, replace(README, method=STORED, content=MARKS), *GOOD[2:]]),
        "data_in_two_blocks": zipped(
            with_form(pressed=b"\x00" + deflated(FORM[:100])[1:] + deflated(FORM[100:]))
        ),
    }  # fmt: skip


# ---- one flaw each


class Rejected(NamedTuple):
    """An archive with one flaw, and the code that answers for it."""

    code: ErrorCode
    raw: bytes


def rejected() -> dict[str, Rejected]:
    families = {
        ErrorCode.INVALID_ZIP: (
            *_broken_ends(), *_broken_layouts(), *_broken_headers(), *_broken_zip64(), *_broken_data(), *_twins()
        ),
        ErrorCode.PATH_TRAVERSAL_DETECTED: _ways_out(),
        ErrorCode.FORBIDDEN_CONTENT: _strangers(),
        ErrorCode.NESTED_ARCHIVE_DETECTED: _archives(),
        ErrorCode.MANIFEST_MISSING: [("manifest_missing", zipped(GOOD[1:]))],
        ErrorCode.README_MISSING: [("readme_missing", zipped([MANIFEST, *GOOD[2:]]))],
        ErrorCode.VALIDATION_FAILED: [("two_kinds_of_flaws", zipped([MANIFEST, *with_name(b"setup.exe")[2:]]))],
    }  # fmt: skip
    return {name: Rejected(code, raw) for code, rows in families.items() for name, raw in rows}


def _broken_ends() -> Iterator[tuple[str, bytes]]:
    plain = zipped(GOOD)
    yield "empty_file", b""
    yield "text_file", b"This is no archive, whatever its name says.\n"
    yield "cut_short", plain[:-30]
    yield "cut_by_one_byte", plain[:-1]
    yield "archive_comment", zipped(GOOD, comment=b"hello")
    yield "bytes_behind_the_end", zipped(GOOD, suffix=b"\0")
    yield "bytes_before_the_start", zipped(GOOD, prefix=b"#!/bin/sh\n")
    yield "prefix_counted_by_nobody", b"MZ" + plain
    yield "two_archives_glued", plain + plain
    yield "two_end_records", zipped(GOOD, suffix=ending(0, 0, len(plain)))
    yield "comment_length_without_comment", plain[:-2] + b"\x05\x00"
    yield "count_too_small", zipped(GOOD, end={"here": 3, "count": 3})
    yield "count_too_large", zipped(GOOD, end={"here": 5, "count": 5})
    yield "counts_differ", zipped(GOOD, end={"here": 3})
    yield "count_of_65535", zipped(GOOD, end={"here": 0xFFFF, "count": 0xFFFF})
    yield "second_disk", zipped(GOOD, end={"disk": 1, "directory_disk": 1})
    yield "directory_offset_off_by_one", zipped(GOOD, end={"offset": plain.index(b"PK\x01\x02") + 1})
    yield "directory_size_too_small", zipped(GOOD, end={"size": 100})


def _broken_layouts() -> Iterator[tuple[str, bytes]]:
    hidden = Member(b"artifacts/forms/hidden.json", b"{}")
    yield "gap_between_entries", zipped(with_form(before=b"\0\0"))
    yield "gap_before_the_directory", zipped(GOOD, gap=b"\0")
    yield "bytes_behind_the_directory", zipped(GOOD, behind_directory=b"PK\x05\x05\x00\x00")
    yield "hidden_local_entry", zipped(with_form(before=local_header(hidden) + hidden.data))
    yield "other_order_than_the_directory", zipped(GOOD, order=[0, 1, 3, 2])
    yield "one_entry_listed_twice", zipped(GOOD, order=[0, 1, 2, 3, 3], end={"here": 5, "count": 5})
    yield "overlapping_entries", overlapping()
    yield "offset_beyond_the_file", zipped(with_form(central={"offset": 0x7FFFFFFF}))
    yield "offset_into_another_entry", zipped(with_form(central={"offset": 12}))
    yield "signature_wrong_in_the_directory", zipped(GOOD).replace(b"PK\x01\x02", b"PK\x01\x03", 1)
    yield "signature_wrong_locally", zipped(GOOD).replace(b"PK\x03\x04", b"PK\x03\x05", 1)


def overlapping() -> bytes:
    """A form whose data swallows the next entry whole, which the directory lists as well."""
    inner = Member(b"artifacts/forms/inner.json", b"{}")
    swallowed = local_header(inner) + inner.data
    outer = Member(b"artifacts/forms/outer.json", swallowed, method=STORED)
    body = zipped([*GOOD, outer, inner])
    start = body.index(swallowed)
    second = body.index(swallowed, start + 1)
    directory = body[body.index(b"PK\x01\x02") : -22]
    directory = directory.replace(struct.pack("<I", second) + inner.name, struct.pack("<I", start) + inner.name)
    return body[:second] + directory + ending(6, len(directory), second)


def _broken_headers() -> Iterator[tuple[str, bytes]]:
    unlike = {
        "name_differs": {"name": b"artifacts/forms/form-2.json"},
        "name_length_differs": {"name": b"artifacts/forms/form-10.json"},
        "flags_differ": {"flags": UTF8},
        "method_differs": {"method": STORED},
        "checksum_differs": {"crc": 1},
        "size_differs": {"size": 1},
        "compressed_size_differs": {"compressed": 1},
    }
    for name, local in unlike.items():
        yield f"local_{name}", zipped(with_form(local=local))
    yield "version_needed_of_the_future", zipped(with_form(central={"need": 91}))
    yield "local_version_needed_of_the_future", zipped(with_form(local={"need": 91}))
    yield "encrypted", zipped(with_form(flags=0x0001))
    yield "strong_encryption", zipped(with_form(flags=0x0041))
    yield "masked_headers", zipped(with_form(flags=0x2000))
    yield "patched_data", zipped(with_form(flags=0x0020))
    yield "method_deflate64", zipped(with_form(method=9, pressed=deflated(FORM)))
    yield "method_bzip2", zipped(with_form(method=12, pressed=b"BZh9"))
    yield "method_lzma", zipped(with_form(method=14, pressed=b"\x09\x04\x05\x00"))
    yield "entry_comment", zipped(with_form(comment=b"hello"))
    yield "entry_on_another_disk", zipped(with_form(central={"disk": 1}))
    yield "name_empty", zipped(with_name(b""))
    yield "name_of_256_bytes", zipped(with_name(b"artifacts/forms/" + b"a" * 235 + b".json"))
    yield "nine_segments", zipped(with_name(b"artifacts/forms/a/b/c/d/e/f/g.json"))
    yield (
        "extra_field_gives_another_name",
        zipped(with_form(central_extra=extra(0x7075, b"\x01" + bytes(4) + b"evil.exe"))),
    )
    yield "extra_field_twice", zipped(with_form(local_extra=TIMES + TIMES))
    yield "extra_field_cut", zipped(with_form(central_extra=TIMES[:-1]))
    yield "extra_field_with_padding", zipped(with_form(local_extra=TIMES + b"\0"))
    yield "extra_fields_of_two_kilobytes", zipped(with_form(local_extra=extra(0xCAFE, bytes(2048))))


def _broken_zip64() -> Iterator[tuple[str, bytes]]:
    both = {"local": WIDE, "central": WIDE, "local_extra": WIDE_FORM}
    sizes = WIDE_FORM[4:]
    yield "zip64_field_missing", zipped(with_form(**both))
    yield "zip64_field_too_short", zipped(with_form(**both, central_extra=extra(1, sizes[:8])))
    yield "zip64_field_too_long", zipped(with_form(**both, central_extra=extra(1, sizes + bytes(8))))
    yield "zip64_field_twice", zipped(with_form(**both, central_extra=WIDE_FORM + WIDE_FORM))
    yield "zip64_field_without_need", zipped(with_form(central_extra=WIDE_FORM))
    yield "zip64_local_field_for_one_size", zipped(with_form(local={"size": FULL}, local_extra=extra(1, sizes[:8])))
    yield (
        "zip64_size_of_two_to_the_63",
        zipped(with_form(**both, central_extra=extra(1, struct.pack("<2Q", 2**63, 2**63)))),
    )
    yield (
        "zip64_offset_of_two_to_the_63",
        zipped(with_form(central={"offset": FULL}, central_extra=extra(1, struct.pack("<Q", 2**63)))),
    )
    yield "zip64_locator_at_the_start", struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1) + ending(0, 0, 0)
    yield "zip64_locator_lies", zipped(GOOD, end64={"at": 0})
    yield "zip64_locator_of_two_disks", zipped(GOOD, end64={"disks": 2})
    yield "zip64_end_contradicts_the_end", zipped(GOOD, end={"here": 3, "count": 3}, end64={})
    yield (
        "zip64_end_counts_too_many",
        zipped(GOOD, end={"here": 0xFFFF, "count": 0xFFFF}, end64={"here": 2**63, "count": 2**63}),
    )
    yield "zip64_end_signature_wrong", zipped(GOOD, end64={}).replace(b"PK\x06\x06", b"PK\x06\x05")
    yield "zip64_end_can_be_extended", zipped(GOOD, end64={"length": 45})
    yield "zip64_end_missing", zipped(GOOD, behind_directory=struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1))


def _broken_data() -> Iterator[tuple[str, bytes]]:
    pressed = FORM_MEMBER.data
    stored_stream = followed(replace(FORM_MEMBER, method=STORED))
    yield "descriptor_on_a_stored_entry", zipped([*GOOD[:-1], stored_stream])
    yield "descriptor_missing", zipped(with_form(flags=DESCRIPTOR))
    yield "descriptor_without_flag", zipped(with_form(descriptor=descriptor(FORM_MEMBER)))
    unmarked = descriptor(FORM_MEMBER, marked=False)
    yield "descriptor_with_another_mark", zipped(with_form(flags=DESCRIPTOR, descriptor=b"PK\x07\x09" + unmarked))
    yield "descriptor_checksum_differs", zipped([*GOOD[:-1], followed(FORM_MEMBER, crc=1)])
    yield "descriptor_size_differs", zipped([*GOOD[:-1], followed(FORM_MEMBER, size=1)])
    yield "descriptor_compressed_size_differs", zipped([*GOOD[:-1], followed(FORM_MEMBER, compressed=1)])
    yield "descriptor_wide_without_zip64", zipped([*GOOD[:-1], followed(FORM_MEMBER, wide=True)])
    yield "checksum_wrong", zipped(with_form(local={"crc": 7}, central={"crc": 7}))
    yield "deflate_broken", zipped(with_form(pressed=b"\x07" + pressed[1:]))
    yield "deflate_cut", zipped(with_form(pressed=pressed[:-1]))
    yield "deflate_without_a_last_block", zipped(with_form(pressed=b"\x00" + pressed[1:]))
    yield "deflate_goes_on_behind_its_end", zipped(with_form(pressed=pressed + b"\0"))
    yield "size_too_small", zipped(with_form(local={"size": 10}, central={"size": 10}))
    yield "size_too_large", zipped(with_form(local={"size": len(FORM) + 1}, central={"size": len(FORM) + 1}))
    yield "stored_with_two_sizes", zipped(with_form(method=STORED, local={"size": 1}, central={"size": 1}))
    yield (
        "bomb_that_says_100_bytes",
        zipped(with_form(pressed=deflated_zeros(258 * 256 + 1), local={"size": 100}, central={"size": 100})),
    )
    yield "padded_with_empty_blocks", zipped(with_form(pressed=b"\x00\x00\x00\xff\xff" * 600 + pressed))
    yield "artifact_above_its_limit", zipped(with_form(local={"size": 2**23 + 1}, central={"size": 2**23 + 1}))
    yield (
        "readme_above_its_limit",
        zipped(
            [MANIFEST, replace(README, content=bytes(258 * 255 + 1), pressed=deflated_zeros(258 * 255 + 1)), *GOOD[2:]]
        ),
    )
    yield "folder_with_content", zipped(with_more(folder(b"artifacts/apps/", content=b"x")))
    yield "folder_with_data", zipped(with_more(folder(b"artifacts/apps/", method=DEFLATED, pressed=b"\x03\x00\x00")))


def _twins() -> Iterator[tuple[str, bytes]]:
    yield "same_name_twice", zipped([*GOOD, FORM_MEMBER])
    yield "same_name_in_capitals", zipped(with_name(b"artifacts/forms/FORM-1.json"))
    yield "same_name_in_full_width", zipped(with_name("artifacts/forms/form-\uff11.json".encode(), flags=UTF8))
    yield (
        "same_name_decomposed",
        zipped(
            with_more(
                *(
                    Member(name.encode(), b"{}", flags=UTF8)
                    for name in ("artifacts/forms/\u00e9.json", "artifacts/forms/e\u0301.json")
                )
            )
        ),
    )
    yield (
        "same_name_with_sharp_s",
        zipped(
            with_more(
                *(
                    Member(name.encode(), b"{}", flags=UTF8)
                    for name in ("artifacts/forms/ss.json", "artifacts/forms/\u00df.json")
                )
            )
        ),
    )
    yield "file_that_is_also_a_folder", zipped([Member(b"artifacts", b"{}"), *GOOD])


def _ways_out() -> Iterator[tuple[str, bytes]]:
    names = {
        "path_traversal": b"../evil.json",
        "path_traversal_in_the_middle": b"artifacts/forms/../../../evil.json",
        "path_traversal_with_backslashes": b"artifacts\\forms\\..\\..\\evil.json",
        "path_traversal_overlong": b"artifacts/\xc0\xae\xc0\xae/evil.json",
        "path_traversal_full_width": "artifacts/\uff0e\uff0e/evil.json".encode(),
        "slash_full_width": "artifacts/forms\uff0fevil.json".encode(),
        "absolute_path": b"/etc/passwd",
        "drive_letter": b"C:/evil.json",
        "network_share": b"//server/share/evil.json",
        "name_with_nul": b"artifacts/forms/evil.json\0.exe",
    }
    for flaw, name in names.items():
        yield flaw, zipped(with_name(name))
    yield "manifest_is_a_link", zipped([replace(MANIFEST, mode=0o120777), *GOOD[1:]])
    yield "symbolic_link", zipped(with_more(Member(b"artifacts/forms/link.json", b"/etc/passwd", mode=0o120777)))


def _strangers() -> Iterator[tuple[str, bytes]]:
    names = {
        "program": b"setup.exe",
        "library": b"artifacts/forms/evil.dll",
        "script": b"artifacts/forms/run.sh",
        "file_at_the_root": b"notes.txt",
        "file_in_another_folder": b"docs/guide.json",
        "unknown_artifact_folder": b"artifacts/widgets/w-1.json",
        "artifact_without_folder": b"artifacts/form-2.json",
        "artifact_in_a_deeper_folder": b"artifacts/forms/old/form-2.json",
        "artifact_with_another_ending": b"artifacts/forms/form-2.JSON",
        "hidden_file": b"artifacts/forms/.form-2.json",
        "hidden_folder": b"__MACOSX/._manifest.json",
        "blank_in_a_name": b"artifacts/forms/form 2.json",
        "dot_segment": b"./artifacts/forms/form-2.json",
        "name_not_utf8": b"artifacts/forms/f\xe9.json",
        "name_that_turns_around": "artifacts/forms/\u202enosj.exe.json".encode(),
    }
    for flaw, name in names.items():
        yield flaw, zipped(with_name(name))
    yield "unknown_folder", zipped(with_more(folder(b"src/")))
    yield "readme_is_a_device", zipped([MANIFEST, replace(README, mode=0o020644), *GOOD[2:]])
    yield "device", zipped(with_form(mode=0o020644))
    yield "named_pipe", zipped(with_form(mode=0o010644))
    yield "set_user_id", zipped(with_form(mode=0o104755))
    yield "file_that_says_it_is_a_folder", zipped(with_form(mode=0o040755))
    yield "file_with_the_folder_attribute", zipped(with_form(central={"attributes": 0x10}))


def _archives() -> Iterator[tuple[str, bytes]]:
    inner = zipped([README])
    yield "archive_inside", zipped(with_more(Member(b"artifacts/forms/more.zip", inner)))
    yield "archive_inside_tar_gz", zipped(with_name(b"artifacts/more.tar.gz"))
    yield "archive_inside_jar", zipped(with_name(b"lib/evil.jar"))
    yield "archive_under_a_harmless_name", zipped(with_form(content=inner))


def right() -> dict[str, bytes]:
    """Every bundle that is accepted, by its name."""
    return accepted() | insides.accepted()


def flawed() -> dict[str, Rejected]:
    """Every bundle that is refused, by its flaw."""
    return rejected() | {flaw: Rejected(code, raw) for flaw, (code, raw) in insides.rejected().items()}


def paths() -> dict[Path, bytes]:
    """Every file by its path."""
    good = {HERE / "accept" / f"{name}.zip": raw for name, raw in right().items()}
    bad = {HERE / "reject" / f"{name}.zip": row.raw for name, row in flawed().items()}
    codes = {name: row.code.wire for name, row in flawed().items()}
    return good | bad | {CODES: json.dumps(codes, indent=2, sort_keys=True).encode() + b"\n"}


if __name__ == "__main__":
    for path, raw in paths().items():
        path.write_bytes(raw)
