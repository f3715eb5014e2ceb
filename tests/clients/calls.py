"""What the Python clients share: each line of standard input, "METHOD URL KIND", is a call; its answer is a line too
(matrix.py says what it holds)."""
import base64
import sys

MODE = sys.argv[1]  # plain: as the client comes; the others: with what known.py says


def line_of(words):
    return "\t".join(" ".join(str(word or "").split()) for word in words)


def serve(call):
    """call(method, url, headers, json body or None) gives (status, headers, bytes, final URL)."""
    for line in sys.stdin:
        method, url, kind = line.split()
        headers = {"Accept": "text/event-stream"} if kind == "stream" else {}
        try:
            status, fields, body, at = call(method, url, headers, {"n": 1} if method == "POST" else None)
            words = status, fields.get("Content-Type"), fields.get("X-Answer"), base64.b64encode(body).decode(), at
        except Exception as error:  # whatever the client raises is what its user gets
            words = "error", f"{type(error).__name__}: {error}"
        print(line_of(words), flush=True)
