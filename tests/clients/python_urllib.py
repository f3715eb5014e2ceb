"""Python's urllib.request."""
import json
import urllib.error
import urllib.request

from calls import MODE, serve


class Patient(urllib.request.HTTPRedirectHandler):
    max_redirections = 1000


if MODE == "longer":
    urllib.request.install_opener(urllib.request.build_opener(Patient))


def call(method, url, headers, body):
    data = None
    if body:
        data, headers = json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method))
    except urllib.error.HTTPError as error:
        if error.status < 400:
            raise  # too many redirects
        response = error
    with response:
        return response.status, response.headers, response.read(), response.url


serve(call)
