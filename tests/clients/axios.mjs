// axios.
import axios from 'axios';
import { MODE, serve } from './calls.mjs';

const settings = MODE === 'longer' ? { maxRedirects: 1000 } : {};

serve(async (method, url, headers, data) => {
  const asked = { method, url, headers, data, responseType: 'arraybuffer', ...settings };
  const response = await axios(asked).catch((error) => error.response ?? Promise.reject(error));
  return {
    status: response.status,
    headers: response.headers,
    bytes: response.data,
    url: response.request.res.responseUrl,
  };
});
