#include "runtime/clients/run_access.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/base/problem.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"

enum { ROUND_DIGITS_MAX = 9 };
_Static_assert(ROUND_DIGITS_MAX < 10, "a round fits 32 bits");
_Static_assert(RUN_QUERY_BYTES == 1024, "run_access_refuse_missing says so");

static const char *request_bearer(const http_request *q)
{
    const char *given = http_request_header(q, "authorization");
    if (!given || strncasecmp(given, "bearer ", 7) != 0) return NULL;
    return given + 7 + strspn(given + 7, " ");
}

/* A bearer token that has not the form of a run's is not taken for one: it may be an operator's. */
static bool request_find_run_token(const http_request *q, char text[RUN_QUERY_BYTES])
{
    if (q->query.len < RUN_QUERY_BYTES && uri_query(q->query.data, q->query.len, "token", text)) return true;
    const char *bearer = request_bearer(q);
    if (!bearer || !run_token_is_formed(bearer, strlen(bearer))) return false;
    _Static_assert((int)RUN_TOKEN_TEXT_MAX <= (int)RUN_QUERY_BYTES, "a token that is formed fits");
    (void)snprintf(text, RUN_QUERY_BYTES, "%s", bearer);
    return true;
}

bool run_access_is_here(const home *h, http_exchange *x, const run_id *id)
{
    char text[96];
    if (home_owns(h, id)) return true;
    (void)snprintf(text, sizeof text, "the run belongs to node %u of the cluster, and this is node %u: ask that one",
                   cluster_owner_of(h->cluster, id), (unsigned)h->cluster->self);
    problem_reply(x, 503, text, "1");
    return false;
}

bool run_access_has_token(const http_request *q)
{
    char text[RUN_QUERY_BYTES];
    return request_find_run_token(q, text);
}

run_token_scope run_access_scope(const http_request *q)
{
    char text[RUN_QUERY_BYTES];
    return request_find_run_token(q, text) ? run_token_scope_of(text, strlen(text)) : RUN_TOKEN_CONTROL;
}

uint32_t run_access_round(const http_request *q)
{
    char text[RUN_QUERY_BYTES];
    if (q->query.len >= sizeof text || !uri_query(q->query.data, q->query.len, "round", text)) return 0;
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= ROUND_DIGITS_MAX && !text[digits] ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static bool run_access_refuse_missing(http_exchange *x)
{
    static const http_reply_header ask = {"WWW-Authenticate", "Bearer realm=\"run\""};
    if (http_exchange_request(x)->query.len >= RUN_QUERY_BYTES)
        problem_reply(x, 403, "the token is not valid: the URL's query is longer than 1023 bytes", NULL);
    else
        problem_reply_with(x, 401, "this URL needs its token", &ask, 1);
    return false;
}

/* RFC 6750, 3.1. */
static bool run_access_refuse_scope(http_exchange *x, run_token_scope has, run_token_scope needed, const char *does)
{
    char challenge[80], detail[200];
    const http_reply_header ask = {"WWW-Authenticate", challenge};
    (void)snprintf(challenge, sizeof challenge, "Bearer realm=\"run\", error=\"insufficient_scope\", scope=\"%c\"",
                   needed);
    (void)snprintf(detail, sizeof detail, "this token is of scope %c (%s): %s needs one of scope %c%s", has,
                   has == RUN_TOKEN_READ ? "read" : "the answer to one question", does, needed,
                   needed == RUN_TOKEN_READ ? " or c" : "");
    problem_reply_with(x, 403, detail, &ask, 1);
    return false;
}

uint64_t run_access_question(const home *h, const http_exchange *x, const run_id *id)
{
    char text[RUN_QUERY_BYTES];
    if (!request_find_run_token(http_exchange_request(x), text)) return 0;
    size_t len = strlen(text);
    bool is_signed = run_token_check(&h->app->key, id, 0, text, len) == RUN_TOKEN_OK;
    return is_signed ? run_token_question(text, len) : 0;
}

bool run_access_check(home *h, http_exchange *x, const run_id *id, run_token_scope needed, const char *does)
{
    char text[RUN_QUERY_BYTES];
    assert(needed == RUN_TOKEN_READ || needed == RUN_TOKEN_CONTROL);
    if (!request_find_run_token(http_exchange_request(x), text)) return run_access_refuse_missing(x);
    size_t len = strlen(text);
    run_token_scope has = run_token_scope_of(text, len);
    switch (run_token_check(&h->app->key, id, clock_wall_ms(), text, len)) {
    case RUN_TOKEN_OK:
    case RUN_TOKEN_EXPIRED:
        /* A token is made before anybody knows when the run will end, and how long its result will be there from then
         * on: it is good for as long as the run can be found. */
        return has == needed || has == RUN_TOKEN_CONTROL || run_access_refuse_scope(x, has, needed, does);
    default:
        problem_reply(x, 403, "the token is not valid for this run", NULL);
        return false;
    }
}
