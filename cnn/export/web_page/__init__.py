"""A web page with a net in it: what is drawn on it is read while one draws, and every number can be followed.

The page is `page.html`, with `page.css` and the JavaScript files beside this one joined into it: a file a subject, in
the order of `SCRIPTS` in `join.py`. It needs no network and no server.
"""
