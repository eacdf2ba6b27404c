"""What would act by itself where an artifact is shown or run: markup, lookups, inside addresses, endless patterns.

The rows are like those of :mod:`domain.scanning.rules` (security.md section 3.3).
"""

from __future__ import annotations

import re

from domain.scanning import addresses, patterns
from domain.scanning.report import Check, Severity
from domain.scanning.rule import Rule, Where, any_case, exact
from domain.scanning.windows import first_in

PATTERN_KEYS = ("pattern", "regex", "regexp", "regularExpression", "validationPattern")

#: the events of elements, by how their handlers' names begin
_EVENTS = (
    "load|error|click|dblclick|focus|blur|mouse|key|change|input|submit|toggle|begin|animation|pointer|wheel|drag|drop"
    "|copy|paste|scroll|resize|hashchange|message|unload|before|after|context|touch|transition|page|popstate|start"
    "|finish|play|show"
)
_HANDLER = rf"<[a-z][a-z0-9-]{{0,40}}(?:[\s/\"'][^<>]{{0,400}})?[\s/\"']on(?:{_EVENTS})[a-z]{{0,20}}\s{{0,8}}=(?!=)"
#: as many bytes as the signs before it may be written with
_MAY_HANDLE = re.compile(rb"<[a-z][^<>\n]{0,2500}?on[a-z]{3,40}+(?: |\\[nrtf]|\\u000b)*+=", re.IGNORECASE)

#: a browser takes tabs and line feeds out of an address wherever they stand
_BREAK, _BREAK_WRITTEN = r"[\t\r\n]*", rb"(?:\\[ntrf]|\s)*"
_SCRIPT_SCHEMES = ("javascript", "vbscript", "livescript")
_SPELLED = "|".join(_BREAK.join(scheme) for scheme in _SCRIPT_SCHEMES)
#: a page as data; blanks around its media type are taken out as well, but words behind a blank are a sentence
_PAGE, _BLANKS = "data:text/html", r"[\t\n\f\r ]*+"
_PAGE_SPELLED = f"{_PAGE}[;,]|{_BLANKS.join((_BREAK.join('data:'), _BREAK.join('text/html'), '[;,]'))}(?! \\w)"
_MAY_BE_SCRIPT = re.compile(
    rb"|".join(
        _BREAK_WRITTEN.join(letter.encode() for letter in spelled)
        for spelled in (*(f"{scheme}:" for scheme in _SCRIPT_SCHEMES), _PAGE)
    ),
    re.IGNORECASE,
)
#: what makes code of it: a call, an assignment, a member of an object, an entity or an escape of one of these
_CODE = r"(?:[^\s\"'<>]{0,60}[\w\])](?:[(=\[`]|%28|&#|&lpar)|//|void\b)"

_JAVA_CLASSES = r"T\(\s{0,8}java\.|freemarker\.template\.utility\.|java\.lang\.(?:Runtime|ProcessBuilder)"


def may_handle(raw: bytes) -> bool:
    """False if no element in a file has an attribute that could be a handler."""
    return first_in(_MAY_HANDLE.search, raw) is not None


def may_be_script(raw: bytes) -> bool:
    """False if no text in a file spells an address that runs a script."""
    return first_in(_MAY_BE_SCRIPT.search, raw) is not None


def may_repeat_a_group(raw: bytes) -> bool:
    """False if no regular expression in a canonical file repeats a group."""
    lines = [_line_of(rest) for key in _PATTERN_ENDS for rest in raw.split(key)[1:]]
    # what is no string on one line may hold other patterns, and go on behind them
    return any(_REPEATED_GROUP.search(line) for line in (lines if all(lines) else [raw]))


def _line_of(rest: bytes) -> bytes:
    """The value at the beginning of these bytes, if it is a string on one line; else nothing."""
    line, broken, _ = rest.partition(b"\n")
    return line if broken and line.startswith((b' "', b'"')) else b""


_REPEATED_GROUP = re.compile(rb"\)(?:[*+]|\{)")
#: how the keys end in a canonical file
_PATTERN_ENDS = (b'attern":', b'regex":', b'regexp":', b'regularExpression":')

#: a scheme whose address needs no slashes
_SCHEMES = ("(?i)(https?|wss?|ftp):",)
#: how an address goes on behind its scheme, with breaks in it or without
_SLASHES = (
    "://", r":/?\\",
    # without a scheme, that of the page around it: a number, or a name of the inside
    r"[^:/]//[0-9\[%\\\x80-\xFF]", "(?i)//(metadata|instance-data)",
    # or either with a break in it, or between the slashes
    r"(?i)//[im][a-z-]{0,12}\\[tnr]", r"/\\[tnr]",
    # the same with backslashes, which are two in a file, or with more slashes
    r"(/\\\\|\\\\/|\\\\\\\\|///)[0-9\[%\\\x80-\xFF]", r"\\\\\\[tnr]",
    r"(?i)(/\\\\|\\\\/|\\\\\\\\)(metadata|instance-data|[im][a-z-]{0,12}\\[tnr])",
    # what stands behind the last break in a scheme that needs no slashes
    r"(?i)\\[tnr](t{0,2}ps?|s{0,2}):",
)  # fmt: skip
_INSIDE = (
    (
        *("DisguisedAddress", Severity.HIGH, addresses.leads_inside_hidden),
        "An address leads inside, to a machine's own secrets or in a spelling that hides it.",
    ),
    (
        *("PrivateAddress", Severity.MEDIUM, addresses.leads_to_a_private_network),
        "An address leads into a private network, which is another one where this is installed.",
    ),
)

ACTIVE_RULES: tuple[Rule, ...] = (
    Rule(
        "ScriptMarkup", Check.ACTIVE, Severity.HIGH, Where.TEXT,
        ("(?i)<(script|iframe|object|embed|applet)", "(?i)srcdoc"),
        any_case(
            r"<(?:script|iframe)(?:[\s/>]|$)|<(?:object|embed|applet)\s[^<>]{0,200}(?:data|src|code|type)\s{0,8}="
            r"|<[a-z]{1,20}\s[^<>]{0,200}\bsrcdoc\s{0,8}="
        ),
        "The text holds markup that runs a script or loads a foreign page.",
        needs=("<",),
    ),
    Rule(
        "EventHandler", Check.ACTIVE, Severity.HIGH, Where.TEXT,
        # the gate asks for the element: such names alone are common
        ("(?i)<[a-z]",),
        any_case(_HANDLER),
        "The text holds an element that runs a script when something happens to it.",
        needs=("<",),
        gate=may_handle,
    ),
    Rule(
        "ScriptAddress", Check.ACTIVE, Severity.HIGH, Where.TEXT,
        (
            "(?i)script:",
            # what stands behind the last break in it, which a browser takes out, or behind the last blank
            r"(?i)\\[tnr](t|pt|ipt|ript|cript)?:", "(?i)[: ]text/html",
            r"(?i)\\[tnrf](text/html|ext/html|xt/html|t/html|/html|html|tml|ml|l)[;, \\]",
        ),
        any_case(rf"(?:^[\x00-\x20]{{0,40}}|[=(\"'\s])(?:(?:{_SPELLED}){_BREAK}:\s{{0,40}}{_CODE}|{_PAGE_SPELLED})"),
        "The address runs a script instead of leading somewhere.",
        gate=may_be_script,
        needs=(":",),
    ),
    Rule(
        "JndiLookup", Check.ACTIVE, Severity.CRITICAL, Where.TEXT,
        (r"(?i)jndi", r"(?i)\$\{(lower|upper|env|sys)?:"),
        any_case(
            r"\$\{[\s:]{0,8}jndi\s{0,8}:|\$\{(?:lower|upper):[a-z]{1,4}\}|\$\{::?-[a-z]{1,4}\}"
            r"|\$\{(?:env|sys):[^${}]{0,80}:-[a-z]{1,4}\}"
        ),
        "The text makes a logging library load a class from elsewhere.",
        needs=("${",),
    ),
    Rule(
        "TemplateInjection", Check.ACTIVE, Severity.CRITICAL, Where.TEXT,
        (
            r"T\( ?(java|\\)", r"T\(  ", r"freemarker\.template\.utility\.",
            r"java\.lang\.(Runtime|ProcessBuilder)", "getRuntime", "__(subclasses|mro|globals|builtins)__",
        ),
        exact(rf"{_JAVA_CLASSES}|getRuntime(?<!\wgetRuntime)\s{{0,8}}\(|__(?:subclasses|mro|globals|builtins)__"),
        "The text reaches for the classes of the engine that would fill it in.",
        needs=("java.", "freemarker.", "getruntime", "__"),
    ),
    *(
        Rule(
            name, Check.ACTIVE, severity, Where.TEXT,
            _SCHEMES + _SLASHES,
            any_case(r":(?:[\t\r\n]{0,8}[/\\]|(?<=[ps\t\r\n]:))|[/\\][\t\r\n/\\]"),
            message,
            judge=judge,
            needs=(":", "/", "\\"),
            gate=addresses.may_lead_inside,
            reads_texts=False,
        )
        for name, severity, judge, message in _INSIDE
    ),
    Rule(
        "CatastrophicPattern", Check.ACTIVE, Severity.MEDIUM, Where.PATTERN,
        (f'"({"|".join(PATTERN_KEYS)})"',),
        exact(r"\)(?:[*+]|\{)"),
        "The regular expression can take forever on a short text.",
        needs=(")",),
        judge=patterns.takes_forever,
        gate=may_repeat_a_group,
    ),
)  # fmt: skip
