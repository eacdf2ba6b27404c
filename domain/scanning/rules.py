"""The scan rules, one row each (installhub sections 9.2, 9.3, 9.5; severities by X5 to X7).

A rule has two halves. ``trigger`` is what its bytes must hold in a canonical file before anyone looks closer: a few
short expressions, so that no padding can stretch them, all of them sought at once (:mod:`domain.needles`).
``pattern`` or ``judge`` is the exact rule, on the decoded string. Whatever the exact rule finds, the trigger must have
seen: a test holds the two together.

All patterns are linear: no repetition inside a repetition over the same characters, gaps bounded. They read ASCII
only, for the walk has turned foreign blanks into blanks and taken out invisible characters.
"""

from __future__ import annotations

import hashlib

from domain.scanning import judges
from domain.scanning.active_rules import ACTIVE_RULES, PATTERN_KEYS
from domain.scanning.content_rules import CONTENT_RULES, SHOWN_KEYS
from domain.scanning.report import Check, Severity
from domain.scanning.rule import Rule, Where, any_case, exact

#: raised by hand when a judge or a gate changes its mind while its row stays the same
JUDGES_EDITION = 4

EXPRESSION_KEYS = (
    "expression", "condition", "conditionExpression", "valueMapping", "validationExpression", "visibilityExpression",
)  # fmt: skip
QUERY_KEYS = ("query", "writeQuery", "filterExpression", "datasourceQuery")

#: how the name of a member ends that holds a secret
NAMES_OF_SECRETS = (
    r"(?:password|passwd|pwd|passphrase|secret|connection[_ -]?string"
    r"|(?:api|access|private|secret|signing|encryption|account|shared)[_ -]?key"
    r"|(?:access|auth|refresh|bearer)[_ -]?token)"
)


#: a name ends at its quote or at an escaped line feed
_SECRET_MEMBERS = (rf'(?i){NAMES_OF_SECRETS}["\\]',)
#: what stands behind a called word: at most blanks (plain or escaped), then an optional call, a parenthesis, a
#: template, or the end of the parentheses around the word
_CALL = r"( ?[(?\\`)]|  )"
#: the same for words that nobody puts into parentheses
_CALLED = r"( ?[(?\\`]|  )"
#: a parenthesis or a template behind a word, in a text without comments
_THEN_CALLED = r"\s*(?:\?\.\s*)?[(`]"
_BLANK = r"[ \\]"

RULES: tuple[Rule, ...] = (
    # expressions: section 9.2
    Rule(
        "EnvironmentVariableAccess", Check.EXPRESSION, Severity.CRITICAL, Where.EXPRESSION,
        (r"env[^A-Za-z0-9_]",),
        # a leading env only: record.env is a field (9.2); what is before a word is looked at behind it, for a pattern
        # that begins with letters is sought much faster
        exact(
            r"env(?<![\w.]env)\s*(?:(?:\?\.|\.)\s*\w|(?:\?\.\s*)?\[\s*[\"'`\w])"
            r"|process(?<!\wprocess)\s*(?:(?:\?\.|\.)\s*env\b|(?:\?\.\s*)?\[\s*[\"'`]env[\"'`])"
        ),
        "The expression reads an environment variable of the server.",
        needs=("env",),
    ),
    Rule(
        "PrototypePollution", Check.EXPRESSION, Severity.CRITICAL, Where.EXPRESSION,
        ("__proto__", r"constructor[ .?\[\\]"),
        exact(
            r"__proto__|constructor(?<!\wconstructor)\s*(?:(?:\?\.|\.)\s*(?:prototype\b"
            r"|constructor\s*(?:\?\.\s*)?\()|(?:\?\.\s*)?\[\s*[\"'`](?:prototype|constructor)[\"'`])"
        ),
        "The expression reaches for an object's prototype.",
        needs=("__proto__", "constructor"),
    ),
    Rule(
        "PrototypePollution", Check.EXPRESSION, Severity.CRITICAL, Where.NAME,
        (r'"(__proto__|constructor\.prototype)',),
        exact(r"^(?:__proto__|constructor\.prototype)(?![\w])"),
        "The name of a member reaches for an object's prototype.",
        needs=("__proto__", "constructor.prototype"),
    ),
    Rule(
        "EvalCall", Check.EXPRESSION, Severity.CRITICAL, Where.EXPRESSION,
        (rf"(eval|Function){_CALL}",),
        # or the last of a row in parentheses: (0, eval)(text)
        exact(rf"(?:eval(?<!\weval)|Function(?<!\wFunction))(?:{_THEN_CALLED}|\s*\)\s*\()"),
        "The expression runs text as code.",
        needs=("eval", "function"),
    ),
    Rule(
        "UnsafeFunctionCall", Check.EXPRESSION, Severity.CRITICAL, Where.EXPRESSION,
        (rf"(require|import){_CALLED}",),
        exact(rf"(?:require(?<!\wrequire)|import(?<!\wimport)){_THEN_CALLED}"),
        "The expression loads a module.",
        needs=("require", "import"),
    ),
    Rule(
        "ExternalHttpCall", Check.EXPRESSION, Severity.HIGH, Where.EXPRESSION,
        ("(?i)https?://",),
        any_case(r"https?://[^\s\"'`]"),
        "The expression names an address outside the platform.",
        judge=judges.names_an_external_address,
        needs=("://",),
    ),
    Rule(
        "InfiniteLoop", Check.EXPRESSION, Severity.HIGH, Where.EXPRESSION,
        (
            r"while[ (\\]", r"for ?\( ?;", r"function[ \\]",
            # an arrow behind a parenthesis and blanks; nearly every other arrow stands behind one name and one blank
            r"\)=>", r"[^A-Za-z0-9_][^A-Za-z0-9_]=>", r"\\[nrtf] ?=>",
        ),
        exact(
            r"\bwhile\s*\(\s*(?:!\s*!\s*){0,4}"
            r"(?:true|[1-9][0-9]{0,17}|!\s*(?:0|false|null|undefined|''|\"\"))\s*\)"
            r"|\bfor ?\( ?; ?; ?[^;]{0,200}\)"
            # a function that calls itself before anything could end it
            r"|\bfunction\s+([A-Za-z_]\w{0,63})\s*\([^()]{0,200}\)\s*\{\s*(?:return\s+)?\1\s*\("
            r"|\b([A-Za-z_]\w{0,63})\s*=\s*\([^()]{0,200}\)\s*=>\s*\2\s*\("
        ),
        "The expression never ends.",
        needs=("while", "for", "function", "=>"),
    ),
    Rule(
        "GlobalScopeAccess", Check.EXPRESSION, Severity.MEDIUM, Where.EXPRESSION,
        ("(global|window)[^a-z]",),
        # not a field (record.window), not a whole word in quotes (scope == "global")
        exact(r"(?:global(?<![\w.]global)(?:This)?|window(?<![\w.]window))\b(?![\"'`])"),
        "The expression reaches for the global scope.",
        needs=("global", "window"),
    ),
    Rule(
        "DeepNesting", Check.EXPRESSION, Severity.LOW, Where.EXPRESSION,
        (),
        exact(r"[(\[{]"),
        "The expression is nested more than ten levels deep.",
        judge=judges.is_nested_deeply,
        gate=judges.may_be_nested_deeply,
    ),
    # queries: section 9.3
    Rule(
        "UnionAttack", Check.SQL, Severity.CRITICAL, Where.QUERY,
        (rf"(?i)union{_BLANK}",),
        any_case(r"\bUNION\s+(?:(?:ALL|DISTINCT)\s+)?SELECT\b"),
        "The query appends the rows of another query.",
        needs=("union",),
    ),
    Rule(
        "DropStatement", Check.SQL, Severity.CRITICAL, Where.QUERY,
        (rf"(?i)drop{_BLANK}",),
        any_case(r"\bDROP\s+(?:TABLE|DATABASE|SCHEMA|INDEX)\b"),
        "The query drops a part of the database.",
        needs=("drop",),
    ),
    Rule(
        "TruncateStatement", Check.SQL, Severity.CRITICAL, Where.QUERY,
        (rf"(?i)truncate{_BLANK}",),
        any_case(r"\bTRUNCATE\s+TABLE\b"),
        "The query empties a table.",
        needs=("truncate",),
    ),
    Rule(
        "TautologyInjection", Check.SQL, Severity.CRITICAL, Where.QUERY,
        (
            r"""(?i)or( |\\[nrtf])[ "'0-9\\]""",
            r"(?i)or( |\\[nrtf])\(? ?(true[^a-z0-9_]|not( false|[ \\][ \\]|\\[nrtf]))",
        ),
        any_case(
            r"\bOR\s+(?:(['\"])([^'\"]{0,64})\1\s*=\s*\1\2(?:\1|$)|([0-9]{1,18})\s*=\s*\3(?![0-9])"
            r"|\(? ?(?:TRUE|NOT\s+FALSE)\b(?!\s*(?:[=<>!]|IS\b)))"
        ),
        "The query holds a condition that is always true.",
        needs=("or",),
    ),
    Rule(
        "RawStringConcatenation", Check.SQL, Severity.HIGH, Where.QUERY,
        (),
        exact(r"\+|\|\||\{\{|\$\{"),
        "The query is put together from text and a variable; use a parameter (@name).",
        needs=("+", "||", "{{", "${"),
        judge=judges.splices_a_variable,
        gate=judges.may_splice,
    ),
    Rule(
        "AlterStatement", Check.SQL, Severity.HIGH, Where.QUERY,
        (rf"(?i)alter{_BLANK}",),
        any_case(r"\bALTER\s+(?:TABLE|COLUMN|DATABASE)\b"),
        "The query changes the shape of the database.",
        needs=("alter",),
    ),
    Rule(
        "CommentTermination", Check.SQL, Severity.HIGH, Where.QUERY,
        (r'--[ "\\]', r"/\*"),
        exact(r"--\s*$|/\*"),
        "The query cuts itself off with a comment.",
        needs=("--", "/*"),
        judge=judges.is_cut_by_a_comment,
    ),
    Rule(
        "StoredsProc", Check.SQL, Severity.MEDIUM, Where.QUERY,  # spelled as 9.3 spells it
        (rf"(?i)exec(ute)?{_BLANK}",),
        any_case(r"\bEXEC(?:UTE)?\s+\w"),
        "The query runs a stored procedure.",
        needs=("exec",),
    ),
    Rule(
        "WildcardSelect", Check.SQL, Severity.LOW, Where.QUERY,
        (r"(?i)select( |\\[nrtf])[* \\]",),
        any_case(r"\bSELECT\s+\*\s+FROM\b"),
        "The query reads all columns without a parameterised WHERE.",
        judge=judges.selects_all_unbound,
        needs=("*",),
    ),
    # credentials: section 9.5, and the tokens as widely known
    Rule(
        "CredentialExposure.AwsAccessKey", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("A[KS]IA",),
        exact(r"(?P<public>A[KS]IA)(?<![A-Za-z0-9]A[KS]IA)[0-9A-Z]{16}(?![0-9A-Za-z])"),
        "The text holds an AWS access key.",
        needs=("akia", "asia"),
    ),
    Rule(
        "CredentialExposure.GitHubToken", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("gh[pousr]_", "github_pat_"),
        exact(r"(?P<public>gh[pousr]_)[A-Za-z0-9_]{36,255}|github_pat_[A-Za-z0-9_]{36,255}"),
        "The text holds a GitHub token.",
        needs=("gh", "github_pat_"),
    ),
    Rule(
        "CredentialExposure.StripeKey", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("sk_(live|test)_",),
        exact(r"(?P<public>sk_(?:live|test)_)[0-9a-zA-Z]{24,}"),
        "The text holds a Stripe secret key.",
        needs=("sk_",),
    ),
    Rule(
        "CredentialExposure.SlackToken", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("xox[abprs]-",),
        exact(r"(?P<public>xox[abprs]-)[0-9A-Za-z-]{20,}"),
        "The text holds a Slack token.",
        needs=("xox",),
    ),
    Rule(
        "CredentialExposure.GoogleApiKey", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("AIza",),
        exact(r"(?P<public>AIza)[0-9A-Za-z_-]{35}"),
        "The text holds a Google API key.",
        needs=("aiza",),
    ),
    Rule(
        "CredentialExposure.ApiKey", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        (r"""(?i)api[_-]?key[ =:'"\\]""",),
        any_case(r"(?P<public>api[_-]?key)['\"]?\s*[=:]\s*['\"]?[a-z0-9_-]{20,}"),
        "The text assigns an API key.",
        needs=("key",),
    ),
    Rule(
        "CredentialExposure.PrivateKey", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("PRIVATE KEY",),
        exact(r"-----BEGIN (?:[A-Z]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}"),
        "The text holds a private key.",
        needs=("private key",),
    ),
    Rule(
        "CredentialExposure.ConnectionString", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        (r"(?i)(password|pwd)[= \\]",),
        any_case(
            r"\b(?:Server|Data Source)\s?=[^;]{1,200};"
            r"(?:[^;]{0,200};){0,8}\s?(?:Initial Catalog|Database)\s?=[^;]{1,200};"
            r"(?:[^;]{0,200};){0,8}\s?(?:Password|Pwd)\s?=[^;]{1,4000}"
        ),
        "The text holds a connection string with its password.",
        needs=("password", "pwd"),
    ),
    Rule(
        "CredentialExposure.UrlPassword", Check.CREDENTIAL, Severity.CRITICAL, Where.TEXT,
        ("://",),
        any_case(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>{}$]{1,100}:[^\s/@'\"<>{}$]{3,200}@[\w\[]"),
        "The text holds an address with its password.",
        gate=judges.may_hold_a_login,
        needs=("@",),
    ),
    Rule(
        "CredentialExposure.LiteralSecret", Check.CREDENTIAL, Severity.HIGH, Where.SECRET_VALUE,
        _SECRET_MEMBERS,
        exact(r"\S"),
        "A member that asks for a secret holds one; leave it to a binding.",
        judge=judges.looks_like_a_secret,
    ),
    *ACTIVE_RULES,
    *CONTENT_RULES,
)  # fmt: skip

_KEYS = (EXPRESSION_KEYS, QUERY_KEYS, NAMES_OF_SECRETS, SHOWN_KEYS, PATTERN_KEYS)
#: of these rules alone, without what an installation adds (:mod:`domain.scanning.in_force`)
OWN_VERSION = hashlib.sha256(repr((JUDGES_EDITION, _KEYS, [rule.row() for rule in RULES])).encode()).hexdigest()[:12]
