"""Access: with a `token` in the settings, every route wants it.

`?token=...`, which a person can put into a bookmark and the page carries on, or `Authorization: Bearer ...`.
The token is not shown, logged or sent back. On plain HTTP whoever can listen on the network can read
it: it keeps out the curious, not an eavesdropper.
"""

from manyeyes.web.app import fault

_ASK = "a token is needed: add ?token=... to the address, or send the header Authorization: Bearer ..."


def same(given, secret):
    """Compare two texts in a time that says nothing about where they differ."""
    ours, theirs = secret.encode(), given.encode()
    difference = len(ours) ^ len(theirs)
    for i in range(len(theirs)):
        difference |= theirs[i] ^ ours[i % len(ours)]
    return difference == 0


def guard(app, token):
    """Have the app answer 401 to every request without the token; to every request where that is None."""

    async def check(request):
        given = request.args.get("token")
        if given is None:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                given = ""
        if token is not None and same(given.strip(), token):
            return None
        return fault(401, _ASK, {"WWW-Authenticate": "Bearer"})

    app.before_request(check)
