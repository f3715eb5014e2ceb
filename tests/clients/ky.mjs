// ky.
import ky from 'ky';
import { MODE, answerOf, serve } from './calls.mjs';

const settings = {
  plain: {},
  follow: { timeout: false },
  failing: { timeout: false, retry: 0 },
  longer: { timeout: false, redirect: 'manual', throwHttpErrors: false },
}[MODE];

serve(async (method, url, headers, json) => {
  let response;
  try {
    response = await ky(url, { method, headers, json, ...settings });
  } catch (error) {
    if (!error.response) throw error;
    return {
      status: error.response.status,
      headers: error.response.headers,
      bytes: JSON.stringify(error.data),
      url: error.response.url,
    };
  }
  if (MODE === 'longer')
    while (response.status === 303) response = await ky(response.headers.get('location'), { headers, ...settings });
  return answerOf(response);
});
