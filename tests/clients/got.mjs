// got.
import got from 'got';
import { MODE, serve } from './calls.mjs';

const settings = { plain: {}, longer: { maxRedirects: 1000 }, failing: { retry: { limit: 0 } } }[MODE];

serve(async (method, url, headers, json) => {
  const asked = { method, headers, json, responseType: 'buffer', ...settings };
  const response = await got(url, asked).catch((error) =>
    error.name === 'HTTPError' ? error.response : Promise.reject(error),
  );
  return { status: response.statusCode, headers: response.headers, bytes: response.rawBody, url: response.url };
});
