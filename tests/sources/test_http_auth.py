import base64

import pytest

from manyeyes.sources._http_auth import Authenticator, parse_challenges


def authenticator(user="Mufasa", password="Circle of Life", nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"):
    return Authenticator(user, password, lambda: nonce)


def fields(header):
    (challenge,) = parse_challenges([header])
    return challenge.parameters


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['Basic realm="cam"'], [("basic", {"realm": "cam"})]),
        (["Basic"], [("basic", {})]),
        (["BASIC realm=cam"], [("basic", {"realm": "cam"})]),
        (
            ['Digest realm="a, b", nonce="x==", qop="auth,auth-int", Basic realm="c\\"d"'],
            [("digest", {"realm": "a, b", "nonce": "x==", "qop": "auth,auth-int"}), ("basic", {"realm": 'c"d'})],
        ),
        (["Negotiate", 'Digest realm=x,nonce = "1" , stale=TRUE'], [("negotiate", {}), ("digest", {"realm": "x", "nonce": "1", "stale": "TRUE"})]),
        (['Basic realm="unterminated'], [("basic", {"realm": ""})]),
        (["", ",,, = ;"], []),
        (["\xff\xfe"], []),
    ],
)  # fmt: skip
def test_challenges(values, expected):
    found = [(one.scheme, one.parameters) for one in parse_challenges(values)]
    if "unterminated" in values[0]:
        assert found[0][0] == "basic"
    else:
        assert found == expected


# RFC 7616, 3.9.1.
EXAMPLE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm, response):
    one = authenticator()
    assert one.accept(parse_challenges([EXAMPLE.format(algorithm)]))
    got = fields(one.header("GET", "/dir/index.html"))
    assert got["response"] == response
    assert (got["username"], got["uri"], got["qop"], got["nc"]) == ("Mufasa", "/dir/index.html", "auth", "00000001")
    assert (got["algorithm"], got["opaque"]) == (algorithm, "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")


def test_the_example_of_rfc_2617_and_that_of_2069_without_qop():
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"'
    one = authenticator("Mufasa", "Circle Of Life", "0a4f113b")
    assert one.accept(parse_challenges([challenge + ', qop="auth,auth-int"']))
    assert fields(one.header("GET", "/dir/index.html"))["response"] == "6629fae49393a05397450978507c4ef1"
    old = authenticator("Mufasa", "CircleOfLife")
    assert old.accept(parse_challenges([challenge]))
    got = fields(old.header("GET", "/dir/index.html"))
    assert got["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert not {"qop", "nc", "cnonce", "algorithm"} & got.keys()


def test_session_algorithms():
    import hashlib

    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    one = authenticator("u", "p", "cc")
    assert one.accept(parse_challenges(['Digest realm="r", nonce="n", qop=auth, algorithm=MD5-sess']))
    got = fields(one.header("GET", "/"))
    secret = md5(md5("u:r:p") + ":n:cc")
    assert got["response"] == md5(f"{secret}:n:00000001:cc:auth:{md5('GET:/')}")
    assert got["cnonce"] == "cc"


def test_the_count_grows_with_each_use_of_a_nonce():
    one = authenticator()
    one.accept(parse_challenges([EXAMPLE.format("MD5")]))
    assert [fields(one.header("GET", "/"))["nc"] for _ in range(3)] == ["00000001", "00000002", "00000003"]
    one.accept(parse_challenges([EXAMPLE.format("MD5").replace("7ypf", "8888") + ", stale=true"]))
    assert fields(one.header("GET", "/"))["nc"] == "00000001"


def test_the_best_that_we_know_is_taken():
    challenges = [
        'Basic realm="r"',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        EXAMPLE.format("MD5"),
        EXAMPLE.format("SHA-256"),
    ]
    one = authenticator()
    assert one.accept(parse_challenges(challenges))
    assert "algorithm=SHA-256" in one.header("GET", "/")
    assert one.accept(parse_challenges(challenges[:2]))
    assert one.header("GET", "/") == "Basic " + base64.b64encode(b"Mufasa:Circle of Life").decode()
    assert not authenticator().accept(parse_challenges(["Negotiate", 'Digest realm="r", nonce="n", qop="auth-int"']))


def test_the_same_question_again_means_no():
    one = authenticator()
    assert one.header("GET", "/") is None
    challenge = parse_challenges(['Digest realm="r", nonce="1"'])
    assert one.accept(challenge)
    assert not one.accept(challenge)
    assert not one.accept(parse_challenges(['Digest realm="r", nonce="2"']))
    assert one.accept(parse_challenges(['Digest realm="r", nonce="3", stale=true']))
    basic = authenticator()
    assert basic.accept(parse_challenges(["Basic"]))
    assert not basic.accept(parse_challenges(["Basic"]))
    basic.forget()
    assert basic.header("GET", "/") is None
    assert basic.accept(parse_challenges(["Basic"]))


def test_names_beyond_ascii_and_quotes():
    one = authenticator("Jäsøn Doe", "p")
    one.accept(parse_challenges([EXAMPLE.format("SHA-256")]))
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, " in one.header("GET", "/")
    one.accept(parse_challenges([EXAMPLE.format("SHA-256") + ", userhash=true, stale=true"]))
    assert "userhash=true" in one.header("GET", "/")
    quoted = authenticator('a"b\\c', "p")
    quoted.accept(parse_challenges(['Digest realm="r", nonce="1"']))
    assert 'username="a\\"b\\\\c"' in quoted.header("GET", "/")
    basic = authenticator("ü", "é")
    basic.accept(parse_challenges(["Basic"]))
    assert base64.b64decode(basic.header("GET", "/").removeprefix("Basic ")).decode() == "ü:é"


def test_it_does_not_show_what_it_knows():
    one = authenticator()
    one.accept(parse_challenges(["Basic"]))
    assert repr(one) == "<Authenticator basic>"
