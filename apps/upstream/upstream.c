/* upstream: a simulator of Anthropic's Messages API, of the chat completions API and of Exa's search API, for tests,
 * benches and trying things out without keys. It answers as the real ones do, fails as they do when told to, and tells
 * what it was asked:
 *
 *     POST /v1/messages   POST /v1/chat/completions   GET /v1/models   POST /search   GET, DELETE /_sim/calls */
#include <assert.h>

#include "apps/upstream/call_log.h"
#include "apps/upstream/completions.h"
#include "apps/upstream/exa.h"
#include "apps/upstream/messages.h"
#include "apps/upstream/settings.h"
#include "apps/upstream/sim.h"

static const char *on_start(sw_app *app, void *arg)
{
    (void)arg;
    settings s;
    const char *wrong = settings_read(app, &s);
    if (!wrong) sim_start(&s);
    return wrong;
}

static void on_calls_clear(sw_ctx *c)
{
    call_log_clear();
    sw_reply(c, 204, NULL, NULL, 0);
}

/* Both APIs have this path; Anthropic's clients say which version they speak. */
static void on_models(sw_ctx *c)
{
    if (sw_header(c, "anthropic-version") || sw_header(c, "x-api-key"))
        messages_models(c);
    else
        completions_models(c);
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("upstream");
    settings_declare(app);
    sw_on_start(app, on_start, NULL);
    sw_route(app, "POST /v1/messages", messages_create);
    sw_route(app, "POST /v1/chat/completions", completions_create);
    sw_route(app, "GET /v1/models", on_models);
    sw_route(app, "POST /search", exa_search);
    sw_route(app, "GET /_sim/calls", call_log_reply);
    sw_route(app, "DELETE /_sim/calls", on_calls_clear);
    return sw_main(app, argc, argv);
}
