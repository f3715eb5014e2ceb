#include "runtime/admin/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/admin/dev.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/clients/link_code.h"
#include "runtime/clients/site.h"
#include "runtime/loop/loop.h"
#include "runtime/run/program.h"

enum { STRANGER_LINE_MS = 60000 };

static const char scheme[] = "bearer ";

/* Whoever --dev trusts. */
static const operator_entry dev_operator = {.name = "dev", .scopes = OPERATOR_ADMIN};

static const operator_entry *auth_refuse(http_exchange *x, int status, const char *why)
{
    problem_reply(x, status, why, NULL);
    return NULL;
}

static const operator_entry *auth_refuse_missing(const home *h, http_exchange *x, operator_scope needed)
{
    static const http_reply_header ask = {"WWW-Authenticate", "Bearer realm=\"admin\""};
    char detail[160];
    (void)snprintf(detail, sizeof detail, "this needs Authorization: Bearer, with a token of scope %s (%s)",
                   operator_scope_name(needed),
                   h->app->link_code ? "--token, or the one for which --dev logs a code" : "--token");
    problem_reply_with(x, 401, detail, &ask, 1);
    return NULL;
}

/* RFC 6750, 3.1. */
static const operator_entry *auth_refuse_scope(http_exchange *x, const operator_entry *who, operator_scope needed,
                                               const char *does)
{
    char challenge[96], detail[200];
    const http_reply_header ask = {"WWW-Authenticate", challenge};
    (void)snprintf(challenge, sizeof challenge, "Bearer realm=\"admin\", error=\"insufficient_scope\", scope=\"%s\"",
                   operator_scope_name(needed));
    (void)snprintf(detail, sizeof detail, "%s needs scope %s, which the token of %s does not have", does,
                   operator_scope_name(needed), who->name);
    problem_reply_with(x, 403, detail, &ask, 1);
    return NULL;
}

/* Returns what is wrong with a request to --admin-listen that is not meant for that address, or that a page of another
 * site has made; NULL: nothing. */
static const char *auth_find_foreign(const home *h, const http_request *q)
{
    const char *host = http_request_header(q, "host"), *origin = http_request_header(q, "origin");
    if (site_is_embedded(http_request_header(q, "sec-fetch-site"), http_request_header(q, "sec-fetch-dest")))
        return "no page of another site may ask this: Sec-Fetch-Site must be absent, none or same-origin";
    if (host && !site_is_here(host) && !site_is_address(host) && !site_is_listed(host, h->opt->admin_host))
        return "the Host of the admin API is an address, localhost, or a name of --admin-host";
    if (origin && !(host && site_is_origin(origin, host)))
        return "no page of another site may ask this: Origin must be absent, or http:// or https:// and then Host";
    return NULL;
}

bool auth_admits_site(const home *h, http_exchange *x)
{
    const char *foreign = loop_is_admin_door(h, x) ? auth_find_foreign(h, http_exchange_request(x)) : NULL;
    if (foreign) (void)auth_refuse(x, 403, foreign);
    return !foreign;
}

/* Which of several counts, proxies and this server may see differently. */
static bool request_has_two_tokens(const http_request *q)
{
    unsigned count = 0;
    for (size_t i = 0; i < q->header_count; i++) count += strcasecmp(q->headers[i].name.data, "authorization") == 0;
    return count > 1;
}

/* Returns whose token the header has; NULL: nobody's. */
static const operator_entry *auth_find_bearer(const home *h, const char *authorization)
{
    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) return NULL;
    const char *token = authorization + sizeof scheme - 1;
    token += strspn(token, " ");
    const operator_entry *who = operators_find(h->app->operators, token);
    bool is_of_link = !who && h->app->link_code && link_code_knows(h->app->link_code, token, clock_steady_ms());
    return is_of_link ? &dev_operator : who;
}

/* One line in STRANGER_LINE_MS, however often strangers ask: they could fill the log. */
void auth_tell_stranger(const http_request *q, const char *what)
{
    static int64_t due_ms;  /* atomic, of the steady clock */
    static uint64_t untold; /* atomic */
    int64_t now = clock_steady_ms(), due = __atomic_load_n(&due_ms, __ATOMIC_RELAXED);
    (void)__atomic_add_fetch(&untold, 1, __ATOMIC_RELAXED);
    if (now < due ||
        !__atomic_compare_exchange_n(&due_ms, &due, now + STRANGER_LINE_MS, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    uint64_t count = __atomic_exchange_n(&untold, 0, __ATOMIC_RELAXED);
    log_line(LOG_WARN, NULL,
             "the admin API was given %s that is not right, by %s (%llu times since the last such line)", what,
             q->peer.len > 0 ? q->peer.data : "?", (unsigned long long)count);
}

const operator_entry *auth_admits(home *h, http_exchange *x, operator_scope needed, const char *does)
{
    const http_request *q = http_exchange_request(x);
    const char *given = http_request_header(q, "authorization");
    if (!auth_admits_site(h, x)) return NULL;
    if (request_has_two_tokens(q)) return auth_refuse(x, 400, "there is more than one Authorization header");
    const operator_entry *who = auth_find_bearer(h, given);
    if (who) return operator_may(who, needed) ? who : auth_refuse_scope(x, who, needed, does);
    if (h->opt->dev && dev_trusts(q)) return &dev_operator;
    if (!given && h->opt->dev && q->peer_loopback)
        return auth_refuse(x, 403,
                           "--dev trusts this machine's names (localhost, 127.0.0.1, [::1]) and pages of its own only");
    if (operators_count(h->app->operators) == 0 && !h->app->link_code)
        return auth_refuse(x, 403, "start with --token NAME:SCOPES:FILE, or --dev for requests from this machine");
    if (!given || strncasecmp(given, scheme, sizeof scheme - 1) != 0) return auth_refuse_missing(h, x, needed);
    auth_tell_stranger(q, "a token");
    return auth_refuse(x, 403, "that is no token of this server");
}
