/* raw_curl: the least that calls through libcurl can cost: multi handles of 64 transfers each on one libuv loop, every
 * transfer started again as soon as it is done, nothing copied, nothing limited. The figure that bench_client and the
 * fan-out of Stepwell are compared with, once its connections are open. With WIDTH the calls are fan-outs of as many:
 * a fan-out begins again once all its calls are done; fan-outs a second and how long they take are printed too.
 * raw_curl [--hosts N] [--http2] [--waves N,...] URL IN_FLIGHT SECONDS [WIDTH]
 * --hosts: instead of 127.0.0.1, call the first N of 127.0.0.1, 127.0.0.2, ... in turn. --http2: over TLS, and each
 * handle has the transfers of one session: 50 calls to one host. --waves: a fan-out has several waves of so many calls,
 * at most WIDTH, each begun when the one before is done. SSL_CERT_FILE names the authority that is trusted. */
#include <curl/curl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    TRANSFERS_PER_HANDLE = 64,
    SESSION_TRANSFERS = 50,
    SAMPLES_MAX = 1 << 20,
    HOSTS_MAX = 200,
    WAVES_MAX = 16,
    URL_MAX = 512
};

typedef struct multi {
    CURLM *curl;
    uv_timer_t timer;
} multi;

/* Calls that begin together. */
typedef struct fan {
    struct transfer *calls; /* `width` of them */
    size_t left;            /* calls that are not done */
    size_t wave;            /* the one under way */
    uint64_t start_ns;
} fan;

typedef struct transfer {
    CURL *easy;
    multi *owner;
    fan *of; /* NULL: a call of its own */
} transfer;

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
static size_t width;                        /* 0: no fan-outs */
static size_t waves[WAVES_MAX], wave_count; /* calls of each; without --waves there is one, of all */
static double *fan_ms; /* how long the first SAMPLES_MAX fan-outs took that began after the warm-up */
static size_t fans_done;
static size_t hosts = 1;
static bool http2;
static CURLSH *share; /* TLS sessions of all handles */

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

static void again(transfer *t) { must(curl_multi_add_handle(t->owner->curl, t->easy) == CURLM_OK, "restart"); }

static void fan_begin_wave(fan *f)
{
    f->left = waves[f->wave];
    for (size_t i = 0; i < f->left; i++) again(&f->calls[i]);
}

/* A call of the fan-out is done; after its last one it begins again. */
static void fan_step(fan *f)
{
    if (--f->left > 0) return;
    if (++f->wave < wave_count) {
        fan_begin_wave(f);
        return;
    }
    uint64_t now = uv_hrtime();
    if (warm_up == 0 && f->start_ns >= start_ns && fans_done < SAMPLES_MAX)
        fan_ms[fans_done++] = (double)(now - f->start_ns) / 1e6;
    f->start_ns = now;
    f->wave = 0;
    fan_begin_wave(f);
}

static void collect(multi *m)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(m->curl, &left))) {
        CURL *easy = message->easy_handle;
        long status = 0;
        transfer *t = NULL;
        bool ok = message->data.result == CURLE_OK &&
                  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status >= 200 && status < 300;
        must(curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t) == CURLE_OK && t, "transfer");
        count(ok);
        must(curl_multi_remove_handle(m->curl, easy) == CURLM_OK, "end");
        if (t->of)
            fan_step(t->of);
        else
            again(t);
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

static multi *multi_new(void)
{
    multi *m = calloc(1, sizeof *m);
    must(m && (m->curl = curl_multi_init()) && uv_timer_init(loop, &m->timer) == 0, "multi");
    m->timer.data = m;
    must(curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket_change) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timer_change) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m) == CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_PIPELINING, http2 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING) ==
                 CURLM_OK &&
             curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)TRANSFERS_PER_HANDLE) == CURLM_OK,
         "multi options");
    return m;
}

/* Writes the URL with the host in place of 127.0.0.1. */
static void put_host(char *to, const char *url, size_t host)
{
    static const char first[] = "127.0.0.1";
    const char *at = strstr(url, first);
    must(hosts == 1 || at, "--hosts needs a URL of 127.0.0.1");
    int n = at ? snprintf(to, URL_MAX, "%.*s127.0.0.%zu%s", (int)(at - url), url, host + 1, at + sizeof first - 1)
               : snprintf(to, URL_MAX, "%s", url);
    must(n > 0 && n < URL_MAX, "URL");
}

static void transfer_start(transfer *t, const char *url)
{
    const char *authority = getenv("SSL_CERT_FILE");
    long version = http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    t->easy = curl_easy_init();
    must(t->easy && curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
             curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK &&
             curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
             curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
             curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
             curl_easy_setopt(t->easy, CURLOPT_PIPEWAIT, http2 ? 1L : 0L) == CURLE_OK &&
             curl_easy_setopt(t->easy, CURLOPT_SHARE, share) == CURLE_OK &&
             (!authority || curl_easy_setopt(t->easy, CURLOPT_CAINFO, authority) == CURLE_OK) &&
             curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK,
         "transfer");
    again(t);
}

/* The multi for one more transfer to the host: with HTTP/2 one that has only this host's. */
static multi *find_multi(size_t host)
{
    static struct {
        multi *now;
        size_t used;
    } of[HOSTS_MAX];
    size_t at = http2 ? host : 0, most = http2 ? SESSION_TRANSFERS : TRANSFERS_PER_HANDLE;
    if (of[at].used++ % most == 0) of[at].now = multi_new();
    return of[at].now;
}

static void start_all(const char *url, size_t in_flight)
{
    char host_url[URL_MAX];
    transfer *all = calloc(in_flight, sizeof *all);
    fan *fans = width > 0 ? calloc(in_flight / width, sizeof *fans) : NULL;
    fan_ms = malloc(SAMPLES_MAX * sizeof *fan_ms);
    must(all && fan_ms && (fans || width == 0), "memory");
    for (size_t i = 0; i < in_flight; i++) {
        all[i].owner = find_multi(i % hosts);
        if (fans) {
            all[i].of = &fans[i / width];
            if (i % width == 0)
                fans[i / width] =
                    (fan){.calls = &all[i], .left = width, .wave = wave_count - 1, .start_ns = uv_hrtime()};
        }
        put_host(host_url, url, i % hosts);
        transfer_start(&all[i], host_url);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_fans(double took)
{
    qsort(fan_ms, fans_done, sizeof *fan_ms, compare);
    printf("%.2f fans/s, p50 %.2f ms, p99 %.2f ms\n", (double)fans_done / took, fan_ms[fans_done / 2],
           fan_ms[fans_done * 99 / 100]);
}

static void read_waves(const char *text)
{
    for (char *behind; *text; text = *behind ? behind + 1 : behind) {
        must(wave_count < WAVES_MAX, "--waves: at most 16");
        waves[wave_count++] = strtoul(text, &behind, 10);
    }
}

static void read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"hosts", 1, NULL, 'h'}, {"http2", 0, NULL, '2'}, {"waves", 1, NULL, 'w'}, {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        must(o == 'h' || o == '2' || o == 'w', "--hosts N, --http2 and --waves N,... are known");
        if (o == 'w') read_waves(optarg);
        if (o == 'h') hosts = strtoul(optarg, NULL, 10);
        if (o == '2') http2 = true;
    }
    int left = argc - optind;
    must(left == 3 || left == 4, "usage: raw_curl [--hosts N] [--http2] [--waves N,...] URL IN_FLIGHT SECONDS [WIDTH]");
    must(hosts >= 1 && hosts <= HOSTS_MAX, "--hosts is from 1 to 200");
    seconds = strtoull(argv[optind + 2], NULL, 10);
    width = left == 4 ? strtoul(argv[optind + 3], NULL, 10) : 0;
    if (wave_count == 0) waves[wave_count++] = width;
    for (size_t i = 0; i < wave_count; i++)
        must(waves[i] <= width && (waves[i] > 0 || width == 0), "--waves: from 1 to WIDTH calls each");
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    size_t in_flight = strtoul(argv[optind + 1], NULL, 10);
    warm_up = in_flight;
    must(in_flight > 0 && seconds > 0, "IN_FLIGHT and SECONDS are at least 1");
    must(width == 0 || in_flight % width == 0, "IN_FLIGHT is a multiple of WIDTH");
    loop = uv_default_loop();
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && uv_timer_init(loop, &end) == 0 &&
             (share = curl_share_init()) &&
             curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK,
         "curl");
    start_all(argv[optind], in_flight);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    double took = (double)(uv_hrtime() - start_ns) / 1e9;
    printf("%.0f calls/s, %zu in flight, %llu failed\n", (double)done / took, in_flight, failed);
    if (fans_done > 0) print_fans(took);
    return failed > 0 || done == 0 || (width > 0 && fans_done == 0);
}
