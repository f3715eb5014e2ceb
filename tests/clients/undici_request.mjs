// request of the npm package undici.
import { Agent, interceptors, request } from 'undici';
import { MODE, json, serve } from './calls.mjs';

const settings = {
  plain: {},
  follow: { dispatcher: new Agent().compose(interceptors.redirect({ maxRedirections: 20 })) },
  longer: { dispatcher: new Agent({ headersTimeout: 0 }).compose(interceptors.redirect({ maxRedirections: 1000 })) },
}[MODE];

serve(async (method, url, headers, body) => {
  const response = await request(url, { method, ...settings, ...json(headers, body) });
  const bytes = await response.body.arrayBuffer();
  return { status: response.statusCode, headers: response.headers, bytes, url: response.context?.history?.at(-1) };
});
