// The npm package eventsource, on the endpoint.
import { EventSource } from 'eventsource';
import { EVENTS, serve, streamOf } from './calls.mjs';

serve((method, url) => new Promise((done, fail) => {
  const events = [];
  const source = new EventSource(url);
  source.onerror = (error) => {
    source.close();
    fail(new Error(`${error.code ?? ''} ${error.message ?? ''}`));
  };
  for (const name of EVENTS)
    source.addEventListener(name, (e) => {
      events.push({ id: e.lastEventId, event: e.type, data: e.data });
      if (name !== 'inngest.response') return;
      source.close();
      done(streamOf(events, url));
    });
}));
