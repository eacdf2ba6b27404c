"""What fuzzing begins with: the bundles under tests/bundles, what stands in them, and small documents and forms."""

from __future__ import annotations

import zipfile
from io import BytesIO

from tests.bundles import good, insides, make
from tests.fuzz.targets import BOUNDARY

_DOCUMENTS = (
    b'{"a": [1, -2.5e3, true, null, "x\\u00e9\\ud83c\\udf34"]}',
    b"18446744073709551615",
    b"1e308",
    b"[" * 64 + b"]" * 64,
    b'{"a": 1, "\\u0061": 2}',
    b"[0." + b"1" * 399 + b"]",
)
_PROPERTIES = (
    b"https\\://old.example/a = https://new.example/b\n# note\n! note\n",
    b"a\\ b:c\\u00e9\\\n   d\r\ne\tf\rg\\\\\nh",
    "k\u00e9y=\u65e5\n".encode(),
    b"\\\n#x\n=\n\\ud83c\\udf34=\\t\\n\\f\\r\\z",
)
_LINE = b"--" + BOUNDARY
_OPTIONS = b'Content-Disposition: form-data; name="options"\r\nContent-Type: application/json\r\n\r\n{"dryRun": true}'
_PACKAGE = b'Content-Disposition: form-data; name="package"; filename="p.zip"\r\n\r\nPK\x05\x06' + bytes(18)
_FORMS = (
    b"\r\n".join([_LINE, _OPTIONS, _LINE, _PACKAGE, _LINE + b"--", b""]),
    b"\r\n".join([b"before", _LINE, _PACKAGE, _LINE + b"--", b"after"]),
    b"\r\n".join([_LINE, _PACKAGE, _LINE, _PACKAGE, _LINE + b"--"]),
    b"\r\n".join([b"", b"", _LINE, _PACKAGE, _LINE + b"--"]),
    b"\r\n".join([b"", b"before", _LINE, _PACKAGE, _LINE + b"--"]),
)


def _inside(name: str) -> list[bytes]:
    """This file of every bundle whose archive is right."""
    found = set()
    for raw in {**make.right(), **{flaw: row for flaw, (_, row) in insides.rejected().items()}}.values():
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            found |= {archive.read(name)} if name in archive.namelist() else set()
    return sorted(found)


def seeds() -> dict[str, list[bytes]]:
    """The first inputs of each target."""
    manifests, forms = _inside("manifest.json"), _inside(good.FORM_NAME)
    return {
        "bundle": [*make.right().values(), *(row.raw for row in make.flawed().values())],
        "manifest": manifests,
        "artifact": forms,
        "strict_json": [*_DOCUMENTS, *forms],
        "java_properties": [*_PROPERTIES],
        "multipart": [bytes([step]) + form for step in (0, 6, 60) for form in _FORMS],
    }
