#include "runtime/trace/exporter.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client/handle.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/base/retry.h"
#include "runtime/trace/gzip.h"
#include "runtime/trace/otlp.h"

enum {
    ANSWER_MAX = 4096, /* bytes of an answer that are looked at; the rest is passed over */
    QUOTED_MAX = 400,  /* of these, in the log */
    TEND_MS = 1000,
    PAUSE_FIRST_MS = 1000, /* before a batch is sent again; doubles */
    PAUSE_MOST_MS = 30000,
    GIVE_UP_MS = 300000, /* a batch is sent again for so long */
    SAY_AGAIN_MS = 60000 /* between two lines about exports that fail */
};

struct exporter {
    spool *spool;
    const trace_env *env;
    pthread_t thread;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    span **batch; /* env->batch_max */
    size_t batch_count;
    msgpack_sbuffer body; /* of the batch, as it is posted */
    msgpack_sbuffer text; /* of the batch, which is packed to `body` */
    char answer[ANSWER_MAX + 1];
    size_t answer_len;
    int64_t retry_after_ms;   /* asked for by the last answer; -1: not */
    bool is_failing;          /* the last export failed */
    int64_t said_ms;          /* when that was last logged */
    int64_t refusal_said_ms;  /* when a part that was refused was last logged; 0: never */
    bool wakes, stops;        /* atomic */
    int64_t stop_at_ms;       /* with `stops`, atomic: steady */
    exporter_figures figures; /* each atomic */
};

static void figure_add(uint64_t *n, uint64_t by) { __atomic_fetch_add(n, by, __ATOMIC_RELAXED); }

static bool exporter_stops(const exporter *e) { return __atomic_load_n(&e->stops, __ATOMIC_ACQUIRE); }

/* How long the thread may go on; INT64_MAX: nobody wants it to stop. */
static int64_t exporter_left_ms(const exporter *e)
{
    if (!exporter_stops(e)) return INT64_MAX;
    int64_t left_ms = __atomic_load_n(&e->stop_at_ms, __ATOMIC_ACQUIRE) - clock_steady_ms();
    return left_ms > 0 ? left_ms : 0;
}

/* ---- One export ---- */

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
    exporter *e = arg;
    size_t room = ANSWER_MAX - e->answer_len, len = size * n;
    size_t taken = len < room ? len : room;
    memcpy(e->answer + e->answer_len, data, taken);
    e->answer_len += taken;
    e->answer[e->answer_len] = 0;
    return len;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    static const char name[] = "retry-after:";
    char value[64];
    exporter *e = arg;
    size_t len = size * n, name_len = sizeof name - 1;
    if (len <= name_len || len - name_len >= sizeof value || strncasecmp(data, name, name_len) != 0) return len;
    size_t value_len = len - name_len;
    memcpy(value, data + name_len, value_len);
    value[value_len] = 0;
    value[strcspn(value, "\r\n")] = 0;
    e->retry_after_ms = retry_after_ms(NULL, value + strspn(value, " \t"), clock_wall_ms());
    return len;
}

/* Runs the transfer until it is over, or there is no time left. */
static CURLcode exporter_perform(exporter *e)
{
    int running = 1, left = 0;
    CURLcode result = CURLE_OPERATION_TIMEDOUT;
    if (curl_multi_add_handle(e->multi, e->easy) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    while (curl_multi_perform(e->multi, &running) == CURLM_OK && running > 0) {
        int64_t left_ms = exporter_left_ms(e);
        if (left_ms == 0) break;
        (void)curl_multi_poll(e->multi, NULL, 0, left_ms < TEND_MS ? (int)left_ms : TEND_MS, NULL);
        spool_tend(e->spool);
    }
    const CURLMsg *message = running > 0 ? NULL : curl_multi_info_read(e->multi, &left);
    if (message && message->msg == CURLMSG_DONE) result = message->data.result;
    (void)curl_multi_remove_handle(e->multi, e->easy);
    return result;
}

static bool exporter_encode(exporter *e)
{
    const otlp_batch batch = {
        .resource = &e->env->resource, .spans = (const span *const *)e->batch, .count = e->batch_count};
    msgpack_sbuffer *to = e->env->is_gzip ? &e->text : &e->body;
    to->size = 0;
    bool is_written = e->env->is_json ? otlp_write_json(to, &batch) : otlp_write_protobuf(to, &batch);
    return is_written && (!e->env->is_gzip || gzip_pack(&e->body, to->data, to->size));
}

static bool status_is_passing(long status) { return status == 429 || status == 502 || status == 503 || status == 504; }

/* Says that exports fail, once a minute, and that they do no more. */
static void exporter_say(exporter *e, CURLcode result, long status)
{
    const bool fails = result != CURLE_OK || status < 200 || status > 299;
    const bool was_failing = e->is_failing;
    const int64_t now_ms = clock_steady_ms();
    e->is_failing = fails;
    if (!fails && was_failing) log_line(LOG_INFO, NULL, "traces: %s takes spans again", e->env->shown_url);
    if (!fails || (was_failing && now_ms - e->said_ms < SAY_AGAIN_MS)) return;
    e->said_ms = now_ms;
    if (result != CURLE_OK)
        log_line(LOG_WARN, NULL, "traces: %s takes no spans: %s", e->env->shown_url, curl_easy_strerror(result));
    else
        log_line(LOG_WARN, NULL, "traces: %s takes no spans: %ld %.*s", e->env->shown_url, status, QUOTED_MAX,
                 e->answer);
}

typedef enum export_end { EXPORT_TAKEN, EXPORT_AGAIN, EXPORT_REFUSED } export_end;

static export_end exporter_post(exporter *e)
{
    long status = 0;
    e->answer_len = 0;
    e->answer[0] = 0;
    e->retry_after_ms = -1;
    int64_t left_ms = exporter_left_ms(e);
    if (left_ms == 0) return EXPORT_AGAIN;
    bool set = curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, e->body.data) == CURLE_OK &&
               curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)e->body.size) == CURLE_OK;
    CURLcode result = set ? exporter_perform(e) : CURLE_OUT_OF_MEMORY;
    if (result == CURLE_OK) (void)curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
    exporter_say(e, result, status);
    if (result == CURLE_OK && status >= 200 && status <= 299) return EXPORT_TAKEN;
    figure_add(&e->figures.errors, 1);
    bool passes = result != CURLE_OK ? result != CURLE_URL_MALFORMAT && result != CURLE_UNSUPPORTED_PROTOCOL
                                     : status_is_passing(status);
    return passes ? EXPORT_AGAIN : EXPORT_REFUSED;
}

/* ---- Batches ---- */

/* Waits, or until somebody wakes the thread. */
static void exporter_pause(exporter *e, int64_t ms, bool wakes_too)
{
    const int64_t until_ms = clock_steady_ms() + ms;
    for (int64_t left_ms = ms; left_ms > 0; left_ms = until_ms - clock_steady_ms()) {
        if (exporter_stops(e)) return;
        if (wakes_too && __atomic_exchange_n(&e->wakes, false, __ATOMIC_ACQ_REL)) return;
        spool_tend(e->spool);
        (void)curl_multi_poll(e->multi, NULL, 0, left_ms < TEND_MS ? (int)left_ms : TEND_MS, NULL);
    }
}

/* The longer of what the collector has asked for and the backoff: "Retry-After: 0" and a date that has passed ask for
 * nothing, and must not make one try follow the other. */
static int64_t exporter_retry_ms(const exporter *e, uint32_t tries)
{
    const int64_t backoff_ms = retry_backoff_ms(tries, PAUSE_FIRST_MS, PAUSE_MOST_MS, random_u64());
    const int64_t asked_ms = e->retry_after_ms < 0 ? 0 : retry_asked_ms(e->retry_after_ms, random_u64());
    return asked_ms > backoff_ms ? asked_ms : backoff_ms;
}

/* Returns how many spans of a batch that was taken the collector has refused all the same, and logs that once a minute.
 */
static size_t exporter_refused(exporter *e)
{
    otlp_refusal refusal;
    otlp_read_answer(&refusal, e->answer, e->answer_len, e->env->is_json);
    const size_t spans = refusal.spans < e->batch_count ? (size_t)refusal.spans : e->batch_count;
    const int64_t now_ms = clock_steady_ms();
    if (spans == 0 && !*refusal.message) return 0;
    if (e->refusal_said_ms && now_ms - e->refusal_said_ms < SAY_AGAIN_MS) return spans;
    e->refusal_said_ms = now_ms;
    if (spans == 0)
        log_line(LOG_WARN, NULL, "traces: %s has taken all spans, and warns: %s", e->env->shown_url, refusal.message);
    else
        log_line(LOG_WARN, NULL, "traces: %s refuses %zu of %zu spans: %s", e->env->shown_url, spans, e->batch_count,
                 *refusal.message ? refusal.message : "it gives no reason");
    return spans;
}

/* The collector has taken the batch, or refused it for good. */
static void exporter_done(exporter *e, export_end end)
{
    const size_t refused = end == EXPORT_TAKEN ? exporter_refused(e) : e->batch_count;
    figure_add(&e->figures.exported, e->batch_count - refused);
    figure_add(&e->figures.refused, refused);
    spool_free(e->spool, e->batch, e->batch_count);
}

/* Posts the batch. */
static export_end exporter_try(exporter *e)
{
    if (e->body.size == 0 && !exporter_encode(e)) {
        e->body.size = 0;
        return EXPORT_AGAIN; /* want of memory passes */
    }
    return exporter_post(e);
}

/* Sends the batch until the collector has taken or refused it. False: the thread is to stop, and the batch stays in the
 * spool for the next process. */
static bool exporter_send(exporter *e)
{
    const int64_t until_ms = clock_steady_ms() + GIVE_UP_MS;
    e->body.size = 0;
    export_end end = exporter_try(e);
    for (uint32_t tries = 1; end == EXPORT_AGAIN; tries++) {
        const int64_t left_ms = until_ms - clock_steady_ms(), pause_ms = exporter_retry_ms(e, tries);
        if (exporter_stops(e) || left_ms <= 0) break;
        exporter_pause(e, pause_ms < left_ms ? pause_ms : left_ms, false);
        end = exporter_try(e);
    }
    if (end == EXPORT_AGAIN && exporter_stops(e)) return false;
    exporter_done(e, end);
    return true;
}

static bool exporter_send_all(exporter *e)
{
    while ((e->batch_count = spool_take(e->spool, e->batch, e->env->batch_max)) > 0)
        if (!exporter_send(e)) return false;
    return true;
}

static void *exporter_main(void *arg)
{
    exporter *e = arg;
    bool goes_on = true;
    (void)pthread_setname_np(pthread_self(), "sw-exporter");
    while (goes_on && !exporter_stops(e)) {
        exporter_pause(e, e->env->delay_ms, true);
        if (!exporter_stops(e)) goes_on = exporter_send_all(e);
    }
    if (goes_on && exporter_left_ms(e) > 0) (void)exporter_send_all(e);
    return NULL;
}

/* ---- Starting ---- */

static bool exporter_add_header(exporter *e, const char *line)
{
    struct curl_slist *more = curl_slist_append(e->headers, line);
    if (more) e->headers = more;
    return more != NULL;
}

static bool exporter_set_headers(exporter *e)
{
    bool ok = exporter_add_header(e, e->env->is_json ? "Content-Type: application/json"
                                                     : "Content-Type: application/x-protobuf") &&
              exporter_add_header(e, "Expect:") &&
              (!e->env->is_gzip || exporter_add_header(e, "Content-Encoding: gzip"));
    for (size_t i = 0; i < e->env->headers.count && ok; i++) {
        char *line = NULL;
        ok = asprintf(&line, "%s: %s", e->env->headers.all[i].name, e->env->headers.all[i].value) > 0 &&
             exporter_add_header(e, line);
        free(line);
    }
    return ok;
}

static bool easy_set_files(CURL *h, const trace_env *env)
{
    return (!env->ca_file || curl_easy_setopt(h, CURLOPT_CAINFO, env->ca_file) == CURLE_OK) &&
           (!env->client_certificate || curl_easy_setopt(h, CURLOPT_SSLCERT, env->client_certificate) == CURLE_OK) &&
           (!env->client_key || curl_easy_setopt(h, CURLOPT_SSLKEY, env->client_key) == CURLE_OK);
}

static bool exporter_set_up(exporter *e)
{
    CURL *h = e->easy;
    return exporter_set_headers(e) && handle_prepare(h) && handle_prepare_multi(e->multi) &&
           easy_set_files(h, e->env) && curl_easy_setopt(h, CURLOPT_URL, e->env->url) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HTTPHEADER, e->headers) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_USERAGENT, "stepwell/" STEPWELL_VERSION) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)e->env->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEDATA, e) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HEADERDATA, e) == CURLE_OK;
}

static void exporter_free(exporter *e)
{
    if (e->easy) curl_easy_cleanup(e->easy);
    if (e->multi) (void)curl_multi_cleanup(e->multi);
    curl_slist_free_all(e->headers);
    msgpack_sbuffer_destroy(&e->body);
    msgpack_sbuffer_destroy(&e->text);
    free(e->batch);
    free(e);
}

exporter *exporter_start(spool *s, const trace_env *env)
{
    exporter *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->spool = s;
    e->env = env;
    msgpack_sbuffer_init(&e->body);
    msgpack_sbuffer_init(&e->text);
    e->batch = calloc(env->batch_max, sizeof(span *));
    e->easy = curl_easy_init();
    e->multi = curl_multi_init();
    spool_batch_at(s, env->batch_max);
    if (e->batch && e->easy && e->multi && exporter_set_up(e) &&
        pthread_create(&e->thread, NULL, exporter_main, e) == 0)
        return e;
    exporter_free(e);
    return NULL;
}

void exporter_wake(exporter *e)
{
    __atomic_store_n(&e->wakes, true, __ATOMIC_RELEASE);
    (void)curl_multi_wakeup(e->multi);
}

void exporter_stop(exporter *e, int64_t flush_ms)
{
    __atomic_store_n(&e->stop_at_ms, clock_steady_ms() + flush_ms, __ATOMIC_RELEASE);
    __atomic_store_n(&e->stops, true, __ATOMIC_RELEASE);
    (void)curl_multi_wakeup(e->multi);
    (void)pthread_join(e->thread, NULL);
    exporter_free(e);
}

exporter_figures exporter_figures_of(const exporter *e)
{
    return (exporter_figures){.exported = __atomic_load_n(&e->figures.exported, __ATOMIC_RELAXED),
                              .refused = __atomic_load_n(&e->figures.refused, __ATOMIC_RELAXED),
                              .errors = __atomic_load_n(&e->figures.errors, __ATOMIC_RELAXED)};
}
