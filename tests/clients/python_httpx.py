"""httpx."""
import httpx

from calls import MODE, serve

settings = {
    "plain": {},
    "follow": {"follow_redirects": True, "timeout": None},
    "longer": {"follow_redirects": True, "timeout": None, "max_redirects": 1000},
}[MODE]


def call(method, url, headers, body):
    with httpx.Client(**settings) as client:
        response = client.request(method, url, headers=headers, json=body)
    return response.status_code, response.headers, response.content, response.url


serve(call)
