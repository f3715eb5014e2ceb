// ky.
import ky from 'ky';
import { MODE, answerOf, serve } from './calls.mjs';

const settings = {
  plain: {},
  follow: { timeout: false },
  longer: { timeout: false, redirect: 'manual', throwHttpErrors: false },
}[MODE];

serve(async (method, url, headers, json) => {
  let response = await ky(url, { method, headers, json, ...settings }).catch((error) => error.response ?? Promise.reject(error));
  if (MODE === 'longer') while (response.status === 303) response = await ky(response.headers.get('location'), { headers, ...settings });
  return answerOf(response);
});
