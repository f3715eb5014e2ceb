#include "runtime/clients/hold.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { MINUTE_MS = 60000 };

/* How a User-Agent begins, and for how long its kind is held: it waits so long for a head. Behind each, how many
 * redirects it follows. docs/http.md says how that was measured. */
typedef struct kind {
    const char *agent;
    int64_t hold_ms;
} kind;

static const kind kinds[] = {
    {"curl/", 5 * MINUTE_MS},              /* 50 redirects */
    {"Wget/", 10 * MINUTE_MS},             /* 20; waits 15 minutes */
    {"Python-urllib/", 15 * MINUTE_MS},    /* 10 */
    {"python-requests/", 5 * MINUTE_MS},   /* 30 */
    {"HTTPie/", 5 * MINUTE_MS},            /* 29 */
    {"Go-http-client/", 15 * MINUTE_MS},   /* 9 */
    {"Java-http-client/", 40 * MINUTE_MS}, /* 4 */
    {"got (", 15 * MINUTE_MS},             /* 10 */
    {"axios/", 25 * MINUTE_MS},            /* 5, later ones 21 */
    {"node", 280000},                      /* fetch: 20; waits 5 minutes */
    {"undici", 280000},                    /* fetch too, by the name of its library */
    {"libwww-perl/", 170000},              /* 7; waits 3 minutes */
};

static bool text_begins(const char *text, const char *with) { return strncasecmp(text, with, strlen(with)) == 0; }

/* Browsers name other browsers before themselves, and follow 20 redirects. Chromium, "HeadlessChrome/" without a
 * window, was seen to wait for a head for 41 minutes; Firefox documents 5. */
static int64_t browser_hold_ms(const char *agent)
{
    if (!text_begins(agent, "Mozilla/5.0 ")) return HOLD_USUAL_MS;
    if (strstr(agent, "Chrome/")) return 10 * MINUTE_MS;
    return strstr(agent, " Firefox/") ? 4 * MINUTE_MS : HOLD_USUAL_MS;
}

/* Python's aiohttp names its language first. It follows 9 redirects. By default a call may take 5 minutes in all,
 * however short its rounds are; with a longer limit rounds may be long. */
static bool agent_is_aiohttp(const char *agent) { return text_begins(agent, "Python/") && strstr(agent, " aiohttp/"); }

static int64_t agent_hold_ms(const char *agent)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (text_begins(agent, kinds[i].agent)) return kinds[i].hold_ms;
    if (agent_is_aiohttp(agent)) return 15 * MINUTE_MS;
    return browser_hold_ms(agent);
}

/* Whether a header is one that proxies add, by its whole name or its beginning. */
static bool header_is_of_proxy(const char *name)
{
    if (!strchr("vfxtcpVFXTCP", *name)) return false; /* most */
    static const char *const whole[] = {"via",      "forwarded", "x-real-ip",       "x-client-ip", "true-client-ip",
                                        "cdn-loop", "x-varnish", "proxy-connection"};
    static const char *const beginnings[] = {"x-forwarded-", "x-envoy-", "x-original-", "x-amz-", "x-amzn-", "cf-"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcasecmp(name, whole[i]) == 0) return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (text_begins(name, beginnings[i])) return true;
    return false;
}

bool hold_shows_proxy(const http_request *q)
{
    if (!q->http11) return true; /* nginx speaks 1.0 to what is behind it, unless told otherwise */
    for (size_t i = 0; i < q->header_count; i++)
        if (header_is_of_proxy(q->headers[i].name.data)) return true;
    return false;
}

int64_t hold_for(const http_request *q)
{
    const char *agent = http_request_header(q, "user-agent");
    if (hold_shows_proxy(q)) return HOLD_PROXY_MS;
    return agent ? agent_hold_ms(agent) : HOLD_USUAL_MS;
}

int64_t hold_at_output_ms(int64_t flag_ms, int64_t bears_ms, const char *base)
{
    assert(bears_ms >= 0);
    if (flag_ms > 0) return flag_ms;
    return bears_ms < HOLD_PROXY_MS || text_begins(base, "https://") ? HOLD_PROXY_MS : bears_ms;
}
