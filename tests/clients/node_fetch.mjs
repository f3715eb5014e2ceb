// fetch of Node.js. Its 20 redirects are a limit of the standard; beyond them one follows by oneself.
import { MODE, answerOf, json, serve } from './calls.mjs';

serve(async (method, url, headers, body) => {
  if (MODE === 'plain') return answerOf(await fetch(url, { method, ...json(headers, body) }));
  let response = await fetch(url, { method, redirect: 'manual', ...json(headers, body) });
  while (response.status === 303)
    response = await fetch(response.headers.get('location'), { headers, redirect: 'manual' });
  return answerOf(response);
});
