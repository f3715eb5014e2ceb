/* Makes the call that a test asks for: POST /call {url, method, body, redirects, accept_encoding, stream, hold_ms,
 * leave, retries, public} answers {status, length, body, type}. Without `retries` it is made once. With `stream` the
 * body is read as it arrives, after a pause of hold_ms; with `leave` it is not read at all. POST /event answers with
 * the first event of a stream that may go on. */
#include <stepwell.h>
#include <string.h>

static const char *text(sw_ctx *c, sw_value map, const char *key) { return sw_cstr(c, sw_get(map, key)); }

static sw_value described(sw_ctx *c, const sw_response *r, int64_t length)
{
    const char *type = sw_response_header(r, "content-type", c);
    return sw_map(c, "status", sw_int(r->status), "length", sw_int(length), "type", type ? sw_str(c, type) : sw_nil(),
                  "body", sw_strn(c, r->body.data, r->body.len < 1000 ? r->body.len : 1000), NULL);
}

static sw_value read_stream(sw_ctx *c, const sw_request *request, int64_t hold_ms, bool leave)
{
    sw_stream *s = sw_fetch_open(c, request);
    int64_t length = 0;
    if (hold_ms > 0) sw_sleep(c, "hold", hold_ms);
    sw_bytes piece;
    while (!leave && (piece = sw_fetch_read(s)).len > 0) length += (int64_t)piece.len;
    sw_value result = described(c, sw_fetch_head(s), length);
    sw_fetch_close(s);
    return result;
}

static sw_value call(sw_ctx *c, sw_value input)
{
    const char *body = text(c, input, "body"), *encoding = text(c, input, "accept_encoding");
    const char *const headers[] = {encoding ? sw_printf(c, "Accept-Encoding: %s", encoding) : NULL, NULL};
    const sw_request request = {.method = text(c, input, "method"),
                                .url = text(c, input, "url"),
                                .headers = headers,
                                .redirects = (int)sw_as_int(sw_get(input, "redirects"), 0),
                                .allow = sw_as_bool(sw_get(input, "public"), false) ? SW_PUBLIC : SW_ANYWHERE,
                                .body = {body, body ? strlen(body) : 0}};
    if (sw_as_bool(sw_get(input, "stream"), false))
        return read_stream(c, &request, sw_as_int(sw_get(input, "hold_ms"), 0),
                           sw_as_bool(sw_get(input, "leave"), false));
    sw_response r = sw_fetch(c, &request);
    return described(c, &r, (int64_t)r.body.len);
}

static sw_value first_event(sw_ctx *c, sw_value input)
{
    sw_stream *s = sw_fetch_open(c, &(sw_request){.url = text(c, input, "url")});
    sw_sse event;
    return sw_sse_next(s, &event) ? sw_str(c, event.data) : sw_nil();
}

static void handle_event(sw_ctx *c)
{
    const sw_step_options once = {.retries = SW_NO_RETRIES};
    sw_reply_json(c, 200, sw_step_with(c, "event", first_event, sw_body_json(c), &once));
}

static void handle(sw_ctx *c)
{
    sw_value input = sw_body_json(c);
    int retries = (int)sw_as_int(sw_get(input, "retries"), SW_NO_RETRIES);
    const sw_step_options options = {.retries = retries, .backoff_ms = 1, .backoff_max_ms = 1};
    sw_reply_json(c, 200, sw_step_with(c, "call", call, input, &options));
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("caller");
    sw_endpoint(app, "POST /call", handle, NULL);
    sw_endpoint(app, "POST /event", handle_event, NULL);
    return sw_main(app, argc, argv);
}
