"""aiohttp."""
import asyncio

import aiohttp

from calls import MODE, serve

timeout = {"timeout": aiohttp.ClientTimeout(total=None)} if MODE == "longer" else {}
redirects = {"max_redirects": 1000} if MODE == "longer" else {}


async def ask(method, url, headers, body):
    async with aiohttp.ClientSession(**timeout) as session:
        async with session.request(method, url, headers=headers, json=body, **redirects) as response:
            return response.status, response.headers, await response.read(), response.url


serve(lambda *asked: asyncio.run(ask(*asked)))
