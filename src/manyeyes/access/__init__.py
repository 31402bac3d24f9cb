"""Access: who may see and change what. Only the host has it; a cam has its token (oncam/access.py).

    guard       each request passes it: is it ours, from where, by whom, and may they
     ├ origins      names of this server, other sites' pages (DNS rebinding, CSRF, CORS)
     ├ credentials  a password, a token, a cookie or a link becomes a grant
     │  ├ users         the file with the users
     │  ├ passwords     scrypt, in threads
     │  ├ sessions      who has signed in
     │  ├ links         signed URLs that expire
     │  └ throttle      who guesses has to wait
     └ roles        what each route wants

An open stream keeps its grant, and delivery asks it once a second whether it still holds: that is all there is to
revocation. Nothing here opens a socket; `server.py` puts the guard before the app.
"""
