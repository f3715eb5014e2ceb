/* A page that watches its run. The first request begins it and tells where its stream is; an EventSource there goes on
 * by itself after a lost connection and after a restart of the server, with no chunk missing and none twice. */
#include <stepwell.h>

static const char page[] = "<!doctype html><title>Countdown</title><h1 id=n>ready?</h1><script>"
                           "fetch('/countdown', {headers: {Prefer: 'respond-async'}}).then(r => r.json()).then(run => {"
                           "  const stream = new EventSource(run.readUrl.replace('/output', '/stream'))\n"
                           "  stream.addEventListener('inngest.stream', e => n.textContent = JSON.parse(e.data).data)\n"
                           "  stream.addEventListener('inngest.response', () => stream.close())"
                           "})</script>";

static void on_page(sw_ctx *c) { sw_reply(c, 200, "text/html; charset=utf-8", page, sizeof page - 1); }

static void on_countdown(sw_ctx *c)
{
    for (int n = 10; n > 0; n--) {
        sw_push_chunk(c, sw_int(n)); /* on disk before it is sent: what was seen stays true */
        sw_sleep(c, "a moment", 200);
    }
    sw_push_chunk(c, sw_str(c, "lift-off"));
    sw_reply_json(c, 200, sw_str(c, "lift-off"));
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("browser");
    sw_route(app, "GET /", on_page);
    sw_endpoint(app, "GET /countdown", on_countdown, NULL);
    return sw_main(app, argc, argv);
}
