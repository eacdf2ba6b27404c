"""Faults of the Akana-compatible door: their form by ``Accept``, their status, and what they name."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from domain.errors import ErrorCode, Problem, Refusal, refuse
from rest_compat.akana_faults import OFFERED, accomplished, answerable, answered, render_fault
from tests.doors.akana_client import BROWSER_ACCEPT

BAD_ZIP = refuse(ErrorCode.INVALID_ZIP, "The file is no ZIP.", "Package", importId="imp-1")
BROWSER = BROWSER_ACCEPT
VERSIONED = [name for name in OFFERED if "vnd.soa" in name]


def asked(*accept: str) -> Request:
    headers = [(b"accept", value.encode("latin-1", "replace")) for value in accept]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""})


def media_of(response) -> str:
    return str(response.headers["content-type"].partition(";")[0])


def test_the_documented_list_has_eight_versioned_types():
    assert sorted(VERSIONED) == sorted(
        f"application/vnd.soa.v{version}+{form}" for version in (71, 72, 80, 81) for form in ("json", "xml")
    )


@pytest.mark.parametrize("media", OFFERED)
def test_a_fault_comes_in_the_type_that_was_asked_for(media):
    response = render_fault(asked(media), BAD_ZIP)

    body = bytes(response.body)
    read = json.loads(body) if media.endswith("json") else {tag.tag: tag.text for tag in ET.fromstring(body)}
    assert (response.status_code, media_of(response)) == (400, media)
    assert (read["faultcode"], read["faultstring"]) == ("client", "The file is no ZIP.")
    assert (read["code"], read["importId"]) == ("InvalidZip", "imp-1")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ([], "application/json"),
        ([""], "application/json"),
        (["*/*"], "application/json"),
        (["application/*"], "application/json"),
        (["text/*"], "text/xml"),
        (["text/xml;q=0.5, application/json;q=0.4"], "text/xml"),
        (["application/json;q=0, */*"], "text/xml"),
        (["TEXT/XML"], "text/xml"),
        (["application/json, text/xml, application/vnd.soa.v81+json"], "application/json"),
        (["application/vnd.soa.v81+json; charset=utf-8"], "application/vnd.soa.v81+json"),
        (["text/xml;q=0.1", "application/vnd.soa.v72+xml;q=0.2"], "application/vnd.soa.v72+xml"),
        (["application/octet-stream, application/json;q=0.1"], "application/json"),
        ([BROWSER], "text/plain"),
        (["text/html"], "text/plain"),
        (["image/png"], "text/plain"),
        (["application/vnd.soa.v99+json"], "text/plain"),
    ],
)
def test_a_fault_has_the_form_that_suits_the_caller_best(accept, media):
    assert media_of(render_fault(asked(*accept), BAD_ZIP)) == media


def test_a_browser_reads_a_sentence():
    response = render_fault(asked(BROWSER), BAD_ZIP)

    assert bytes(response.body).decode() == "InvalidZip: The file is no ZIP.\nimportId: imp-1\n"


@pytest.mark.parametrize("accept", [[], ["*/*"], [BROWSER], *([media] for media in OFFERED)])
def test_what_is_documented_can_be_answered(accept):
    assert answerable(asked(*accept)) in OFFERED
    assert accomplished(asked(*accept)).body == b""


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/vnd.soa.v99+json", "*/*;q=0", "nonsense"])
def test_what_cannot_be_answered_is_not_found(accept):
    with pytest.raises(Refusal) as refused:
        answerable(asked(accept))

    assert render_fault(asked(accept), refused.value).status_code == 404


def test_an_export_can_be_asked_for_as_bytes():
    request = asked("application/octet-stream")

    assert answerable(request, also=["application/octet-stream"]) == "application/octet-stream"


@pytest.mark.parametrize(
    ("refusal", "status", "faultcode"),
    [
        (refuse(ErrorCode.SECURITY_SCAN_FAILED, "x"), 400, "client"),
        (refuse(ErrorCode.TOO_MANY_ARTIFACTS, "x"), 413, "client"),
        (refuse(ErrorCode.CONFLICT_REQUIRES_RESOLUTION, "x"), 400, "client"),
        (refuse(ErrorCode.VERIFICATION_FAILED, "x"), 500, "server"),
        (refuse(ErrorCode.SCAN_ERROR, "x"), 503, "server"),
        (Refusal([Problem(ErrorCode.BROKEN_REFERENCE, "x")], status=422), 500, "server"),
        (Refusal([Problem(ErrorCode.BAD_USER_INPUT, "x")], status=408), 400, "client"),
    ],
)
def test_a_refusal_has_the_status_of_this_dialect(refusal, status, faultcode):
    response = render_fault(asked(), refusal)

    assert (response.status_code, json.loads(bytes(response.body))["faultcode"]) == (status, faultcode)


def test_who_is_to_come_again_is_told_when():
    limited = refuse(ErrorCode.RATE_LIMIT_EXCEEDED, "Wait.", retryAfter=17)
    unavailable = refuse(ErrorCode.SERVICE_UNAVAILABLE, "Wait.")

    responses = [render_fault(asked(), one) for one in (limited, unavailable, BAD_ZIP)]

    assert [one.headers.get("retry-after") for one in responses] == ["17", "30", None]


def test_every_problem_is_told_at_once():
    many = Refusal([Problem(ErrorCode.INVALID_VERSION, f"{n}", f"at[{n}]", artifact_id="proc-1") for n in range(150)])

    in_json = json.loads(bytes(render_fault(asked(), many).body))
    in_xml = ET.fromstring(bytes(render_fault(asked("text/xml"), many).body))

    row = {"code": "InvalidVersion", "field": "at[1]", "message": "1", "artifactId": "proc-1"}
    assert (len(in_json["errors"]), in_json["errors"][1]) == (100, row)
    assert {tag.tag: tag.text for tag in in_xml.findall("errors/item")[1]} == row


@given(st.text(), st.sampled_from([*OFFERED, BROWSER]))
def test_whatever_a_fault_says_it_can_be_read(text, accept):
    refusal = refuse(ErrorCode.INVALID_ZIP, f"<&>{text}", text)

    response = render_fault(asked(accept), refusal)

    body = bytes(response.body)
    if media_of(response).endswith("xml"):
        assert str(ET.fromstring(body)[1].text).startswith("<&>")
    elif media_of(response).endswith("json"):
        assert json.loads(body)["faultstring"].startswith("<&>")


@given(st.lists(st.text(st.characters(max_codepoint=255)), max_size=3))
def test_whatever_is_accepted_a_fault_comes(accept):
    assert render_fault(asked(*accept), BAD_ZIP).status_code == 400


def test_an_answer_is_told_in_the_same_forms():
    members = {"status": "Success", "pendingTasks": ["a"], "isDone": True, "count": 2}

    in_json = answered(asked("application/vnd.soa.v71+json"), "LoginResponse", members)
    in_xml = answered(asked("text/xml"), "LoginResponse", members)

    assert (json.loads(bytes(in_json.body)), media_of(in_json)) == (members, "application/vnd.soa.v71+json")
    root = ET.fromstring(bytes(in_xml.body))
    assert [(tag.tag, tag.text) for tag in root if tag.tag != "pendingTasks"] == [
        ("status", "Success"), ("isDone", "true"), ("count", "2"),
    ]  # fmt: skip
    assert (root.tag, root.findtext("pendingTasks/item")) == ("LoginResponse", "a")
