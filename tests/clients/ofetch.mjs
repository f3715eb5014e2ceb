// ofetch.
import { ofetch } from 'ofetch';
import { MODE, serve } from './calls.mjs';

const settings = { plain: {}, longer: { redirect: 'manual' }, failing: { retry: 0 } }[MODE];
const ask = (url, asked) => ofetch.raw(url, { responseType: 'arrayBuffer', ...asked, ...settings });

serve(async (method, url, headers, body) => {
  let response = await ask(url, { method, headers, body }).catch((error) => error.response ?? Promise.reject(error));
  if (MODE === 'longer')
    while (response.status === 303) response = await ask(response.headers.get('location'), { headers });
  return { status: response.status, headers: response.headers, bytes: response._data ?? '', url: response.url };
});
