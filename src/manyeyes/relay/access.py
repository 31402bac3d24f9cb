"""Access: what each user or certificate may, as rules of Zenoh's access control.

    NAME=PATTERN             may watch: ask for frames, snapshots and the state
    NAME=config:PATTERN      may watch, and see and change settings
    NAME=publish:PATTERN     may be the machine that has these cameras

Zenoh filters by message, direction and key, at the machine that has the rules: what a rule does not allow is not passed
on in either direction, and who asks is told what he would be told if nobody were there. What names a peer are its
password and its certificate, so a machine that this one connects to has the common name of its certificate, and none
over tcp/; `*` is everybody.
"""

from ..core.errors import ConfigError
from .address import ROOT, check_pattern

ANYBODY = "*"
READS = ("frame", "snapshot", "status")
KINDS = (*READS, "config")
GRANTS = ("view", "config", "publish")
RULE = f"NAME=[config:|publish:]{ROOT}/SITE/CAMERA, with * for any site or camera, several with commas between"
# Whoever has a name may ask which cameras there are: the tokens themselves are filtered.
TOKENS_OF_ALL = f"{ROOT}/**"

Grants = dict[str, dict[str, list[str]]]


def parse_allow(texts: tuple[str, ...]) -> Grants:
    """Return, for each name, the patterns of each of GRANTS: of `manyeyes/SITE/CAMERA`, nothing shorter.

    Raises:
        ConfigError: If one is not understood.
    """
    grants: Grants = {}
    for text in texts:
        name, equals, rest = (part.strip() for part in text.partition("="))
        if not name or not equals:
            raise _wrong(text)
        mine = grants.setdefault(name, {grant: [] for grant in GRANTS})
        for item in rest.split(","):
            grant, colon, pattern = item.strip().rpartition(":")
            mine[_grant(grant if colon else "view", text)].append(_pattern(pattern))
    return grants


def rules(grants: Grants, users: bool, certificates: bool) -> dict[str, object]:
    """Return Zenoh's `access_control`.

    Args:
        grants: What `parse_allow` gave; not empty.
        users: Whether names can be those of users.
        certificates: Whether they can be common names of certificates.
    """
    made: list[dict[str, object]] = []
    subjects: list[dict[str, object]] = []
    policies: list[dict[str, object]] = []
    for number, (name, mine) in enumerate(grants.items()):
        own = _of_one(number, mine)
        who: list[dict[str, object]] = []
        if name == ANYBODY:
            who.append({"id": "anybody"})
        else:
            who += [{"id": f"user {number}", "usernames": [name]}] if users else []
            who += [{"id": f"certificate {number}", "cert_common_names": [name]}] if certificates else []
        made += own
        subjects += who
        policies.append({"rules": [rule["id"] for rule in own], "subjects": [subject["id"] for subject in who]})
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": made,
        "subjects": subjects,
        "policies": policies,
    }


def _of_one(number: int, mine: dict[str, list[str]]) -> list[dict[str, object]]:
    """Return the rules for one name."""
    asked = _keys(mine["view"] + mine["config"], READS) + _keys(mine["config"], ("config",))
    answered = _keys(mine["publish"], KINDS)
    tokens = ["liveliness_token"]
    watching = ["declare_liveliness_subscriber", "liveliness_query"]
    of_answered = [f"{pattern}/alive/*" for pattern in mine["publish"]]
    of_all = [f"{pattern}/alive/*" for grant in GRANTS for pattern in mine[grant]]
    rules = [
        # It asks, and is answered.
        ("ingress", ["query"], asked),
        ("egress", ["reply", "declare_queryable"], asked),
        # It answers, and is asked.
        ("ingress", ["reply", "declare_queryable"], answered),
        ("egress", ["query"], answered),
        # Who publishes a name hears of its rivals, too.
        ("ingress", tokens, of_answered),
        ("egress", tokens, of_all),
        ("ingress", watching, [TOKENS_OF_ALL]),
        ("egress", watching, [TOKENS_OF_ALL]),
    ]
    return [
        {"id": f"{number} {flow} {messages[0]} {place}", "permission": "allow", "flows": [flow], "messages": messages, "key_exprs": keys}
        for place, (flow, messages, keys) in enumerate(rules)
        if keys
    ]  # fmt: skip


def _keys(patterns: list[str], kinds: tuple[str, ...]) -> list[str]:
    """Return where cameras are asked: in public, and one certain machine."""
    return [f"{pattern}/{way}{kind}" for pattern in patterns for kind in kinds for way in ("", "at/*/")]


def _grant(grant: str, text: str) -> str:
    if grant not in GRANTS:
        raise _wrong(text)
    return grant


def _pattern(pattern: str) -> str:
    """Return a pattern of three parts, whatever its `**` stands for."""
    parts = check_pattern(pattern, "--relay-allow").split("/")
    if parts[-1] == "**":
        parts[-1:] = ["*"] * (4 - len(parts))
    return "/".join(parts)


def _wrong(text: str) -> ConfigError:
    return ConfigError(f"--relay-allow {text}: expected {RULE}", "relay_allow", text, RULE)
