#include "runtime/clients/signal_request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json_reader.h"
#include "runtime/base/problem.h"
#include "runtime/base/value.h"
#include "runtime/clients/idempotency.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

/* A request that waits for its answer. Frees itself with it. */
typedef struct signal_request {
    home *home;
    http_exchange *x;
    run_id run;
} signal_request;

enum { LOOK_BYTES = 4096, BODY_BYTES = 128 };

static const char no_memory[] = "out of memory: nothing of it was done", AT_ONCE[] = "1", LATER[] = "5";

const char signal_run_has_ended[] = "the run has ended: it takes no signals any more";

static void request_on_gone(http_exchange *x) { (void)x; /* the answer comes soon; then the exchange is ended */ }

/* ---- Answers ---- */

/* `was_had`: an earlier request with its key has brought the signal. */
static void signal_reply_accepted(http_exchange *x, const run_id *of, bool was_had)
{
    char id[RUN_ID_TEXT + 1], body[BODY_BYTES];
    run_id_format(of, id);
    const http_reply_header headers[] = {
        {"Content-Type", "application/json"}, {"X-Run-Id", id}, {"Idempotency-Replayed", "true"}};
    int len = snprintf(body, sizeof body, "{\"runId\":\"%s\",\"status\":\"accepted\"}\n", id);
    assert(len > 0 && (size_t)len < sizeof body);
    http_reply(x, 202, headers, was_had ? 3 : 2, (http_text){body, (size_t)len});
}

static void request_refuse(signal_request *q, int status, const char *why, const char *retry_after)
{
    problem_reply(q->x, status, why, retry_after);
    free(q);
}

static void request_on_fate(void *arg, mail_fate fate)
{
    signal_request *q = arg;
    switch (fate) {
    case MAIL_KEPT:
        signal_reply_accepted(q->x, &q->run, false);
        free(q);
        return;
    case MAIL_LATE:
        request_refuse(q, 409, signal_run_has_ended, NULL);
        return;
    case MAIL_TAKEN: /* of answers to questions alone */
    case MAIL_UNWRITTEN:
        request_refuse(q, 503, "the journal cannot be written: the signal was not sent", LATER);
        return;
    case MAIL_UNKNOWN:
        request_refuse(q, 503,
                       "the journal could not be written, and nobody knows yet whether the signal will be there:"
                       " send it again with the same Idempotency-Key",
                       LATER);
        return;
    }
}

/* ---- Runs that are not known here ---- */

static void request_on_looked(void *arg, const store_summary *runs, size_t count)
{
    signal_request *q = arg;
    assert(count == 1);
    (void)count;
    if (runs->error && !runs->found)
        request_refuse(q, 503, "the run cannot be read at present: ask again", LATER);
    else if (!runs->found)
        request_refuse(q, 404, "no such run", NULL);
    else if (runs->live)
        request_refuse(q, 503, "the run is about to be read: ask again", AT_ONCE);
    else
        request_refuse(q, 409, signal_run_has_ended, NULL);
}

/* The run has ended, or there is none: what the journal has of it tells which. */
static void request_look(signal_request *q)
{
    if (!store_summarize(q->home->port, &q->run, 1, LOOK_BYTES, request_on_looked, q))
        request_refuse(q, 503, no_memory, LATER);
}

/* ---- Limits ---- */

void signal_tell_limit(const home *h, mailbox_answer answer, char why[SIGNAL_WHY_BYTES])
{
    assert(answer == MAILBOX_TOO_MANY || answer == MAILBOX_TOO_LARGE);
    if (answer == MAILBOX_TOO_MANY)
        (void)snprintf(why, SIGNAL_WHY_BYTES, "the run has %lld signals that it has not taken (--signals-max)",
                       (long long)h->opt->signals_max);
    else
        (void)snprintf(why, SIGNAL_WHY_BYTES,
                       "the signals that the run has not taken would be more than %lld bytes (--signals-bytes-max)",
                       (long long)h->opt->signals_bytes_max);
}

static void request_refuse_limit(signal_request *q, mailbox_answer answer)
{
    char why[SIGNAL_WHY_BYTES];
    signal_tell_limit(q->home, answer, why);
    request_refuse(q, 429, why, LATER);
}

/* ---- Runs of other nodes ---- */

void signal_tell_away(const home *h, away_answer answer, signal_refusal *why)
{
    bool is_full = answer == AWAY_TOO_MANY || answer == AWAY_TOO_LARGE, is_over = answer == AWAY_ENDED;
    assert(answer != AWAY_TAKES && answer != AWAY_HAD);
    *why = (signal_refusal){.status = 503, .retry_after = LATER};
    if (is_full) {
        why->status = 429;
        signal_tell_limit(h, answer == AWAY_TOO_MANY ? MAILBOX_TOO_MANY : MAILBOX_TOO_LARGE, why->text);
    } else if (is_over || answer == AWAY_MISSING) {
        *why = (signal_refusal){.status = is_over ? 409 : 404};
        (void)snprintf(why->text, sizeof why->text, "%s", is_over ? signal_run_has_ended : "no such run");
    } else {
        (void)snprintf(why->text, sizeof why->text, "%s",
                       answer == AWAY_UNREAD ? "the run cannot be read at present: ask again" : no_memory);
    }
}

static void request_on_away(void *arg, away_answer answer, mail_letter *m)
{
    signal_request *q = arg;
    signal_refusal why;
    if (answer == AWAY_TAKES) {
        mail_put(m);
    } else if (answer == AWAY_HAD) {
        signal_reply_accepted(q->x, &q->run, true);
        free(q);
    } else {
        signal_tell_away(q->home, answer, &why);
        request_refuse(q, why.status, why.text, why.retry_after);
    }
}

/* ---- The request ---- */

/* Takes the wish's value, which is packed. */
static void request_send(signal_request *q, const signal_wish *wish, const uint8_t *id, entry_text value)
{
    const mail_wish sent = {.id = id,
                            .name = {wish->name.data, wish->name.len},
                            .value = value,
                            .by = wish->by,
                            .on_fate = request_on_fate,
                            .arg = q};
    if (!home_owns(q->home, &q->run)) {
        if (!away_ask(q->home, &q->run, &sent, request_on_away, q)) request_refuse(q, 503, no_memory, LATER);
        return;
    }
    slot *s = mailbox_slot(q->home, &q->run);
    if (!s && !q->home->slots.recovered) {
        request_refuse(q, 503, "the run is about to be read: ask again", AT_ONCE);
        return;
    }
    if (!s) {
        request_look(q);
        return;
    }
    mailbox_answer answer = mailbox_send(q->home, s, &sent);
    switch (answer) {
    case MAILBOX_SENT:
        return;
    case MAILBOX_HAD:
        signal_reply_accepted(q->x, &q->run, true);
        free(q);
        return;
    case MAILBOX_TOO_MANY:
    case MAILBOX_TOO_LARGE:
        request_refuse_limit(q, answer);
        return;
    case MAILBOX_NO_MEMORY:
        request_refuse(q, 503, no_memory, LATER);
        return;
    case MAILBOX_NOT_NOW:
        request_refuse(q, 503, "the run is about to begin, or to go on after its end: ask again", AT_ONCE);
        return;
    }
}

static void signal_begin(home *h, http_exchange *x, const signal_wish *wish, const uint8_t *id, entry_text value)
{
    signal_request *q = malloc(sizeof *q);
    if (!q) {
        problem_reply(x, 503, no_memory, LATER);
        return;
    }
    *q = (signal_request){h, x, *wish->run};
    http_exchange_on_gone(x, request_on_gone);
    request_send(q, wish, id, value);
}

static void signal_tell_no_json(http_exchange *x, const char *message)
{
    char why[SIGNAL_WHY_BYTES];
    (void)snprintf(why, sizeof why, "the body is not JSON: %s", message);
    problem_reply(x, 400, why, NULL);
}

bool signal_read_body(home *h, http_exchange *x, msgpack_sbuffer *packed, bool *is_string)
{
    http_text body = http_exchange_request(x)->body;
    const char *message = NULL;
    sw_value v = {.type = MSGPACK_OBJECT_NIL};
    arena a;
    arena_init(&a, h->arenas);
    bool is_json = body.len == 0 || json_read(&a, body.data, body.len, &v, &message);
    bool is_packed = is_json && value_pack(packed, v, SIZE_MAX, &message);
    *is_string = is_packed && v.type == MSGPACK_OBJECT_STR;
    if (message == value_no_memory || (is_json && !is_packed))
        problem_reply(x, 503, no_memory, LATER);
    else if (!is_json)
        signal_tell_no_json(x, message);
    arena_free(&a);
    return is_packed;
}

bool signal_is_refused(const home *h, size_t bytes, signal_refusal *why)
{
    *why = (signal_refusal){.status = 503, .retry_after = AT_ONCE};
    if (bytes > (size_t)h->opt->signal_max) {
        *why = (signal_refusal){.status = 413};
        (void)snprintf(why->text, sizeof why->text, "a signal is at most %lld bytes of JSON (--signal-max)",
                       (long long)h->opt->signal_max);
    } else if (h->draining) {
        (void)snprintf(why->text, sizeof why->text, "the server is stopping: ask again");
    } else if (!gate_writable(h)) {
        why->retry_after = LATER;
        (void)snprintf(why->text, sizeof why->text, "the journal cannot be written: the signal was not sent");
    } else if (gate_full(h)) {
        (void)snprintf(why->text, sizeof why->text,
                       "the journal cannot keep up (--journal-queue-max): the signal was not sent");
    } else {
        return false;
    }
    return true;
}

/* What can be said of the request alone. False: the exchange has its answer. */
static bool signal_check(const home *h, http_exchange *x, const signal_wish *wish)
{
    char text[120];
    signal_refusal why;
    if (!mail_name_fits(wish->name.data, wish->name.len)) {
        (void)snprintf(text, sizeof text, "a signal's name is 1 to %d bytes of UTF-8 without control characters",
                       MAIL_NAME_MAX);
        problem_reply(x, 400, text, NULL);
        return false;
    }
    if (!signal_is_refused(h, http_exchange_request(x)->body.len, &why)) return true;
    problem_reply(x, why.status, why.text, why.retry_after);
    return false;
}

/* Makes the letter's id of the request's Idempotency-Key, if it has one: equal keys are one signal of this run and
 * name. False: the exchange has its answer. */
static bool signal_read_key(http_exchange *x, const signal_wish *wish, uint8_t hash[STORE_KEY_BYTES])
{
    char name[MAIL_NAME_MAX + 1], of[RUN_ID_TEXT + 1];
    memcpy(name, wish->name.data, wish->name.len);
    name[wish->name.len] = 0;
    run_id_format(wish->run, of);
    return idempotency_read(x, name, of, hash);
}

void signal_request_take(home *h, http_exchange *x, const signal_wish *wish)
{
    uint8_t hash[STORE_KEY_BYTES];
    msgpack_sbuffer packed;
    bool is_string;
    _Static_assert((int)STORE_KEY_BYTES >= (int)ENTRY_LETTER_BYTES, "a letter's id is the beginning of a hash");
    if (!signal_check(h, x, wish)) return;
    bool has_key = idempotency_count(x) > 0;
    if (has_key && !signal_read_key(x, wish, hash)) return;
    msgpack_sbuffer_init(&packed);
    if (signal_read_body(h, x, &packed, &is_string))
        signal_begin(h, x, wish, has_key ? hash : NULL, (entry_text){packed.data, packed.size});
    msgpack_sbuffer_destroy(&packed);
}
