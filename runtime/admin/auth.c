#include "runtime/admin/auth.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "runtime/admin/dev.h"
#include "runtime/base/problem.h"
#include "runtime/run/program.h"

static const char scheme[] = "bearer ";

static bool admin_token_equal(const char *given, const char *admin_token)
{
    return strlen(given) == strlen(admin_token) && CRYPTO_memcmp(given, admin_token, strlen(admin_token)) == 0;
}

bool auth_admits(home *h, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    const char *admin_token = h->opt->admin_token;
    const char *given = http_request_header(q, "authorization");
    if (h->opt->dev && dev_trusts(q)) return true;
    if (h->opt->dev && q->peer_loopback && !given) {
        problem_reply(
            x, 403, "--dev trusts this machine's names (localhost, 127.0.0.1, [::1]) and pages of its own only", NULL);
        return false;
    }
    if (!admin_token || !*admin_token) {
        problem_reply(x, 403, "start with --admin-token, or --dev for requests from this machine", NULL);
        return false;
    }
    if (!given || strncasecmp(given, scheme, sizeof scheme - 1) != 0) {
        static const http_reply_header ask = {"WWW-Authenticate", "Bearer realm=\"admin\""};
        problem_reply_with(x, 401, "this needs Authorization: Bearer with the --admin-token", &ask, 1);
        return false;
    }
    if (admin_token_equal(given + sizeof scheme - 1, admin_token)) return true;
    problem_reply(x, 403, "that is not the admin token", NULL);
    return false;
}
