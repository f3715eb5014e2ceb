/* raw_curl: the least that calls through libcurl can cost: multi handles of 64 transfers each on one libuv loop, every
 * transfer started again as soon as it is done, nothing copied, nothing limited. The figure that bench_client and the
 * fan-out of Stepwell are compared with, once its connections are open.   raw_curl URL IN_FLIGHT SECONDS */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum { TRANSFERS_PER_HANDLE = 64 };

typedef struct multi {
    CURLM *curl;
    uv_timer_t timer;
} multi;

typedef struct watch {
    uv_poll_t poll;
    multi *owner;
    int fd;
} watch;

static uv_loop_t *loop;
static unsigned long long done, failed;
static size_t warm_up; /* calls still to be made before any counts: as many as are in flight, which open connections */
static uint64_t seconds, start_ns;
static uv_timer_t end;

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "raw_curl: %s\n", what);
    exit(1);
}

static void on_end(uv_timer_t *t) { uv_stop(t->loop); }

static void count(bool ok)
{
    failed += !ok;
    if (warm_up == 0) {
        done += ok;
    } else if (--warm_up == 0) {
        start_ns = uv_hrtime();
        must(uv_timer_start(&end, on_end, seconds * 1000, 0) == 0, "timer");
    }
}

static void collect(multi *m)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(m->curl, &left))) {
        CURL *easy = message->easy_handle;
        long status = 0;
        bool ok = message->data.result == CURLE_OK &&
                  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
        count(ok);
        must(curl_multi_remove_handle(m->curl, easy) == CURLM_OK && curl_multi_add_handle(m->curl, easy) == CURLM_OK,
             "restart");
    }
}

static void run(multi *m, curl_socket_t fd, int events)
{
    int running;
    must(curl_multi_socket_action(m->curl, fd, events, &running) == CURLM_OK, "socket_action");
    collect(m);
}

static void on_timer(uv_timer_t *t) { run(t->data, CURL_SOCKET_TIMEOUT, 0); }

static int on_timer_change(CURLM *curl, long ms, void *arg)
{
    multi *m = arg;
    (void)curl;
    return ms < 0 ? uv_timer_stop(&m->timer) : uv_timer_start(&m->timer, on_timer, (uint64_t)ms, 0);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    watch *w = p->data;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    run(w->owner, w->fd, status < 0 ? CURL_CSELECT_ERR : flags);
}

static void on_watch_closed(uv_handle_t *h) { free(h->data); }

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    multi *m = arg;
    watch *w = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        return curl_multi_assign(m->curl, fd, NULL) == CURLM_OK ? 0 : -1;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        must(w && uv_poll_init_socket(loop, &w->poll, fd) == 0, "poll");
        w->poll.data = w;
        w->owner = m;
        w->fd = fd;
        must(curl_multi_assign(m->curl, fd, w) == CURLM_OK, "assign");
    }
    int wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, wanted, on_poll);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void multi_start(const char *url, size_t transfers)
{
    multi *m = calloc(1, sizeof *m);
    must(m && (m->curl = curl_multi_init()) && uv_timer_init(loop, &m->timer) == 0, "multi");
    m->timer.data = m;
    must(curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket_change) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timer_change) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)TRANSFERS_PER_HANDLE) == CURLM_OK,
         "multi options");
    for (size_t i = 0; i < transfers; i++) {
        CURL *easy = curl_easy_init();
        must(easy && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                 curl_multi_add_handle(m->curl, easy) == CURLM_OK,
             "transfer");
    }
}

int main(int argc, char **argv)
{
    must(argc == 4, "usage: raw_curl URL IN_FLIGHT SECONDS");
    size_t in_flight = strtoul(argv[2], NULL, 10);
    seconds = strtoull(argv[3], NULL, 10);
    warm_up = in_flight;
    must(in_flight > 0 && seconds > 0, "IN_FLIGHT and SECONDS are at least 1");
    loop = uv_default_loop();
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "curl");
    for (size_t left = in_flight; left > 0;) {
        size_t n = left < TRANSFERS_PER_HANDLE ? left : TRANSFERS_PER_HANDLE;
        multi_start(argv[1], n);
        left -= n;
    }
    must(uv_timer_init(loop, &end) == 0, "timer");
    (void)uv_run(loop, UV_RUN_DEFAULT);
    double took = (double)(uv_hrtime() - start_ns) / 1e9;
    printf("%.0f calls/s, %zu in flight, %llu failed\n", (double)done / took, in_flight, failed);
    return failed > 0 || done == 0;
}
