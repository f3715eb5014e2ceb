// superagent.
import superagent from 'superagent';
import { MODE, serve } from './calls.mjs';

serve(async (method, url, headers, body) => {
  const asked = superagent(method, url).set(headers).buffer(true);
  if (MODE === 'longer') asked.redirects(1000);
  const response = await (body ? asked.send(body) : asked).catch((error) => error.response ?? Promise.reject(error));
  return {
    status: response.status,
    headers: response.headers,
    bytes: response.text ?? response.body,
    url: response.redirects.at(-1),
  };
});
