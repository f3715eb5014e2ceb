/* answers: endpoints for the matrix of clients (tests/clients/matrix.py), on <stepwell.h> alone. Each answers GET and
 * POST {"n": 1} with a status, headers and a body of its own: at once, after a sleep, with bytes, or when the caller's
 * server lets it. */
#include <stepwell.h>

#include <stdlib.h>
#include <string.h>

enum { BYTES = 300000 };

static int64_t number(sw_ctx *c, const char *name, int64_t fallback)
{
    const char *text = sw_query(c, name);
    return text ? strtoll(text, NULL, 10) : fallback;
}

/* What the client sent: 1 from each that posts as its documents show. */
static int64_t sent(sw_ctx *c)
{
    return strcmp(sw_method(c), "POST") == 0 ? sw_as_int(sw_get(sw_body_json(c), "n"), -1) : 0;
}

static sw_value say(sw_ctx *c, sw_value input)
{
    sw_push_chunk(c, sw_str(c, "one "));
    sw_push_chunk(c, sw_str(c, "two"));
    return input;
}

static sw_value begin(sw_ctx *c)
{
    int64_t n = sent(c);
    sw_reply_header(c, "X-Answer", "\"one\"; two");
    return sw_step(c, "say", say, sw_int(n));
}

static void on_at_once(sw_ctx *c)
{
    sw_value n = begin(c);
    sw_reply_text(c, 201, "at once %lld\n", (long long)sw_as_int(n, -1));
}

static void on_later(sw_ctx *c)
{
    sw_value n = begin(c);
    sw_sleep(c, "nap", number(c, "ms", 1000));
    sw_reply_json(c, 203, sw_map(c, "later", n));
}

static void on_bytes(sw_ctx *c)
{
    begin(c);
    sw_sleep(c, "nap", number(c, "ms", 300));
    unsigned char *bytes = sw_alloc(c, BYTES);
    for (size_t i = 0; i < BYTES; i++) bytes[i] = (unsigned char)(i * i >> 7);
    sw_reply(c, 203, "application/octet-stream", bytes, BYTES);
}

/* Asks the matrix for leave to go on, and tells it who asks. */
static sw_value wait_for_leave(sw_ctx *c, sw_value gate)
{
    sw_response r = sw_fetch(c, &(sw_request){.url = sw_printf(c, "%s/%s", sw_cstr(c, gate), sw_run_id(c))});
    if (r.status != 200) sw_fail(c, "the gate answered %d", r.status);
    return sw_nil();
}

static void on_gate(sw_ctx *c)
{
    sw_value n = begin(c);
    sw_step(c, "leave", wait_for_leave, sw_str(c, sw_query(c, "gate")));
    sw_reply_text(c, 201, "lived on %lld\n", (long long)sw_as_int(n, -1));
}

/* Fails for good, and tells the matrix that it was begun. */
static void on_fails(sw_ctx *c)
{
    sw_step(c, "leave", wait_for_leave, sw_str(c, sw_query(c, "gate")));
    sw_fail_fatal(c, "broken on purpose");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *route;
        sw_handler handler;
    } routes[] = {{"GET /at-once", on_at_once}, {"POST /at-once", on_at_once}, {"GET /later", on_later},
                  {"POST /later", on_later},    {"GET /bytes", on_bytes},      {"POST /bytes", on_bytes},
                  {"GET /gate", on_gate},       {"POST /gate", on_gate},       {"GET /fails", on_fails},
                  {"POST /fails", on_fails}};
    sw_app *app = sw_app_new("answers");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        sw_endpoint(app, routes[i].route, routes[i].handler, &(sw_endpoint_options){.cors_origin = "*"});
    return sw_main(app, argc, argv);
}
