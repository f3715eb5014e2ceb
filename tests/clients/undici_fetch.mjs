// fetch of the npm package undici.
import { Agent, fetch } from 'undici';
import { MODE, answerOf, json, serve } from './calls.mjs';

const patient = MODE === 'longer' ? { dispatcher: new Agent({ headersTimeout: 0 }) } : {};

serve(async (method, url, headers, body) => {
  if (MODE === 'plain') return answerOf(await fetch(url, { method, ...json(headers, body) }));
  let response = await fetch(url, { method, redirect: 'manual', ...patient, ...json(headers, body) });
  while (response.status === 303)
    response = await fetch(response.headers.get('location'), { headers, redirect: 'manual', ...patient });
  return answerOf(response);
});
