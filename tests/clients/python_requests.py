"""requests."""
import requests

from calls import MODE, serve

session = requests.Session()
if MODE == "longer":
    session.max_redirects = 1000


def call(method, url, headers, body):
    response = session.request(method, url, headers=headers, json=body)
    return response.status_code, response.headers, response.content, response.url


serve(call)
