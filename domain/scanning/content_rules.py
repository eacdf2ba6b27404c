"""What people would read and must not: others' data, misleading words, hidden characters (installhub section 9.5).

These read names, labels, titles and the package's own texts. They look for phrases, for words alone are no offence.
"""

from __future__ import annotations

import re

from domain.scanning.report import Check, Severity
from domain.scanning.rule import Rule, Where, any_case, exact
from domain.scanning.windows import first_in

SHOWN_KEYS = ("name", "label", "displayName", "title")

#: names that nobody has (RFC 2606), as documents use them
_NOBODY = r"(?:example\.(?:com|org|net)|[a-z0-9.-]{1,100}\.(?:example|test|invalid|localhost))"
_NAMED = re.compile(
    r"\b[A-Z][a-z]{1,30}(?:\s[A-Z]\.)?\s[A-Z][a-z]{1,40}\s{0,2}[<(,;:-]{1,2}\s{0,2}"
    rf"[A-Za-z0-9._%+-]{{1,64}}@(?!{_NOBODY}\b)[A-Za-z0-9.-]{{1,200}}\.[A-Za-z]{{2,24}}",
    re.ASCII,
)
_PERSONAL = re.compile(
    # numbers that were never given out are no person's (000, 666, 9xx)
    r"(?<![\w-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])"
    r"|\b[Pp]assport(?:\s(?:[Nn]o\.?|[Nn]umber|#))?\s{0,2}[:=#]?\s{0,2}[A-Z]{1,2}[0-9]{6,8}\b",
    re.ASCII,
)
_MAIL = re.compile(rb"@[A-Za-z0-9.-]{1,200}\.[A-Za-z]")
_DATA = re.compile(rb'"[A-Za-z0-9+/=_-]{128}')
_LOGIN = re.compile(rb"://[^\s/\"]{1,800}@")

#: Cyrillic letters that look like Latin ones
_LOOKALIKES = (
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405"
)
_HIDDEN = re.compile(
    # what turns the direction of reading around, blanks of no width inside of a word, letters that are tags
    "[\u202a-\u202e\u2066-\u2069]|[A-Za-z0-9][\u200b-\u200d\u2060\ufeff]+[A-Za-z0-9]"
    f"|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{{3}}|[A-Za-z][{_LOOKALIKES}][A-Za-z]|\\b[{_LOOKALIKES}][A-Za-z]{{2}}"
    f"|[A-Za-z]{{2}}[{_LOOKALIKES}]\\b"
)


_UNSEEN_OR_MIXED = re.compile(
    # begun with the first byte of such a character, or with an escape: these are rare
    rb"[\xD0\xD1\xD4\xE2\xEF\xF3\\]"
    rb"(?:(?<=\xE2)(?:\x80[\x8B-\x8D\xAA-\xAE]|\x81[\xA0-\xA9])|(?<=\xEF)\xBB\xBF|(?<=\xF3)\xA0[\x80\x81]|(?<=\\)u"
    rb"|(?<=[A-Za-z][\xD0\xD1\xD4])|(?<=[\xD0\xD1\xD4])[\x80-\xBF][A-Za-z])"
)


def may_hold_a_mail_address(raw: bytes) -> bool:
    """False if a file holds no e-mail address."""
    return first_in(_MAIL.search, raw) is not None


def may_hide_a_host(raw: bytes) -> bool:
    """False if no address in a file has a login."""
    return first_in(_LOGIN.search, raw) is not None


def may_hold_data(raw: bytes) -> bool:
    """False if no text in a file begins with encoded data."""
    return first_in(_DATA.search, raw) is not None


def may_look_like_others(raw: bytes) -> bool:
    """False if a file holds nothing that is not seen, and no Cyrillic letter beside a Latin one."""
    return first_in(_UNSEEN_OR_MIXED.search, raw) is not None


CONTENT_RULES: tuple[Rule, ...] = (
    Rule(
        "PersonalData", Check.CONTENT, Severity.HIGH, Where.SHOWN,
        ("[0-9]{3}-[0-9]{2}-[0-9]{4}", "assport"),
        _PERSONAL,
        "The text holds a number that is a person's own.",
        needs=("-", "passport"),
        is_masked=True,
    ),
    Rule(
        "PersonalData", Check.CONTENT, Severity.HIGH, Where.SHOWN,
        ("@",),
        _NAMED,
        "The text names a person together with an e-mail address.",
        gate=may_hold_a_mail_address,
        needs=("@",),
        is_masked=True,
    ),
    Rule(
        "MaliciousUrl", Check.CONTENT, Severity.HIGH, Where.TEXT,
        ("://",),
        # a login that looks like a host hides the host behind it; no password, or UrlPassword says it
        any_case(r"\bhttps?://(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}@[a-z0-9\[]"),
        "The address seems to lead to one host and leads to another.",
        gate=may_hide_a_host,
        needs=("@",),
    ),
    Rule(
        "ProhibitedKeyword", Check.CONTENT, Severity.MEDIUM, Where.SHOWN,
        ("(?i)(crack|keygen|pirated|stolen|bypass|malware|ransomware|phishing)",),
        any_case(
            r"\bkeygens?\b|\bcracked\s(?:licen[cs]e|version|copy|software)|\blicen[cs]e\scracks?\b"
            r"|\bpirated\s(?:licen[cs]e|version|copy|software)|\bstolen\s(?:credit\s?cards?|credentials|accounts)\b"
            r"|\bbypass(?:es)?\s(?:the\s)?(?:licen[cs]e|payment|security)\s(?:check|scan|review)s?\b"
            r"|\b(?:malware|ransomware|phishing)[\s-](?:kit|builder|as[\s-]a[\s-]service)\b"
        ),
        "The text offers what the marketplace does not carry.",
        needs=("crack", "keygen", "pirated", "stolen", "bypass", "malware", "ransomware", "phishing"),
    ),
    Rule(
        "MisleadingClaim", Check.CONTENT, Severity.MEDIUM, Where.SHOWN,
        (r"(?i)by( |\\[nrtf])(installhub|publichub|the( |\\[nrtf])marketplace)", "(?i)(official|virus|malware|scan)"),
        any_case(
            r"\bofficial(?:ly)?\s(?:(?:installhub|publichub|marketplace|platform)\s)?(?:package|listing|release"
            r"|certified|endorsed)\b|\b(?:certified|endorsed|approved|verified|trusted)\sby\s(?:installhub|publichub"
            r"|the\smarketplace)\b|\b(?:100%|guaranteed)\s(?:virus|malware)[\s-]free\b"
            r"|\b(?:security\s)?scan(?:\sresult)?\s?[:=]\s?(?:pass(?:ed)?|clean)\b"
        ),
        "The text claims what only the marketplace itself may say.",
        needs=("official", "hub", "marketplace", "virus", "malware", "scan"),
    ),
    Rule(
        "SuspiciousEncoding", Check.CONTENT, Severity.MEDIUM, Where.AS_WRITTEN,
        # besides what may hide words anywhere (:mod:`domain.scanning.trigger`): the first bytes of Cyrillic letters
        (r"[\xD0\xD1\xD4]",),
        _HIDDEN,
        "The text holds characters that are not seen, or look like others.",
        gate=may_look_like_others,
    ),
    Rule(
        "SuspiciousEncoding", Check.CONTENT, Severity.MEDIUM, Where.SHOWN,
        ("[A-Za-z0-9+/=_-]{128}",),
        exact(r"^[A-Za-z0-9+/=_-]{128}"),
        "The text holds encoded data instead of words.",
        gate=may_hold_data,
    ),
    Rule(
        "SuspiciousEncoding", Check.CONTENT, Severity.MEDIUM, Where.PACKAGE_TEXT,
        (),
        # not an image that Markdown shows, which is data by its nature
        exact(r"(?:^|(?<=\s))[A-Za-z0-9+/=_-]{256}"),
        "The text holds encoded data instead of words.",
    ),
)  # fmt: skip
