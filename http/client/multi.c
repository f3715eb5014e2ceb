/* multi: curl multi handles on libuv, each with a bounded number of transfers and a timer. Curl is entered here, and
 * its results are collected. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client_core.h"
#include "http/client/handle.h"

enum { IDLE_FACTOR = 4 /* connections that curl keeps for each transfer there may be: as many as by its own rule */ };

/* ---- Driving curl ---- */

static void multi_collect_done(client_multi *m)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(m->curl, &left))) {
        if (message->msg == CURLMSG_DONE) {
            if (message->easy_handle == m->client->sweeper)
                idle_sweep_done(m->client);
            else
                transfer_on_done(message->easy_handle, message->data.result);
        }
    }
}

void multi_run(client_multi *m, curl_socket_t fd, int events)
{
    int running;
    CURLMcode rc = curl_multi_socket_action(m->curl, fd, events, &running);
    if (rc != CURLM_OK && rc != CURLM_BAD_SOCKET) {
        m->broken = true; /* out of memory: curl_multi_perform makes each of its transfers fail */
        (void)curl_multi_perform(m->curl, &running);
    }
    multi_collect_done(m);
    client_tell_news(m->client);
}

static void multi_on_timer(uv_timer_t *h) { multi_run(h->data, CURL_SOCKET_TIMEOUT, 0); }

static int multi_on_timer_change(CURLM *curl, long ms, void *arg)
{
    client_multi *m = arg;
    (void)curl;
    if (ms < 0) return uv_timer_stop(&m->timer) == 0 ? 0 : -1;
    return uv_timer_start(&m->timer, multi_on_timer, (uint64_t)ms, 0) == 0 ? 0 : -1;
}

/* ---- Making ---- */

static client_multi *multi_new(http_client *c)
{
    client_multi *m = calloc(1, sizeof *m);
    CURLM *curl = m ? curl_multi_init() : NULL;
    if (!curl || !handle_prepare_multi(curl) || uv_timer_init(c->loop, &m->timer) != 0) {
        if (curl) (void)curl_multi_cleanup(curl);
        free(m);
        return NULL;
    }
    m->client = c;
    m->curl = curl;
    m->timer.data = m;
    c->handles_open++;
    bool ok = curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, socket_change) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, multi_on_timer_change) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_TIMERDATA, m) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, (long)(IDLE_FACTOR * c->options.transfers_per_handle)) ==
                  CURLM_OK;
    if (ok) return m;
    multi_free(m);
    return NULL;
}

bool multi_has_room(const client_multi *m)
{
    return !m->broken && m->running < m->client->options.transfers_per_handle;
}

static client_multi *multi_add(http_client *c)
{
    client_multi **all = realloc(c->multis, (c->multi_count + 1) * sizeof(client_multi *));
    if (!all) return NULL;
    c->multis = all;
    client_multi *m = multi_new(c);
    if (!m) return NULL;
    m->index = c->multi_count;
    return all[c->multi_count++] = m;
}

client_multi *multi_next_with_room(http_client *c, size_t *at)
{
    assert(c->multi_first_free <= c->multi_count);
    while (c->multi_first_free < c->multi_count && !multi_has_room(c->multis[c->multi_first_free]))
        c->multi_first_free++;
    if (*at < c->multi_first_free) *at = c->multi_first_free;
    while (*at < c->multi_count && !multi_has_room(c->multis[*at])) ++*at;
    return *at < c->multi_count ? c->multis[(*at)++] : multi_add(c);
}

void multi_transfer_left(client_multi *m)
{
    assert(m->running > 0);
    assert(m->client->multis[m->index] == m);
    m->running--;
    if (m->index < m->client->multi_first_free) m->client->multi_first_free = m->index;
}

static void multi_on_closed(uv_handle_t *h)
{
    client_multi *m = h->data;
    http_client *c = m->client;
    free(m);
    client_handle_closed(c);
}

void multi_free(client_multi *m)
{
    assert(m->running == 0);
    assert(m->client->sweeping != m);
    (void)curl_multi_cleanup(m->curl);
    (void)uv_timer_stop(&m->timer);
    uv_close((uv_handle_t *)&m->timer, multi_on_closed);
}
