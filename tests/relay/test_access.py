import asyncio
from dataclasses import replace

import pytest
import zenoh

from manyeyes.core.errors import ConfigError
from manyeyes.relay.access import KINDS, parse_allow, rules
from manyeyes.relay.credentials import Credentials
from manyeyes.relay.network import Network
from tests.relay.certificates import secret_file
from tests.relay.machines import ask, free_endpoint, run

FRONT, BACK = "manyeyes/yard/front", "manyeyes/yard/back"


def may(control, subject, flow, message, key):
    """Judge as Zenoh does: some rule of the subject includes the whole key."""
    mine = [name for policy in control["policies"] if subject in policy["subjects"] for name in policy["rules"]]
    return any(
        rule["id"] in mine
        and rule["permission"] == "allow"
        and flow in rule["flows"]
        and message in rule["messages"]
        and any(zenoh.KeyExpr(expression).includes(zenoh.KeyExpr(key)) for expression in rule["key_exprs"])
        for rule in control["rules"]
    )


def control_of(*texts, users=True, certificates=False):
    return rules(parse_allow(texts), users, certificates)


def test_patterns():
    grants = parse_allow(
        ("hall=manyeyes/yard/front, config:manyeyes/yard/*", "hall=manyeyes/**", "shed=publish:manyeyes/shed/**")
    )
    assert grants["hall"] == {"view": [FRONT, "manyeyes/*/*"], "config": ["manyeyes/yard/*"], "publish": []}
    assert grants["shed"]["publish"] == ["manyeyes/shed/*"]
    assert parse_allow(("Yard camera 1=manyeyes/*/front",))["Yard camera 1"]["view"] == ["manyeyes/*/front"]


@pytest.mark.parametrize(
    "text",
    ["", "hall", "=manyeyes/**", "hall=", "hall=**", "hall=manyeyes", "hall=manyeyes/yard", "hall=manyeyes/yard/front/frame",
     "hall=manyeyes/**/frame", "hall=manyeyes/a b/c", "hall=other/yard/front", "hall=erase:manyeyes/yard/front", "hall=manyeyes/**,",
     "hall=view::manyeyes/**", "hall=manyeyes/$*/front", "hall=manyeyes/**/**/**"],
)  # fmt: skip
def test_what_is_not_understood(text):
    with pytest.raises(ConfigError, match="--relay-allow") as caught:
        parse_allow((text,))
    assert caught.value.key == "relay_allow"


def test_a_viewer():
    control = control_of(f"hall={FRONT}")
    assert control["default_permission"] == "deny"
    for kind in ("frame", "snapshot", "status", "at/ab12/frame"):
        assert may(control, "user 0", "ingress", "query", f"{FRONT}/{kind}")
        assert may(control, "user 0", "egress", "reply", f"{FRONT}/{kind}")
        assert not may(control, "user 0", "ingress", "query", f"{BACK}/{kind}")
    assert not may(control, "user 0", "ingress", "query", f"{FRONT}/config")
    assert not may(control, "user 0", "ingress", "query", f"{FRONT}/at/ab12/config")
    for key in ("**", "manyeyes/**", "manyeyes/yard/*/frame", "manyeyes/yard/front/*", "@/**"):
        assert not may(control, "user 0", "ingress", "query", key)
    assert may(control, "user 0", "ingress", "declare_liveliness_subscriber", "manyeyes/**")
    assert may(control, "user 0", "egress", "liveliness_token", f"{FRONT}/alive/1-a-b")
    assert not may(control, "user 0", "egress", "liveliness_token", f"{BACK}/alive/1-a")
    for message in ("reply", "declare_queryable", "put"):
        assert not may(control, "user 0", "ingress", message, f"{FRONT}/frame")
    assert not may(control, "user 0", "ingress", "liveliness_token", f"{FRONT}/alive/0-evil")


def test_who_may_change_settings_may_watch():
    control = control_of(f"hall=config:{FRONT}")
    for kind in ("frame", "config", "at/ab12/config"):
        assert may(control, "user 0", "ingress", "query", f"{FRONT}/{kind}")
    assert not may(control, "user 0", "ingress", "query", f"{BACK}/config")


def test_a_publisher():
    control = control_of(f"shed=publish:{FRONT}")
    for kind in ("frame", "config", "at/ab12/frame"):
        assert may(control, "user 0", "ingress", "declare_queryable", f"{FRONT}/{kind}")
        assert may(control, "user 0", "ingress", "reply", f"{FRONT}/{kind}")
        assert may(control, "user 0", "egress", "query", f"{FRONT}/{kind}")
        assert not may(control, "user 0", "ingress", "declare_queryable", f"{BACK}/{kind}")
        assert not may(control, "user 0", "ingress", "query", f"{FRONT}/{kind}")
    assert may(control, "user 0", "ingress", "liveliness_token", f"{FRONT}/alive/1-a")
    assert may(control, "user 0", "egress", "liveliness_token", f"{FRONT}/alive/0-rival")
    assert not may(control, "user 0", "ingress", "liveliness_token", f"{BACK}/alive/1-a")


def test_names_are_those_of_what_is_in_use():
    def subjects(**kinds):
        return control_of(f"hall={FRONT}", f"*={BACK}", **kinds)["subjects"]

    assert subjects(users=True, certificates=False) == [{"id": "user 0", "usernames": ["hall"]}, {"id": "anybody"}]
    assert subjects(users=False, certificates=True)[0] == {"id": "certificate 0", "cert_common_names": ["hall"]}
    assert len(subjects(users=True, certificates=True)) == 3


def test_zenoh_judges_so(tmp_path):
    """Two users ask one machine: settings are for the one who may change them."""

    async def main():
        users = Credentials(users=secret_file(tmp_path / "users", "hall:a\nboss:b\n"))
        guarded = replace(users, allow=(f"hall={FRONT}", f"boss=config:{FRONT}"))
        endpoint = free_endpoint()
        network = Network(listen=(endpoint,), credentials=guarded)
        await network.open()
        places = [
            network.session.declare_queryable(f"{camera}/{kind}", answer) for camera in (FRONT, BACK) for kind in KINDS
        ]
        for user, password, expected in (("hall", "a", ["frame"]), ("boss", "b", ["frame", "config"])):
            mine = Credentials(user=user, password_file=secret_file(tmp_path / user, password))
            other = Network((endpoint,), credentials=mine)
            await other.open()
            while not await ask(other.session, f"{FRONT}/frame"):
                await asyncio.sleep(0.01)
            asked = [f"{camera}/{kind}" for camera in (FRONT, BACK) for kind in ("frame", "config")]
            answered = [key for key in asked if await ask(other.session, key, b"{}")]
            assert answered == [f"{FRONT}/{kind}" for kind in expected]
            await other.close()
        for place in places:
            place.undeclare()
        await network.close()

    run(main)


def answer(query):
    query.reply(query.key_expr, b"here")
