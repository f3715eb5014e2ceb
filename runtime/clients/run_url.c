#include "runtime/clients/run_url.h"

#include <assert.h>
#include <stdio.h>

#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/public_url.h"

enum { BASE_MAX_BYTES = 512 };

void run_url(const home *h, const run_link *link, char out[RUN_URL_MAX])
{
    char base[BASE_MAX_BYTES], text[RUN_ID_TEXT + 1], token[RUN_TOKEN_TEXT_MAX];
    assert(link->scope == RUN_TOKEN_READ || link->scope == RUN_TOKEN_CONTROL);
    if (!public_url(h->app->public_urls, link->host, base, sizeof base)) base[0] = 0;
    run_id_format(link->run, text);
    run_token_make(&h->app->key, link->run, link->scope, run_id_time_ms(link->run) + h->opt->retain_ms, token);
    int n = snprintf(out, RUN_URL_MAX, "%s/_sw/runs/%s/%s?token=%s", base, text, link->what, token);
    assert(n > 0);
    assert(n < RUN_URL_MAX - RUN_URL_MORE);
    (void)n;
}
