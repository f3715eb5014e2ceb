#include "runtime/admin/session.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "runtime/admin/auth.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/clients/link_code.h"
#include "runtime/loop/loop.h"
#include "runtime/run/program.h"

enum { BODY_BYTES = 192 };

static void session_reply(http_exchange *x, const char *token)
{
    char body[BODY_BYTES];
    const http_reply_header type = {"Content-Type", "application/json"};
    int len =
        snprintf(body, sizeof body, "{\"token\":\"%s\",\"operator\":\"dev\",\"scopes\":[\"admin\"],\"expiresIn\":%d}\n",
                 token, LINK_TOKEN_MS / 1000);
    assert(len > 0 && (size_t)len < sizeof body);
    http_reply(x, 200, &type, 1, (http_text){body, (size_t)len});
    OPENSSL_cleanse(body, sizeof body);
}

void session_answer(home *h, http_exchange *x)
{
    char token[LINK_CODE_TEXT];
    http_text code = http_exchange_request(x)->body;
    if (!auth_admits_site(h, x)) return;
    if (!h->app->link_code || !loop_is_admin_door(h, x)) {
        problem_reply(x, 404, "--dev logs a code if its --admin-listen can be reached from other machines", NULL);
        return;
    }
    while (code.len > 0 && (code.data[code.len - 1] == '\n' || code.data[code.len - 1] == '\r')) code.len--;
    if (!link_code_exchange(h->app->link_code, code.data, code.len, clock_steady_ms(), token)) {
        auth_tell_stranger(http_exchange_request(x), "a code");
        problem_reply(x, 403,
                      "that is not the code that this process has logged, or it was used, or is older than "
                      "ten minutes",
                      NULL);
        return;
    }
    log_line(LOG_INFO, NULL, "the code was used: its token is of operator dev, and good for 12 hours");
    session_reply(x, token);
    OPENSSL_cleanse(token, sizeof token);
}
